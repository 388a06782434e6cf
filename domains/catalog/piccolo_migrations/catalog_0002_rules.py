"""What the database itself keeps for products and stock: keys, ranges, versions, slugs and the event log."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T12:00:00:000002"
VERSION = "1.38.0"
DESCRIPTION = "Constraints, indexes and triggers of products and stock"

EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"

# NaN counts as greater than every number in PostgreSQL: the upper bound is what keeps it out.
PRODUCT_CHECKS = """
ALTER TABLE product
    ADD CONSTRAINT product_sku_trimmed CHECK (sku <> '' AND sku = btrim(sku)),
    ADD CONSTRAINT product_name_given CHECK (btrim(name) <> ''),
    ADD CONSTRAINT product_price_range CHECK (price BETWEEN 0 AND 9999999999.99),
    ADD CONSTRAINT product_compare_at_price_range CHECK (compare_at_price BETWEEN 0 AND 9999999999.99),
    ADD CONSTRAINT product_cost_price_range CHECK (cost_price BETWEEN 0 AND 9999999999.99),
    ADD CONSTRAINT product_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
    ADD CONSTRAINT product_inventory_quantity_positive CHECK (inventory_quantity >= 0),
    ADD CONSTRAINT product_low_stock_threshold_positive CHECK (low_stock_threshold >= 0)
"""

# Patterns are compared character by character, whatever the language of the database: so the index of the SKUs serves
# equality, order and the beginnings that a short search asks for.
PRODUCT_KEYS = """
CREATE UNIQUE INDEX product_sku_key ON product (lower(sku) text_pattern_ops) INCLUDE (sku, id, is_active);
CREATE UNIQUE INDEX product_slug_key ON product (slug);
CREATE UNIQUE INDEX product_external_id_key ON product (external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX product_shopify_variant_key ON product (shopify_variant_id) WHERE shopify_variant_id IS NOT NULL;
CREATE UNIQUE INDEX product_shopify_item_key ON product (shopify_inventory_item_id)
    WHERE shopify_inventory_item_id IS NOT NULL
"""

# One index for each order that a list offers, ending in id so that the keyset cursor walks it, and with the flag that
# nearly every list filters by. One for each column that can be filtered. One trigram index over name and SKU together:
# words of one search may stand in either, and two columns would make it half as large again.
PRODUCT_INDEXES = """
CREATE INDEX product_name_order ON product (lower(name), id) INCLUDE (name, is_active);
CREATE INDEX product_price_order ON product (price, id) INCLUDE (is_active);
CREATE INDEX product_quantity_order ON product (inventory_quantity, id) INCLUDE (is_active);
CREATE INDEX product_created_order ON product (created_at, id) INCLUDE (is_active);
CREATE INDEX product_updated_order ON product (updated_at, id) INCLUDE (is_active);
CREATE INDEX product_inactive ON product (id) WHERE NOT is_active;
CREATE INDEX product_brand ON product (brand, id) WHERE brand IS NOT NULL;
CREATE INDEX product_product_type ON product (product_type, id) WHERE product_type IS NOT NULL;
CREATE INDEX product_condition ON product (condition, id) WHERE condition IS NOT NULL;
CREATE INDEX product_gender ON product (gender, id) WHERE gender IS NOT NULL;
CREATE INDEX product_age_group ON product (age_group, id) WHERE age_group IS NOT NULL;
CREATE INDEX product_color ON product (color, id) WHERE color IS NOT NULL;
CREATE INDEX product_size ON product (size, id) WHERE size IS NOT NULL;
CREATE INDEX product_gtin ON product (gtin, id) WHERE gtin IS NOT NULL;
CREATE INDEX product_currency ON product (currency, id);
CREATE INDEX product_expiry ON product (expiry_on, id) WHERE expiry_on IS NOT NULL;
CREATE INDEX product_handle ON product (handle, id) WHERE handle IS NOT NULL;
CREATE INDEX product_shopify_product ON product (shopify_product_id) WHERE shopify_product_id IS NOT NULL;
CREATE INDEX product_search ON product USING gin ((name || ' ' || sku) gin_trgm_ops)
"""

# The id at the end makes every slug unique without a look-up, and is never empty, whatever the script of the name.
SLUG = r"""
CREATE FUNCTION product_slug(name text, id int) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ltrim(left(btrim(regexp_replace(lower(name), '\W+', '-', 'g'), '-'), 100) || '-' || id, '-')
$$;
CREATE FUNCTION product_make_slug() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.slug := product_slug(NEW.name, NEW.id);
    RETURN NEW;
END $$;
CREATE TRIGGER product_make_slug BEFORE INSERT ON product
    FOR EACH ROW WHEN (NEW.slug = '') EXECUTE FUNCTION product_make_slug()
"""

VERSIONING = """
CREATE FUNCTION product_next_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.updated_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER product_next_version BEFORE UPDATE ON product
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION product_next_version()
"""

LOGGED_COLUMNS = [
    "sku",
    "name",
    "slug",
    "description",
    "price",
    "compare_at_price",
    "cost_price",
    "currency",
    "is_active",
    "inventory_quantity",
    "low_stock_threshold",
    "brand",
    "product_type",
    "condition",
    "gender",
    "age_group",
    "color",
    "size",
    "gtin",
    "link",
    "image_link",
    "handle",
    "options",
    "expiry_on",
    "supplier_number",
    "attributes",
    "external_id",
    "shopify_product_id",
    "shopify_variant_id",
    "shopify_inventory_item_id",
    "shopify_updated_at",
]


def _pair(column: str) -> str:
    """Money goes into the log as text: a JSON number would lose its cents on the way through JavaScript."""
    cast = "::text" if column.endswith("price") else ""
    changed = f"jsonb_build_array(o.{column}{cast}, n.{column}{cast})"
    return f"'{column}', CASE WHEN o.{column} IS DISTINCT FROM n.{column} THEN {changed} END"


# A pair for each column that changed; jsonb_strip_nulls drops the others and leaves the nulls inside the pairs alone.
CHANGED_PAIRS = ",\n                   ".join(_pair(column) for column in LOGGED_COLUMNS)

# The plan of this function is cached from its first call, which may see no rows: a nested loop over 100,000 changed
# rows would then never end. Its own planner switches also shield it from those of the statement that fired it.
EVENT_LOG = f"""
CREATE FUNCTION product_log_event() RETURNS trigger LANGUAGE plpgsql
    SET enable_nestloop = off SET enable_hashjoin = on SET enable_mergejoin = on AS $$
DECLARE
    who int := nullif(current_setting('stockroom.actor_id', true), '')::int;
    who_name text := coalesce(current_setting('stockroom.actor', true), '');
    origin text := coalesce(nullif(current_setting('stockroom.source', true), ''), 'sql');
    cause text := coalesce(current_setting('stockroom.reference', true), '');
    many bool := coalesce(current_setting('stockroom.bulk', true), '') = 'on';
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO event (topic, product_id, subject, actor_id, actor, source, reference, bulk, data)
        SELECT 'product.created', n.id, 'product:' || n.id, who, who_name, origin, cause, many,
               jsonb_strip_nulls(to_jsonb(n))
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO event (topic, product_id, subject, actor_id, actor, source, reference, bulk, data)
        SELECT 'product.deleted', o.id, 'product:' || o.id, who, who_name, origin, cause, many,
               jsonb_strip_nulls(to_jsonb(o))
        FROM old_rows o;
    ELSE
        INSERT INTO event (topic, product_id, subject, actor_id, actor, source, reference, bulk, changes, data)
        SELECT 'product.updated', n.id, 'product:' || n.id, who, who_name, origin, cause, many,
               jsonb_strip_nulls(jsonb_build_object(
                   {CHANGED_PAIRS})),
               jsonb_strip_nulls(to_jsonb(n))
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE n.version <> o.version;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER product_log_insert AFTER INSERT ON product
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION product_log_event();
CREATE TRIGGER product_log_update AFTER UPDATE ON product
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION product_log_event();
CREATE TRIGGER product_log_delete AFTER DELETE ON product
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION product_log_event()
"""

STOCK = """
ALTER TABLE stock_level ADD CONSTRAINT stock_level_on_hand_positive CHECK (on_hand >= 0);
CREATE UNIQUE INDEX stock_level_key ON stock_level (product, location);
CREATE UNIQUE INDEX location_one_default ON location (is_default) WHERE is_default;
CREATE UNIQUE INDEX location_shopify_key ON location (shopify_location_id) WHERE shopify_location_id IS NOT NULL;
CREATE INDEX stock_movement_product ON stock_movement (product_id, location, id);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER stock_movement_append_only BEFORE UPDATE OR DELETE ON stock_movement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
INSERT INTO location (code, name, is_default) VALUES ('main', 'Main location', true)
"""

UNDO = """
DROP TRIGGER product_log_insert ON product;
DROP TRIGGER product_log_update ON product;
DROP TRIGGER product_log_delete ON product;
DROP TRIGGER product_next_version ON product;
DROP TRIGGER product_make_slug ON product;
DROP TRIGGER stock_movement_append_only ON stock_movement;
DROP FUNCTION product_log_event, product_next_version, product_make_slug, product_slug,
    refuse_change;
DELETE FROM location
"""


SCRIPTS = (EXTENSION, PRODUCT_CHECKS, PRODUCT_KEYS, PRODUCT_INDEXES, SLUG, VERSIONING, EVENT_LOG, STOCK)


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "catalog", DESCRIPTION, *SCRIPTS, undo=UNDO)
