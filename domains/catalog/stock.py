"""The one way to move stock: level, ledger and total change together, or not at all.

Lock order everywhere: products by id, then their levels. A level is only written under its product's row lock.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal

import asyncpg
import msgspec

from domains.catalog import low_stock
from domains.catalog.tables import Reason
from lib import actor
from lib.errors import Conflict
from piccolo_conf import Connection, fetch, transaction
from settings import settings

LOCK_PRODUCTS = """
    SELECT id, sku, name, price, currency, is_active FROM product WHERE id = ANY($1::int[])
    ORDER BY id FOR NO KEY UPDATE
"""

# What is wished of each level. A wish that may be spread has no location: it meets every level of its product.
WISHES = """
    SELECT product_id, location, sum(delta)::int AS delta
    FROM (
        SELECT product_id, delta, CASE WHEN NOT is_spread THEN
            coalesce(location, (SELECT id FROM location WHERE is_default)) END AS location
        FROM unnest($1::int[], $2::int[], $3::int[], $4::bool[]) AS m (product_id, location, delta, is_spread)
    ) AS m
    GROUP BY 1, 2 HAVING sum(delta) <> 0
"""

# Needs the product locks to be held already: a statement sees the levels as they were when it began. What is spread is
# taken from the default location first, then from the others in the order of their ids.
MEET_LEVELS = f"""
    SELECT w.product_id, w.delta, w.location AS wished, coalesce(w.location, l.location) AS location,
           coalesce(l.on_hand, 0) AS on_hand,
           coalesce(sum(l.on_hand) OVER (PARTITION BY w.product_id, w.location), 0)::int AS available,
           coalesce(sum(l.on_hand) OVER (PARTITION BY w.product_id, w.location
               ORDER BY d.is_default DESC, l.location ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW), 0)::int AS before
    FROM ({WISHES}) AS w
    LEFT JOIN stock_level l ON l.product = w.product_id AND l.location = coalesce(w.location, l.location)
    LEFT JOIN location d ON d.id = l.location
"""

MOVES = f"""
    met AS MATERIALIZED ({MEET_LEVELS}),
    short AS MATERIALIZED (
        SELECT DISTINCT product_id, wished AS location, -delta AS wanted, available FROM met WHERE available + delta < 0
    ),
    moved AS (
        SELECT product_id, location, on_hand,
               CASE WHEN wished IS NULL THEN -least(on_hand, greatest(0, -delta - before)) ELSE delta END AS delta
        FROM met WHERE NOT EXISTS (SELECT FROM short)
    ),
    move AS MATERIALIZED (
        SELECT m.product_id, p.sku, m.location, m.delta, m.on_hand + m.delta AS on_hand
        FROM moved m JOIN product p ON p.id = m.product_id WHERE m.delta <> 0
    )
"""

# The new quantity is known before it is written: a CHECK looks at the row that INSERT proposes, and a bare negative
# delta would fail it although the row in the table has enough. The clock is read behind the locks, so that along each
# level times grow as ids do.
BOOK = """
    level AS (
        INSERT INTO stock_level (product, location, on_hand)
        SELECT product_id, location, on_hand FROM move ORDER BY product_id, location
        ON CONFLICT (product, location) DO UPDATE SET on_hand = excluded.on_hand
    ),
    movement AS (
        INSERT INTO stock_movement
            (product_id, sku, location, delta, on_hand_after, reason, note, reference, actor_id, occurred_at)
        SELECT product_id, sku, location, delta, on_hand, ${reason}, ${note}, ${reference}, ${actor}, clock_timestamp()
        FROM move
    )
"""

ADD_TO_TOTALS = """
    total AS (
        UPDATE product p SET inventory_quantity = p.inventory_quantity + t.delta
        FROM (SELECT product_id, sum(delta)::int AS delta FROM move GROUP BY 1) AS t
        WHERE p.id = t.product_id AND t.delta <> 0
        RETURNING p.id, least(p.inventory_quantity, p.inventory_quantity - t.delta)
            < coalesce(p.low_stock_threshold, $9) AS is_low_or_was
    )
"""

SHORT = """
    SELECT s.product_id, p.sku, s.location AS location_id, l.code AS location, s.wanted, s.available
    FROM short s JOIN product p ON p.id = s.product_id LEFT JOIN location l ON l.id = s.location
"""

BOOK_GIVEN = BOOK.format(reason=5, note=6, reference=7, actor=8)
RECORD = f"WITH {MOVES}, {BOOK_GIVEN} {SHORT}"
# Refusals first; without any, the products whose low-stock notification may have to change.
MOVE = f"""
    WITH {MOVES}, {BOOK_GIVEN}, {ADD_TO_TOTALS}
    {SHORT} UNION ALL SELECT id, NULL, NULL, NULL, NULL, NULL FROM total WHERE is_low_or_was
"""
BOOK_STAGED = """
    WITH move AS MATERIALIZED (
        SELECT m.product_id, m.sku, m.location, m.delta, m.delta + coalesce(
            (SELECT l.on_hand FROM stock_level l WHERE l.product = m.product_id AND l.location = m.location), 0
        ) AS on_hand
        FROM ({moves}) AS m
    ),
"""


class Move(msgspec.Struct, frozen=True):
    """`delta` units in (positive) or out (negative) of a location.

    Without a location what comes in goes to the default one, and what goes out is taken there first, then elsewhere.
    """

    product_id: int
    delta: int
    location_id: int | None = None


class Locked(msgspec.Struct, frozen=True):
    """A product that nobody else changes until the transaction ends."""

    id: int
    sku: str
    name: str
    price: Decimal
    currency: str
    is_active: bool


class OutOfStock(Conflict):
    """There is not enough stock for this."""


class TooMuchStock(Conflict):
    """There would be more than 2147483647 of a product in stock."""


class ProductGone(Conflict):
    """A product was deleted in the meantime."""


async def lock_products(product_ids: Iterable[int]) -> dict[int, Locked]:
    """Those that exist, by id. Inside a transaction; whoever locks them first keeps to the lock order."""
    found = await fetch(LOCK_PRODUCTS, list(product_ids))
    return {row["id"]: Locked(*row) for row in found}


async def move_stock(moves: Sequence[Move], *, reason: Reason, note: str = "") -> None:
    """Book a set of moves: all of them, or OutOfStock that tells what is available and nothing at all.

    Raises ProductGone. The ledger names who acts and the reference from `lib.actor`.
    """
    async with transaction():
        product_ids = {move.product_id for move in moves}
        if len(await lock_products(product_ids)) < len(product_ids):
            raise ProductGone
        await move_locked(moves, reason=reason, note=note)


async def move_locked(moves: Sequence[Move], *, reason: Reason, note: str = "") -> None:
    """`move_stock` for products that the caller has locked. Raises OutOfStock and TooMuchStock."""
    who = actor.current()
    given = (*_columns(moves), reason, note, who.reference, who.user_id, settings.low_stock_threshold)
    try:
        rows = await fetch(MOVE, *given)
    except asyncpg.NumericValueOutOfRangeError:
        raise TooMuchStock from None
    _refuse([row for row in rows if row["wanted"] is not None])
    if rows:
        await low_stock.review([row["product_id"] for row in rows])


async def record_moves(moves: Sequence[Move], *, reason: Reason, note: str = "") -> None:
    """Write level and ledger for products that the caller locked, and whose total it writes itself.

    For verbs that change a product anyway: one write, one version, one event. They review its low-stock notification.
    """
    who = actor.current()
    _refuse(await fetch(RECORD, *_columns(moves), reason, note, who.reference, who.user_id))


async def book_staged(connection: Connection, moves: str, *, reason: Reason) -> None:
    """`record_moves` for sets that stand in a table of the transaction.

    `moves` is a query of our own that yields product_id, sku, location and a delta other than 0, once for each level.
    The caller has refused what would go below zero.
    """
    book = BOOK.format(reason=1, note=2, reference=3, actor=4)
    statement = f"{BOOK_STAGED.format(moves=moves)} {book} SELECT"
    who = actor.current()
    await connection.execute(statement, reason, "", who.reference, who.user_id)


def _refuse(short: Sequence[asyncpg.Record]) -> None:
    if short:
        first = short[0]
        raise OutOfStock(
            f"Only {first['available']} of {first['sku']} are available, {first['wanted']} were wanted.",
            # What may be taken from anywhere names no location.
            extra={"items": [{name: value for name, value in row.items() if value is not None} for row in short]},
        )


def _columns(moves: Sequence[Move]) -> tuple[list[int], list[int | None], list[int], list[bool]]:
    """Only a product that is all in all taken from, and nowhere in particular, is taken from several levels."""
    sums: defaultdict[int, int] = defaultdict(int)
    placed = set()
    for move in moves:
        sums[move.product_id] += move.delta
        if move.location_id is not None:
            placed.add(move.product_id)
    return (
        [move.product_id for move in moves],
        [move.location_id for move in moves],
        [move.delta for move in moves],
        [sums[move.product_id] < 0 and move.product_id not in placed for move in moves],
    )
