"""What the database itself keeps for levels that are removed: their ledger stays, and with it what lay there once."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-21T00:00:00:000006"
VERSION = "1.38.0"
DESCRIPTION = "Index of the levels that have ever been empty"

# A level that is gone was empty before.
EMPTIED = """
CREATE INDEX stock_movement_emptied ON stock_movement (product_id, location) WHERE on_hand_after = 0
"""

UNDO = "DROP INDEX stock_movement_emptied"


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "catalog", DESCRIPTION, EMPTIED, undo=UNDO)
