"""The dashboard: numbers put together from parts, each kept for some seconds under a key of its own.

Whoever changes what a part is made of forgets its key: "products" and "products:value", "orders", "imports",
"webhooks".
"""

from datetime import date
from decimal import Decimal

import msgspec

from domains.reports.catalogue import Catalogue, count_catalogue
from domains.reports.imports import ImportedRows, Imports, count_imports
from domains.reports.orders import Sales, sum_sales
from domains.reports.periods import last_days
from domains.reports.schemas import Amounts, AmountText, DayOut, StatsOut, StockValueOut
from domains.reports.stock_value import StockValue, StockValues, value_stock
from domains.reports.webhooks import Sent, Webhooks, count_webhooks
from settings import settings


class Numbers(msgspec.Struct, frozen=True):
    """All parts. Whoever shows them minds who is looking: costs are for callers with the scope products:internal."""

    catalogue: Catalogue
    stock: StockValues
    sales: Sales
    imports: Imports
    webhooks: Webhooks


async def gather_numbers() -> Numbers:
    """One part after the other: a dashboard holds one connection at most."""
    return Numbers(
        await count_catalogue(),
        await value_stock(),
        await sum_sales(),
        await count_imports(),
        await count_webhooks(),
    )


async def get_stats(*, internal: bool) -> StatsOut:
    """Without `internal` nothing tells what anything has cost."""
    numbers = await gather_numbers()
    days = last_days()
    catalogue, webhooks = numbers.catalogue, numbers.webhooks
    stock = _shape_stock(numbers.stock.of(settings.default_currency), internal=internal)
    return StatsOut(
        total_products=catalogue.total,
        active_products=catalogue.active,
        low_stock=catalogue.low,
        inventory_currency=stock.currency,
        inventory_value=stock.value,
        inventory_cost=stock.cost,
        inventory_values=[_shape_stock(value, internal=internal) for value in numbers.stock.by_currency],
        orders_today=numbers.sales.orders_on(days[-1]),
        revenue_today=_write_all(numbers.sales.revenue_on(days[-1])),
        recent_imports=numbers.imports.recent,
        configured_webhooks=webhooks.configured,
        total_events_sent=webhooks.sent,
        failed_events=webhooks.failed,
        deliveries_pending=webhooks.pending,
        deliveries_paused=webhooks.paused,
        days=[_shape_day(numbers, day) for day in days],
    )


def _shape_stock(stock: StockValue, *, internal: bool) -> StockValueOut:
    cost = _write(stock.cost) if internal else None
    return StockValueOut(stock.currency, stock.units, _write(stock.value), cost)


def _shape_day(numbers: Numbers, day: date) -> DayOut:
    imported = numbers.imports.by_day.get(day, ImportedRows())
    told = numbers.webhooks.by_day.get(day, Sent())
    revenue = _write_all(numbers.sales.revenue_on(day))
    return DayOut(day, numbers.sales.orders_on(day), revenue, imported.rows, imported.errors, told.sent, told.failed)


def _write_all(amounts: dict[str, Decimal]) -> Amounts:
    return {currency: _write(amount) for currency, amount in amounts.items()}


def _write(amount: Decimal) -> AmountText:
    return f"{amount:.2f}"
