"""The event log: facts beside the changes of products, which a trigger records by itself."""

import msgspec

from lib import actor
from piccolo_conf import execute, transaction

RECORD = """
    INSERT INTO event (topic, subject, product_id, actor_id, actor, source, reference, bulk, data)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def record(topic: str, *, subject: str, data: object, product_id: int | None = None) -> None:
    """Write a fact ("import.completed") next to the write that it tells of, in the same transaction."""
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
