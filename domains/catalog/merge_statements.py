"""The statements of a merge, in the order in which they run. What stands in braces depends on the columns given."""

# Hash and merge joins would read the whole product table for every set: quadratic over a file.
PLAN_BY_INDEX = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
PLAN_FREELY = "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on"

STAGE = """
    CREATE TEMPORARY TABLE product_stage (
        row_number int NOT NULL, {columns}, product_id int, action text, field text, message text, delta int
    ) ON COMMIT DROP
"""

# Keys that only PostgreSQL's lower() finds equal; callers have combined the others.
DROP_TWINS = """
    DELETE FROM product_stage WHERE row_number IN (
        SELECT row_number FROM (
            SELECT row_number, row_number < max(row_number) OVER (PARTITION BY lower(sku)) AS is_twin FROM product_stage
        ) AS s WHERE is_twin
    )
"""

MATCH = """
    UPDATE product_stage s
    SET product_id = p.id, action = CASE WHEN {differs} THEN '{changed}' ELSE '{same}' END
    FROM product p WHERE lower(p.sku) = lower(s.sku)
"""

REFUSE_NAMELESS = """
    UPDATE product_stage SET action = 'error', field = 'name', message = 'name is needed for a new product'
    WHERE action IS NULL {and_nameless}
"""

NUMBER_NEW = """
    UPDATE product_stage SET action = 'create', product_id = nextval('product_id_seq') WHERE action IS NULL
"""

SKIP_NEW = "UPDATE product_stage SET action = 'skip' WHERE action IS NULL"

REFUSE_TAKEN_ID = """
    UPDATE product_stage s SET action = 'error', field = 'external_id',
        message = 'external_id ' || s.external_id || ' belongs to ' || coalesce(
            (SELECT p.sku FROM product p WHERE p.external_id = s.external_id AND p.id <> s.product_id),
            'another row')
    WHERE s.action IN ('create', 'update') AND s.external_id <> '' AND (
        EXISTS (SELECT FROM product p WHERE p.external_id = s.external_id AND p.id <> s.product_id)
        OR s.row_number IN (
            SELECT row_number FROM (
                SELECT row_number, row_number > min(row_number) OVER (PARTITION BY external_id) AS is_second
                FROM product_stage WHERE action IN ('create', 'update') AND external_id <> ''
            ) AS t WHERE is_second))
"""

LOCK_CHANGED = """
    SELECT id FROM product WHERE id IN (SELECT product_id FROM product_stage WHERE action = 'update')
    ORDER BY id FOR NO KEY UPDATE
"""

# Deleted since it was matched: what is to become of the row is open again.
FORGET_DELETED = """
    UPDATE product_stage SET product_id = NULL, action = NULL
    WHERE action = 'update' AND NOT EXISTS (SELECT FROM product p WHERE p.id = product_id)
"""

# Nobody deactivates it until the transaction ends.
HOLD_LOCATION = """
    SELECT id FROM location
    WHERE is_active AND CASE WHEN $1::int IS NULL THEN is_default ELSE id = $1 END FOR KEY SHARE
"""

# Only now, behind the locks, is the difference certain.
MEASURE_STOCK = """
    UPDATE product_stage s SET delta = s.inventory_quantity::int - {on_hand}
    FROM product p WHERE p.id = s.product_id AND s.action = 'update' AND s.inventory_quantity IS NOT NULL
"""

LEVEL = """
    coalesce((SELECT l.on_hand FROM stock_level l WHERE l.product = {product} AND l.location = {location}), 0)
"""

REFUSE_SHORT = """
    UPDATE product_stage s SET action = 'error', field = 'inventory_quantity',
        message = 'inventory_quantity needs ' || -delta || ' less, but only ' || {level} || ' lie at this location'
    WHERE action = 'update' AND delta < 0 AND {level} + delta < 0
"""

REFUSE_CLOSED = """
    UPDATE product_stage SET action = 'error', field = 'inventory_quantity',
        message = 'inventory_quantity cannot be booked: this location is not active'
    WHERE action = 'update' AND delta <> 0 OR action = 'create' AND inventory_quantity::int <> 0
"""

INSERT_NEW = """
    INSERT INTO product (id, sku, slug, inventory_quantity, {columns})
    SELECT product_id, sku, product_slug(name, product_id), {quantity}, {values}
    FROM product_stage s WHERE action = 'create' ORDER BY lower(sku)
"""

UPDATE_CHANGED = """
    UPDATE product p SET inventory_quantity = p.inventory_quantity + coalesce(s.delta, 0) {assignments}
    FROM product_stage s WHERE p.id = s.product_id AND s.action = 'update' AND lower(p.sku) = lower(s.sku)
"""

STOCK_MOVES = """
    SELECT product_id, sku, {location} AS location, {delta} AS delta FROM product_stage
    WHERE action IN ('create', 'update') AND {delta} <> 0
"""

COUNT = "SELECT action, count(*) AS number FROM product_stage GROUP BY action"

REJECTED = "SELECT row_number, sku, field, message FROM product_stage WHERE action = 'error' ORDER BY row_number"

OUTCOMES = "SELECT row_number, product_id, action, field, message FROM product_stage ORDER BY row_number"
