"""A fact beside a write of another domain, in the very statement of that write."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T17:00:00:000003"
VERSION = "1.38.0"
DESCRIPTION = "record_event(), which reads who acts from the transaction's settings"

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


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "events", DESCRIPTION, FUNCTION, undo="DROP FUNCTION record_event")
