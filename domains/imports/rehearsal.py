"""A dry run: each chunk is merged for real inside a savepoint, looked at, and rolled back. Only the preview stays."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from domains.catalog.merge import Merge, Merged
from domains.imports.rows import Values
from piccolo_conf import Connection

MOST_ROWS_KEPT = 100_000

# What the merge's own events say, found by event_product; of a new product every value of the file.
OUTCOMES = """
    SELECT s.row_number, s.sku, s.action, CASE s.action
        WHEN 'update' THEN e.changes
        WHEN 'create' THEN (
            SELECT jsonb_object_agg(key, jsonb_build_array(NULL, value)) FROM jsonb_each(e.data) WHERE key = ANY($1)
        ) END::text AS changes
    FROM product_stage s
    LEFT JOIN LATERAL (
        SELECT changes, data FROM event WHERE product_id = s.product_id ORDER BY id DESC LIMIT 1
    ) AS e ON s.action IN ('create', 'update')
    WHERE s.action <> 'error' ORDER BY s.row_number
"""


async def rehearse(
    connection: Connection, merge: Merge, rows: Sequence[tuple[int, Values]]
) -> tuple[Merged, Sequence[asyncpg.Record]]:
    """What the merge of these rows would do, as counts and row by row."""
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        merged = await merge.run(connection, rows)
        return merged, await connection.fetch(OUTCOMES, merge.columns)
    finally:
        await savepoint.rollback()


async def keep_preview(
    connection: Connection, import_id: UUID, outcomes: Sequence[asyncpg.Record], already: int
) -> None:
    """The first hundred thousand rows."""
    await connection.copy_records_to_table(
        "import_preview_row",
        records=[(import_id, *outcome) for outcome in outcomes[: max(MOST_ROWS_KEPT - already, 0)]],
        columns=["job", "row_number", "sku", "action", "changes"],
    )
