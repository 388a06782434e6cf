"""The laws of stock, proved over the whole database in one query each."""

import msgspec

from piccolo_conf import fetch

# Both sides are aggregated once and compared by hash: a minute for millions of movements, not a look-up for each.
LEVELS = """
    SELECT l.product AS product_id, l.location, l.on_hand, coalesce(m.moved, 0) AS expected
    FROM stock_level l
    LEFT JOIN (SELECT product_id, location, sum(delta) AS moved FROM stock_movement GROUP BY 1, 2) AS m
        ON m.product_id = l.product AND m.location = l.location
    WHERE l.on_hand <> coalesce(m.moved, 0) ORDER BY 1, 2 LIMIT 100
"""

TOTALS = """
    SELECT p.id AS product_id, NULL::int AS location, p.inventory_quantity AS on_hand, coalesce(l.total, 0) AS expected
    FROM product p
    LEFT JOIN (SELECT product, sum(on_hand) AS total FROM stock_level GROUP BY 1) AS l ON l.product = p.id
    WHERE p.inventory_quantity <> coalesce(l.total, 0) ORDER BY 1 LIMIT 100
"""


class Difference(msgspec.Struct):
    """A quantity that is not the sum of its parts: a level (with its location), or a product's total (without)."""

    product_id: int
    location: int | None
    on_hand: int
    expected: int


async def find_differences() -> list[Difference]:
    """The first hundred of each law: levels against the ledger, totals against the levels."""
    rows = [*await fetch(LEVELS), *await fetch(TOTALS)]
    return [Difference(row["product_id"], row["location"], row["on_hand"], int(row["expected"])) for row in rows]
