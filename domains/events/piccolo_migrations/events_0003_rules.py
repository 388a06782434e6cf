"""Facts beside a write of another domain, in the very statement of that write; and what became of deleted products."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T17:00:00:000003"
VERSION = "1.38.0"
DESCRIPTION = "record_event(), the clock of events, indexes of deleted products"

FUNCTION = """
CREATE FUNCTION record_event(topic text, subject text, product_id int, data jsonb) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO event (topic, subject, product_id, actor_id, actor, source, reference, bulk, data)
    VALUES (
        $1, $2, $3,
        nullif(current_setting('stockroom.actor_id', true), '')::int,
        coalesce(current_setting('stockroom.actor', true), ''),
        coalesce(nullif(current_setting('stockroom.source', true), ''), 'sql'),
        coalesce(current_setting('stockroom.reference', true), ''),
        coalesce(current_setting('stockroom.bulk', true), '') = 'on',
        $4
    ) RETURNING id
$$
"""

# Of products that are gone the event of their deletion tells when that was, and their last SKU. Like movements, events
# are timed behind the locks: a deletion that waited did not happen when its transaction began.
DELETED = """
ALTER TABLE event ALTER COLUMN occurred_at SET DEFAULT clock_timestamp();
CREATE INDEX event_deleted_product ON event (product_id) INCLUDE (occurred_at) WHERE topic = 'product.deleted';
CREATE INDEX event_deleted_sku ON event (lower(data->>'sku')) WHERE topic = 'product.deleted'
"""

UNDO = """
DROP FUNCTION record_event;
DROP INDEX event_deleted_product, event_deleted_sku;
ALTER TABLE event ALTER COLUMN occurred_at SET DEFAULT now()
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "events", DESCRIPTION, FUNCTION, DELETED, undo=UNDO)
