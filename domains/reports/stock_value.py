"""What the stock is worth: now in each currency, and how that came to be over the last days."""

from datetime import date
from decimal import Decimal

import msgspec

from domains.catalog.counts import reading
from domains.reports.periods import SECONDS, beginning
from lib import cache

KEY = "products:value"
HISTORY_SECONDS = 60

# These read every product: 0.3 s and 0.9 s for 500,000. They keep to one processor, so that everything else has the
# others, and the cache keeps for longer what takes longer.
SETTINGS = "SET LOCAL max_parallel_workers_per_gather = 0"
VALUES = """
    SELECT currency, sum(inventory_quantity) AS units, sum(price * inventory_quantity) AS value,
           coalesce(sum(cost_price * inventory_quantity), 0) AS cost
    FROM product WHERE inventory_quantity > 0
    GROUP BY currency ORDER BY units DESC, currency
"""

# What moved is valued at today's prices: what is left is a change of quantities, not of prices. The row without a day
# is what there is now, seen at the same moment. By stock_movement_time.
MOVED = """
    SELECT NULL AS day, coalesce(sum(price * inventory_quantity), 0) AS amount FROM product WHERE currency = $1
    UNION ALL
    SELECT (m.occurred_at AT TIME ZONE 'UTC')::date, sum(m.delta * p.price)
    FROM stock_movement m JOIN product p ON p.id = m.product_id
    WHERE m.occurred_at >= $2 AND p.currency = $1
    GROUP BY 1
"""


class StockValue(msgspec.Struct, frozen=True):
    """`cost` as far as cost prices are known."""

    currency: str
    units: int
    value: Decimal
    cost: Decimal


class StockValues(msgspec.Struct, frozen=True):
    """The currency with the most units first."""

    by_currency: tuple[StockValue, ...]

    def of(self, currency: str) -> StockValue:
        """What lies there in this currency; where nothing does, in the one of most units."""
        found = (value for value in self.by_currency if value.currency == currency)
        return next(found, next(iter(self.by_currency), StockValue(currency, 0, Decimal(0), Decimal(0))))


class Moved(msgspec.Struct, frozen=True):
    """What the value is now, and by how much each day changed it."""

    now: Decimal
    by_day: dict[date, Decimal]


async def value_stock() -> StockValues:
    return await cache.recall(KEY, StockValues, SECONDS, _value)


async def value_by_day(currency: str, days: list[date]) -> list[Decimal]:
    """At the end of each of these days, which follow each other: the stock of products that are there, at the prices
    of today. Of the day that goes on, as it was up to a minute ago."""
    moved = await cache.recall(f"{KEY}:{currency}", Moved, HISTORY_SECONDS, lambda: _moved(currency))
    values, value = [], moved.now
    for day in reversed(days):
        values.append(value)
        value -= moved.by_day.get(day, Decimal(0))
    return values[::-1]


async def _value() -> StockValues:
    async with reading(SETTINGS) as connection:
        rows = await connection.fetch(VALUES)
    return StockValues(tuple(StockValue(**row) for row in rows))


async def _moved(currency: str) -> Moved:
    async with reading(SETTINGS) as connection:
        rows = await connection.fetch(MOVED, currency, beginning())
    now = next(row["amount"] for row in rows if row["day"] is None)
    return Moved(now, {row["day"]: row["amount"] for row in rows if row["day"] is not None})
