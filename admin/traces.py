"""What causes did: the rows of the ledger and the events that carry their references."""

from collections.abc import Sequence

import asyncpg

from piccolo_conf import fetch

SHOWN = 200

# Relies on stock_movement_reference.
MOVES = """
    SELECT m.occurred_at, m.product_id, m.sku, l.code AS location, m.delta, m.on_hand_after, m.reason, m.reference,
           m.note, u.username AS who
    FROM stock_movement m JOIN location l ON l.id = m.location LEFT JOIN users u ON u.id = m.actor_id
    WHERE m.reference = ANY($1::text[]) AND m.reference <> '' ORDER BY m.id LIMIT $2
"""

# Without what it did to products: that is told by the movements. Relies on event_reference.
EVENTS = """
    SELECT topic, occurred_at, actor, source, data->>'note' AS note FROM event
    WHERE reference = ANY($1::text[]) AND reference <> '' AND product_id IS NULL ORDER BY id LIMIT $2
"""


async def find_moves(*references: str, limit: int = SHOWN) -> Sequence[asyncpg.Record]:
    """Rows of the ledger in the order they were written."""
    return await fetch(MOVES, references, limit)


async def find_events(*references: str) -> Sequence[asyncpg.Record]:
    return await fetch(EVENTS, references, SHOWN)
