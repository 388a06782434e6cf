"""The one way to move stock: level, ledger and total change together, or not at all.

Lock order everywhere: products by id, then their levels. A level is only written under its product's row lock.
"""

from collections.abc import Sequence

import msgspec

from domains.catalog.tables import Reason
from lib import actor
from lib.errors import Conflict
from piccolo_conf import Connection, execute, fetch, transaction

# One row per product and location, so that two moves of one level in a set cannot overwrite each other.
MOVES = """
    SELECT g.product_id, p.sku, g.location, g.delta
    FROM (
        SELECT m.product_id, coalesce(m.location, (SELECT id FROM location WHERE is_default)) AS location,
               sum(m.delta)::int AS delta
        FROM unnest($1::int[], $2::int[], $3::int[]) AS m (product_id, location, delta)
        GROUP BY 1, 2
    ) AS g
    JOIN product p ON p.id = g.product_id
    WHERE g.delta <> 0
"""

# Correlated, so that a set of 10,000 moves looks levels up by stock_level_key instead of hashing the whole table.
ON_HAND = """
    coalesce((SELECT l.on_hand FROM stock_level l WHERE l.product = m.product_id AND l.location = m.location), 0)
"""

LOCK_PRODUCTS = "SELECT id FROM product WHERE id = ANY($1::int[]) ORDER BY id FOR NO KEY UPDATE"

# Needs the product locks to be held already: a statement sees the levels as they were when it began.
FIND_SHORT = f"""
    SELECT * FROM (
        SELECT m.product_id, m.sku, m.location, -m.delta AS wanted, {ON_HAND} AS available
        FROM ({MOVES}) AS m
    ) AS wish
    WHERE available < wanted
    ORDER BY product_id, location
"""

# The new quantity is known before it is written: a CHECK looks at the row that INSERT proposes, and a bare negative
# delta would fail it although the row in the table has enough.
BOOK = f"""
    WITH move AS MATERIALIZED (
        SELECT m.product_id, m.sku, m.location, m.delta, {ON_HAND} + m.delta AS on_hand
        FROM ({{moves}}) AS m
    ),
    level AS (
        INSERT INTO stock_level (product, location, on_hand)
        SELECT product_id, location, on_hand FROM move ORDER BY product_id, location
        ON CONFLICT (product, location) DO UPDATE SET on_hand = excluded.on_hand
    )
    INSERT INTO stock_movement (product_id, sku, location, delta, on_hand_after, reason, note, reference, actor_id)
    SELECT product_id, sku, location, delta, on_hand, ${{reason}}, ${{note}}, ${{reference}}, ${{actor}} FROM move
"""

BOOK_GIVEN = BOOK.format(moves=MOVES, reason=4, note=5, reference=6, actor=7)

ADD_TO_TOTALS = """
    UPDATE product p SET inventory_quantity = p.inventory_quantity + t.delta
    FROM (SELECT m.product_id, sum(m.delta) AS delta
          FROM unnest($1::int[], $2::int[]) AS m (product_id, delta) GROUP BY m.product_id) AS t
    WHERE p.id = t.product_id AND t.delta <> 0
"""


class Move(msgspec.Struct, frozen=True):
    """`delta` units in (positive) or out (negative) of a location; no location means the default one."""

    product_id: int
    delta: int
    location_id: int | None = None


class OutOfStock(Conflict):
    """There is not enough stock for this."""


async def move_stock(moves: Sequence[Move], *, reason: Reason, note: str = "") -> None:
    """Book a set of moves: all of them, or OutOfStock that tells what is available and nothing at all."""
    async with transaction():
        await execute(LOCK_PRODUCTS, [move.product_id for move in moves])
        await record_moves(moves, reason=reason, note=note)
        await execute(ADD_TO_TOTALS, [move.product_id for move in moves], [move.delta for move in moves])


async def record_moves(moves: Sequence[Move], *, reason: Reason, note: str = "") -> None:
    """Write level and ledger for products that the caller locked, and whose total it writes itself.

    For verbs that change a product anyway: one write, one version, one event.
    """
    columns = _columns(moves)
    await _refuse_short(columns)
    who = actor.current()
    await execute(BOOK_GIVEN, *columns, reason, note, who.reference, who.user_id)


async def book_staged(connection: Connection, moves: str, *, reason: Reason) -> None:
    """`record_moves` for sets that stand in a table of the transaction.

    `moves` is a query of our own that yields product_id, sku, location and a delta other than 0, once for each level.
    The caller has refused what would go below zero.
    """
    statement = BOOK.format(moves=moves, reason=1, note=2, reference=3, actor=4)
    who = actor.current()
    await connection.execute(statement, reason, "", who.reference, who.user_id)


async def _refuse_short(columns: tuple[list[int], list[int | None], list[int]]) -> None:
    short = await fetch(FIND_SHORT, *columns)
    if short:
        first = short[0]
        raise OutOfStock(
            f"Only {first['available']} of {first['sku']} are available, {first['wanted']} were wanted.",
            extra={"items": [dict(row) for row in short]},
        )


def _columns(moves: Sequence[Move]) -> tuple[list[int], list[int | None], list[int]]:
    return (
        [move.product_id for move in moves],
        [move.location_id for move in moves],
        [move.delta for move in moves],
    )
