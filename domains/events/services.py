"""The event log: facts beside the changes of products, which a trigger records by itself."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from domains.events.schemas import EventOut
from lib import actor
from piccolo_conf import execute, fetch, fetch_value, transaction

RECORD = """
    INSERT INTO event (topic, subject, product_id, actor_id, actor, source, reference, bulk, data)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

RECORD_ALL = """
    INSERT INTO event (topic, subject, product_id, actor_id, actor, source, reference, bulk, data)
    SELECT $1, f.subject, f.product_id, $2, $3, $4, $5, $6, f.data
    FROM unnest($7::text[], $8::int[], $9::jsonb[]) WITH ORDINALITY AS f (subject, product_id, data, place)
    ORDER BY f.place
"""

# The row after every single change would repeat what the changes say. Relies on event_product (product_id, id).
HISTORY = """
    SELECT id, topic, occurred_at, actor_id, actor, source, reference, bulk, changes,
           CASE WHEN changes IS NULL THEN data END AS data
    FROM event WHERE product_id = $1 AND ($2::bigint IS NULL OR id < $2)
    ORDER BY id DESC OFFSET $3 LIMIT $4
"""

CHANGES = msgspec.json.Decoder(dict[str, tuple[Any, Any]])


async def record(topic: str, *, subject: str, data: object, product_id: int | None = None) -> None:
    """Write a fact ("import.completed") next to the write that it tells of, in the same transaction.

    record_event() does the same inside a statement.
    """
    who = actor.current()
    async with transaction():
        await execute(
            RECORD,
            topic,
            subject,
            product_id,
            who.user_id,
            who.name,
            who.source,
            who.reference,
            False,
            msgspec.json.encode(data).decode(),
        )


async def record_all(topic: str, facts: Sequence[tuple[str, int | None, object]]) -> None:
    """The same for many: subject, product id and data of each, in one statement."""
    who = actor.current()
    subjects = [subject for subject, _product_id, _data in facts]
    product_ids = [product_id for _subject, product_id, _data in facts]
    data = [msgspec.json.encode(data).decode() for _subject, _product_id, data in facts]
    told = (topic, who.user_id, who.name, who.source, who.reference, who.bulk)
    async with transaction():
        await execute(RECORD_ALL, *told, subjects, product_ids, data)


async def history(product_id: int, *, before: int | None, offset: int, limit: int) -> list[EventOut]:
    """The events of a product, newest first, also of one that was deleted; `before` is the id where a page ended."""
    return [_shape(row) for row in await fetch(HISTORY, product_id, before, offset, limit)]


def _shape(row: asyncpg.Record) -> EventOut:
    changes, data = row["changes"], row["data"]
    decoded = {"changes": changes and CHANGES.decode(changes), "data": data and msgspec.json.decode(data)}
    return EventOut(**{**row, **decoded})


async def count_history(product_id: int) -> int:
    return int(await fetch_value("SELECT count(*) FROM event WHERE product_id = $1", product_id))
