"""The laws of stock, proved over the whole database in one query each."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from piccolo_conf import fetch

MOST_TOLD = 100
MOST_SAID = 5

# Both sides are aggregated once and compared by hash: a minute for millions of movements, not a look-up for each. The
# ledger keeps the movements of products that are gone, whose levels went with them.
LEVELS = f"""
    SELECT p.id AS product_id, p.sku, d.location, d.on_hand, d.expected, NULL::bigint AS movement_id
    FROM (
        SELECT coalesce(l.product, m.product_id) AS product, coalesce(l.location, m.location) AS location,
               coalesce(l.on_hand, 0) AS on_hand, coalesce(m.moved, 0)::bigint AS expected
        FROM stock_level l
        FULL JOIN (SELECT product_id, location, sum(delta) AS moved FROM stock_movement GROUP BY 1, 2) AS m
            ON m.product_id = l.product AND m.location = l.location
    ) AS d
    JOIN product p ON p.id = d.product
    WHERE d.on_hand <> d.expected ORDER BY 1, 3 LIMIT {MOST_TOLD}
"""

TOTALS = f"""
    SELECT p.id AS product_id, p.sku, NULL::int AS location, p.inventory_quantity AS on_hand,
           coalesce(l.total, 0)::bigint AS expected, NULL::bigint AS movement_id
    FROM product p
    LEFT JOIN (SELECT product, sum(on_hand) AS total FROM stock_level GROUP BY 1) AS l ON l.product = p.id
    WHERE p.inventory_quantity <> coalesce(l.total, 0) ORDER BY 1 LIMIT {MOST_TOLD}
"""

# Along one level ids are given behind the product's lock, so they grow as the movements came.
LEDGER = f"""
    SELECT product_id, sku, location, on_hand_after AS on_hand, expected, id AS movement_id
    FROM (
        SELECT id, product_id, sku, location, on_hand_after, delta + lag(on_hand_after::bigint, 1, 0::bigint) OVER (
            PARTITION BY product_id, location ORDER BY id) AS expected
        FROM stock_movement
    ) AS m
    WHERE on_hand_after <> expected ORDER BY id LIMIT {MOST_TOLD}
"""


class Law(StrEnum):
    """What must always hold: a level is the sum of its movements, a product's total the sum of its levels, and each
    line of the ledger says what the one before it and its own movement add up to."""

    LEVEL = "level"
    TOTAL = "total"
    LEDGER = "ledger"


QUERIES = {Law.LEVEL: LEVELS, Law.TOTAL: TOTALS, Law.LEDGER: LEDGER}


class Difference(msgspec.Struct, frozen=True):
    """A quantity that is not the sum of its parts. A total has no location, only a line of the ledger a movement."""

    law: Law
    product_id: int
    sku: str
    location: int | None
    on_hand: int
    expected: int
    movement_id: int | None = None

    def __str__(self) -> str:
        what = f"movement {self.movement_id}" if self.movement_id else f"the {self.law}"
        place = f" at location {self.location}" if self.location else ""
        return f"Product {self.product_id} ({self.sku}){place}: {what} says {self.on_hand} instead of {self.expected}."


async def find_differences() -> list[Difference]:
    """The first hundred of each law, if any."""
    return [Difference(law, *row) for law, query in QUERIES.items() for row in await fetch(query)]


def tell(differences: Sequence[Difference]) -> str:
    """In sentences: how many, and the first of them."""
    if not differences:
        return "Every level, every total and every line of the ledger adds up."
    number = f"{len(differences)} difference{'' if len(differences) == 1 else 's'}."
    return " ".join([number, *map(str, differences[:MOST_SAID])])
