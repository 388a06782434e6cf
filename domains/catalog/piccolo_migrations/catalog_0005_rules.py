"""What the database itself keeps for the ledger, locations and low-stock notifications."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T17:00:00:000005"
VERSION = "1.38.0"
DESCRIPTION = "Indexes of the ledger, constraints of locations and of low-stock notifications"

# The ledger is read by time, by product and by what caused it. Along one level, times grow as ids do. What lay
# somewhere at some time is read from the index of products alone.
LEDGER = """
DROP INDEX stock_movement_product;
CREATE INDEX stock_movement_time ON stock_movement (occurred_at, id);
CREATE INDEX stock_movement_product ON stock_movement (product_id, occurred_at, id) INCLUDE (location, on_hand_after);
CREATE INDEX stock_movement_reference ON stock_movement (reference, id) WHERE reference <> '';
CREATE INDEX stock_level_location ON stock_level (location, product)
"""

LOCATIONS = """
UPDATE location SET is_active = true WHERE is_default;
CREATE UNIQUE INDEX location_code_lower_key ON location (lower(code));
ALTER TABLE location
    ADD CONSTRAINT location_code_given CHECK (code <> '' AND code = btrim(code)),
    ADD CONSTRAINT location_name_given CHECK (btrim(name) <> ''),
    ADD CONSTRAINT location_default_is_active CHECK (is_active OR NOT is_default)
"""

LOW_STOCK = """
ALTER TABLE low_stock_notification ADD CONSTRAINT low_stock_notification_is_below CHECK (stock < threshold);
CREATE UNIQUE INDEX low_stock_notification_open ON low_stock_notification (product) WHERE resolved_at IS NULL;
CREATE INDEX low_stock_notification_product ON low_stock_notification (product);
CREATE INDEX low_stock_notification_unmailed ON low_stock_notification (id)
    WHERE mailed_at IS NULL AND resolved_at IS NULL
"""

UNDO = """
DROP INDEX stock_movement_time, stock_movement_product, stock_movement_reference, stock_level_location,
    location_code_lower_key, low_stock_notification_open, low_stock_notification_product,
    low_stock_notification_unmailed;
CREATE INDEX stock_movement_product ON stock_movement (product_id, location, id);
ALTER TABLE location
    DROP CONSTRAINT location_code_given,
    DROP CONSTRAINT location_name_given,
    DROP CONSTRAINT location_default_is_active;
ALTER TABLE low_stock_notification DROP CONSTRAINT low_stock_notification_is_below
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "catalog", DESCRIPTION, LEDGER, LOCATIONS, LOW_STOCK, undo=UNDO)
