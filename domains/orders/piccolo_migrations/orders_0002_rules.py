"""What the database itself keeps for sales, deliveries, purchases and receipts."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T17:00:00:000002"
VERSION = "1.38.0"
DESCRIPTION = "Constraints and indexes of orders"

# NaN counts as greater than every number in PostgreSQL: the upper bound is what keeps it out.
SALES = """
ALTER TABLE sales_order
    ADD CONSTRAINT sales_order_status_known CHECK (status IN ('placed', 'shipped', 'delivered', 'cancelled')),
    ADD CONSTRAINT sales_order_cancelled_at_known CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    ADD CONSTRAINT sales_order_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
    ADD CONSTRAINT sales_order_total_range CHECK (total BETWEEN 0 AND 9999999999.99);
CREATE UNIQUE INDEX sales_order_shopify_key ON sales_order (shopify_order_id) WHERE shopify_order_id IS NOT NULL;
CREATE INDEX sales_order_customer ON sales_order (customer, id);
CREATE INDEX sales_order_status ON sales_order (status, id);
CREATE INDEX sales_order_placed ON sales_order (placed_at, id);
CREATE INDEX sales_order_email ON sales_order (lower(email), id) WHERE email <> '';
ALTER TABLE sales_order_line
    ADD CONSTRAINT sales_order_line_quantity_positive CHECK (quantity > 0),
    ADD CONSTRAINT sales_order_line_unit_price_range CHECK (unit_price BETWEEN 0 AND 9999999999.99);
CREATE INDEX sales_order_line_order ON sales_order_line (sales_order);
CREATE INDEX sales_order_line_product ON sales_order_line (product) WHERE product IS NOT NULL
"""

DELIVERIES = """
ALTER TABLE delivery
    ADD CONSTRAINT delivery_status_known CHECK (status IN ('pending', 'shipped', 'delivered', 'cancelled')),
    ADD CONSTRAINT delivery_tracking_number_trimmed
        CHECK (tracking_number <> '' AND tracking_number = btrim(tracking_number)),
    ADD CONSTRAINT delivery_cost_range CHECK (cost BETWEEN 0 AND 9999999999.99);
CREATE UNIQUE INDEX delivery_open_key ON delivery (sales_order) WHERE status <> 'cancelled';
CREATE INDEX delivery_order ON delivery (sales_order);
CREATE UNIQUE INDEX delivery_tracking_number_key ON delivery (lower(tracking_number));
CREATE INDEX delivery_assigned ON delivery (assigned_to, id) WHERE assigned_to IS NOT NULL;
CREATE INDEX delivery_status ON delivery (status, id)
"""

PURCHASES = """
ALTER TABLE purchase_order
    ADD CONSTRAINT purchase_order_status_known
        CHECK (status IN ('ordered', 'partly_received', 'received', 'cancelled')),
    ADD CONSTRAINT purchase_order_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
    ADD CONSTRAINT purchase_order_total_range CHECK (total BETWEEN 0 AND 9999999999.99);
CREATE INDEX purchase_order_status ON purchase_order (status, id);
CREATE INDEX purchase_order_purchased ON purchase_order (purchase_on, id);
CREATE INDEX purchase_order_supplier ON purchase_order (lower(supplier_name), id);
ALTER TABLE purchase_order_line
    ADD CONSTRAINT purchase_order_line_quantity_positive CHECK (quantity > 0),
    ADD CONSTRAINT purchase_order_line_parts CHECK (
        received_quantity >= 0 AND cancelled_quantity >= 0 AND received_quantity + cancelled_quantity <= quantity),
    ADD CONSTRAINT purchase_order_line_unit_cost_range CHECK (unit_cost BETWEEN 0 AND 9999999999.99);
CREATE INDEX purchase_order_line_order ON purchase_order_line (purchase_order);
CREATE INDEX purchase_order_line_product ON purchase_order_line (product) WHERE product IS NOT NULL;
CREATE INDEX purchase_order_line_sku ON purchase_order_line (lower(sku));
CREATE INDEX receipt_order ON receipt (purchase_order);
ALTER TABLE receipt_line ADD CONSTRAINT receipt_line_quantity_positive CHECK (quantity > 0);
CREATE UNIQUE INDEX receipt_line_key ON receipt_line (receipt, order_line);
CREATE INDEX receipt_line_order_line ON receipt_line (order_line)
"""

UNDO = """
DROP INDEX sales_order_shopify_key, sales_order_customer, sales_order_status, sales_order_placed, sales_order_email,
    sales_order_line_order, sales_order_line_product, delivery_open_key, delivery_order, delivery_tracking_number_key,
    delivery_assigned, delivery_status, purchase_order_status, purchase_order_purchased, purchase_order_supplier,
    purchase_order_line_order, purchase_order_line_product, purchase_order_line_sku, receipt_order, receipt_line_key,
    receipt_line_order_line;
ALTER TABLE sales_order
    DROP CONSTRAINT sales_order_status_known,
    DROP CONSTRAINT sales_order_cancelled_at_known,
    DROP CONSTRAINT sales_order_currency_code,
    DROP CONSTRAINT sales_order_total_range;
ALTER TABLE sales_order_line
    DROP CONSTRAINT sales_order_line_quantity_positive,
    DROP CONSTRAINT sales_order_line_unit_price_range;
ALTER TABLE delivery
    DROP CONSTRAINT delivery_status_known,
    DROP CONSTRAINT delivery_tracking_number_trimmed,
    DROP CONSTRAINT delivery_cost_range;
ALTER TABLE purchase_order
    DROP CONSTRAINT purchase_order_status_known,
    DROP CONSTRAINT purchase_order_currency_code,
    DROP CONSTRAINT purchase_order_total_range;
ALTER TABLE purchase_order_line
    DROP CONSTRAINT purchase_order_line_quantity_positive,
    DROP CONSTRAINT purchase_order_line_parts,
    DROP CONSTRAINT purchase_order_line_unit_cost_range;
ALTER TABLE receipt_line DROP CONSTRAINT receipt_line_quantity_positive
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "orders", DESCRIPTION, SALES, DELIVERIES, PURCHASES, undo=UNDO)
