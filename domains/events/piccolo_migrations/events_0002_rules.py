"""What the database itself keeps for the event log."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T12:00:00:000002"
VERSION = "1.38.0"
DESCRIPTION = "Indexes of the event log, and that it is append-only"

RULES = """
CREATE INDEX event_unrelayed ON event (id) WHERE relayed_at IS NULL;
CREATE INDEX event_product ON event (product_id, id);
CREATE INDEX event_reference ON event (reference, id) WHERE reference <> '';
CREATE FUNCTION event_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'event is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER event_append_only BEFORE UPDATE OF
    id, topic, product_id, subject, actor_id, actor, source, reference, bulk, changes, data, occurred_at ON event
    FOR EACH STATEMENT EXECUTE FUNCTION event_refuse_change()
"""

UNDO = """
DROP TRIGGER event_append_only ON event;
DROP FUNCTION event_refuse_change;
DROP INDEX event_unrelayed, event_product, event_reference
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "events", DESCRIPTION, RULES, undo=UNDO)
