"""What the database itself keeps for comparisons that go on where they stopped."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-21T02:00:00:000005"
VERSION = "1.38.0"
DESCRIPTION = "Constraints and the index of what the shop has listed"

LISTED = """
ALTER TABLE shopify_listed ADD CONSTRAINT shopify_listed_kind_known CHECK (
    kind IN ('variant', 'item', 'product', 'location', 'level'));
CREATE UNIQUE INDEX shopify_listed_key ON shopify_listed (reconciliation, kind, shopify_id, location_id);
ALTER TABLE shopify_reconciliation ADD CONSTRAINT shopify_reconciliation_progress_needed
    CHECK (state <> 'completed' OR progress IS NULL)
"""

UNDO = """
DROP INDEX shopify_listed_key;
ALTER TABLE shopify_listed DROP CONSTRAINT shopify_listed_kind_known;
ALTER TABLE shopify_reconciliation DROP CONSTRAINT shopify_reconciliation_progress_needed
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "shopify", DESCRIPTION, LISTED, undo=UNDO)
