"""The nightly comparison with the shop."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-21T00:00:00:000003"
VERSION = "1.38.0"
DESCRIPTION = "A schedule for the reconciliation with Shopify"

SEED = """
INSERT INTO schedule (name, job, cron, arguments)
VALUES ('Shopify reconciliation', 'reconcile_shopify', '10 4 * * *', '{}')
ON CONFLICT DO NOTHING
"""

UNDO = "DELETE FROM schedule WHERE name = 'Shopify reconciliation' AND job = 'reconcile_shopify'"


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "queues", DESCRIPTION, SEED, undo=UNDO)
