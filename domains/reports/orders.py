"""What was sold on the last days."""

from datetime import date
from decimal import Decimal

import msgspec

from domains.reports.periods import SECONDS, beginning
from lib import cache
from piccolo_conf import fetch

KEY = "orders"

# By sales_order_placed.
SOLD = """
    SELECT (placed_at AT TIME ZONE 'UTC')::date AS day, currency, count(*) AS orders, sum(total) AS revenue
    FROM sales_order WHERE placed_at >= $1 AND status <> 'cancelled'
    GROUP BY 1, 2 ORDER BY 1, 2
"""


class Sold(msgspec.Struct, frozen=True):
    day: date
    currency: str
    orders: int
    revenue: Decimal


class Sales(msgspec.Struct, frozen=True):
    """By day and currency, without days on which nothing was sold: so it stays right when a day ends."""

    sold: tuple[Sold, ...]

    def orders_on(self, day: date) -> int:
        return sum(sold.orders for sold in self.sold if sold.day == day)

    def revenue_on(self, day: date) -> dict[str, Decimal]:
        return {sold.currency: sold.revenue for sold in self.sold if sold.day == day}


async def sum_sales() -> Sales:
    return await cache.recall(KEY, Sales, SECONDS, _sum)


async def _sum() -> Sales:
    return Sales(tuple(Sold(**row) for row in await fetch(SOLD, beginning())))
