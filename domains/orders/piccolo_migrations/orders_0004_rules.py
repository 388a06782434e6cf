"""What the database itself keeps for orders of Shopify shops and their refunds."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-21T00:00:00:000004"
VERSION = "1.38.0"
DESCRIPTION = "Constraints and indexes of orders of Shopify shops"

SALES = """
CREATE INDEX sales_order_shopify_customer ON sales_order (shopify_customer_id) WHERE shopify_customer_id IS NOT NULL;
CREATE INDEX sales_order_shopify_shop ON sales_order (shopify_shop) WHERE shopify_shop <> '';
CREATE INDEX sales_order_shopify_name ON sales_order (lower(shopify_order_name)) WHERE shopify_order_name <> ''
"""

REFUNDS = """
ALTER TABLE sales_refund
    ADD CONSTRAINT sales_refund_amount_range CHECK (amount BETWEEN 0 AND 9999999999.99),
    ADD CONSTRAINT sales_refund_lines_listed CHECK (jsonb_typeof(lines) = 'array');
CREATE UNIQUE INDEX sales_refund_shopify_key ON sales_refund (shopify_refund_id);
CREATE INDEX sales_refund_order ON sales_refund (sales_order)
"""

UNDO = """
DROP INDEX sales_order_shopify_customer, sales_order_shopify_shop, sales_order_shopify_name, sales_refund_shopify_key,
    sales_refund_order;
ALTER TABLE sales_refund DROP CONSTRAINT sales_refund_amount_range, DROP CONSTRAINT sales_refund_lines_listed
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "orders", DESCRIPTION, SALES, REFUNDS, undo=UNDO)
