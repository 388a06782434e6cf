"""The log read by time: by those who follow it, and by those who ask for what they missed."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T20:00:00:000004"
VERSION = "1.38.0"
DESCRIPTION = "Indexes of the event log by time"

# Ids are not in the order of commits: who follows the log goes by the time at which its rows were relayed. Changes of
# many products at once are not followed one by one, so that an import pays nothing for this index.
RULES = """
CREATE INDEX event_feed ON event (relayed_at, id) WHERE NOT bulk AND relayed_at IS NOT NULL;
CREATE INDEX event_occurred ON event USING brin (occurred_at) WITH (pages_per_range = 32, autosummarize = on)
"""

UNDO = "DROP INDEX event_feed, event_occurred"


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "events", DESCRIPTION, RULES, undo=UNDO)
