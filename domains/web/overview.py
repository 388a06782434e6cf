"""What the dashboard shows, and to whom: numbers, plots and lists, in words."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from domains.accounts.schemas import Caller
from domains.accounts.scopes import Scope
from domains.imports.schemas import JobOut
from domains.imports.tables import FailureReason, Status
from domains.reports import services
from domains.reports.imports import ImportedRows
from domains.reports.periods import last_days
from domains.reports.services import Numbers
from domains.reports.stock_value import value_by_day
from domains.reports.webhooks import Sent, Troubled
from domains.web.plots import Number, Plot, Write, draw_bars, draw_line
from settings import settings

# From here on cents say nothing.
LARGE = 100_000
STATES = {
    Status.PENDING: "waiting",
    Status.IMPORTING: "importing",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}
FAILURES = {
    FailureReason.EMPTY: "The file is empty.",
    FailureReason.NOT_A_TABLE: "The file is no table.",
    FailureReason.UNKNOWN_HEADER: "Its columns are not known.",
    FailureReason.UNDECODABLE: "Its characters cannot be read.",
    FailureReason.TOO_LARGE: "The file is too large.",
    FailureReason.FILE_MISSING: "The file is gone.",
    FailureReason.INTERNAL: "Something failed on our side.",
}


class Tile(msgspec.Struct, frozen=True):
    """A number with its name above it and `notes` under it."""

    name: str
    figure: str
    notes: tuple[str, ...] = ()
    unit: str = ""
    is_bad: bool = False


class ImportLine(msgspec.Struct, frozen=True):
    """An import; `rows` says how far it is, `problem` why it failed. `mood` is a class of the chip."""

    job: JobOut
    state: str
    mood: str
    rows: str
    problem: str


async def show_overview(caller: Caller) -> dict[str, Any]:
    """The facts of the template: no more than what the caller may read elsewhere too."""
    numbers = await services.gather_numbers()
    return {
        "tiles": _tiles(numbers, sees_costs=Scope.PRODUCTS_INTERNAL in caller.scopes),
        "plots": await _plots(numbers),
        "stock": numbers.stock.by_currency,
        "sees_costs": Scope.PRODUCTS_INTERNAL in caller.scopes,
        "imports": _imports(numbers) if Scope.IMPORTS_WRITE in caller.scopes else None,
        "low": numbers.catalogue if Scope.INVENTORY_READ in caller.scopes else None,
        "webhooks": numbers.webhooks if Scope.WEBHOOKS_READ in caller.scopes else None,
        "tell_trouble": tell_trouble,
        "tell_moment": tell_moment,
        "write_amount": write_amount,
    }


def _tiles(numbers: Numbers, *, sees_costs: bool) -> list[Tile]:
    return [*_sales_tiles(numbers), *_stock_tiles(numbers, sees_costs=sees_costs), *_other_tiles(numbers)]


def _sales_tiles(numbers: Numbers) -> list[Tile]:
    sales, (yesterday, today) = numbers.sales, last_days()[-2:]
    currency, revenue = _main_currency(numbers), sales.revenue_on(today)
    others = {other: amount for other, amount in revenue.items() if other != currency}
    notes = (*([f"and {_amounts(others)}"] if others else []), f"Yesterday {_amounts(sales.revenue_on(yesterday))}")
    return [
        Tile("Orders today", f"{sales.orders_on(today):,}", (f"Yesterday {sales.orders_on(yesterday):,}",)),
        Tile("Revenue today", write_amount(revenue.get(currency, Decimal(0))), notes, currency),
    ]


def _stock_tiles(numbers: Numbers, *, sees_costs: bool) -> list[Tile]:
    catalogue, stock = numbers.catalogue, numbers.stock.of(_main_currency(numbers))
    costs = (f"Cost {write_amount(stock.cost)} {stock.currency}",) if sees_costs else ()
    return [
        Tile("Stock value", write_amount(stock.value), costs, stock.currency),
        Tile("Products", f"{catalogue.total:,}", (f"{catalogue.active:,} active",)),
        Tile("Low in stock", f"{catalogue.low:,}", is_bad=catalogue.low > 0),
    ]


def _other_tiles(numbers: Numbers) -> list[Tile]:
    webhooks = numbers.webhooks
    disabled = webhooks.configured - webhooks.enabled
    trouble = (f"{webhooks.in_trouble:,} with trouble",) if webhooks.in_trouble else ()
    notes = (*trouble, *((f"{disabled:,} disabled",) if disabled else ()))
    waiting = (f"{webhooks.pending:,} waiting",) if webhooks.pending else ()
    return [
        Tile("Imports in 7 days", f"{numbers.imports.recent:,}"),
        Tile("Webhooks", f"{webhooks.configured:,}", notes, is_bad=webhooks.in_trouble > 0),
        Tile("Events sent", f"{webhooks.sent:,}", (f"{webhooks.failed:,} failed", *waiting)),
    ]


async def _plots(numbers: Numbers) -> list[Plot]:
    days = last_days()
    currency = _main_currency(numbers)
    stock = [*(await value_by_day(currency, days))[:-1], numbers.stock.of(currency).value]
    revenue = [numbers.sales.revenue_on(day).get(currency, Decimal(0)) for day in days]
    orders = [numbers.sales.orders_on(day) for day in days]
    rows = [numbers.imports.by_day.get(day, ImportedRows()) for day in days]
    told = [numbers.webhooks.by_day.get(day, Sent()) for day in days]
    imported = {"imported": [row.rows - row.errors for row in rows], "rejected": [row.errors for row in rows]}
    deliveries = {"delivered": [one.sent for one in told], "failed": [one.failed for one in told]}
    return [
        draw_line("stock-value", f"Stock value, {currency}, at today's prices", days, stock, _writer(currency)),
        draw_bars("revenue", f"Revenue, {currency}", days, {"": revenue}, _writer(currency)),
        draw_bars("orders", "Orders", days, {"": orders}, write_count),
        draw_bars("import-rows", "Rows imported", days, imported, write_count),
        draw_bars("deliveries", "Webhook deliveries", days, deliveries, write_count),
    ]


def _main_currency(numbers: Numbers) -> str:
    return numbers.stock.of(settings.default_currency).currency


def _imports(numbers: Numbers) -> list[ImportLine]:
    return [_import_line(job) for job in numbers.imports.latest]


def _import_line(job: JobOut) -> ImportLine:
    mood = {Status.COMPLETED: "good", Status.FAILED: "bad"}.get(job.status, "")
    rows = f"{job.processed_rows:,}"
    if job.total_rows is not None and job.processed_rows < job.total_rows:
        rows += f" of {job.total_rows:,}"
    problem = FAILURES[job.failure_reason] if job.failure_reason else ""
    return ImportLine(job, STATES[job.status], mood, rows, problem)


def tell_trouble(endpoint: Troubled) -> str:
    if endpoint.disabled_reason == "gone":
        return "Disabled: it answered that it is gone (410)."
    if endpoint.disabled_reason == "failing":
        return "Disabled after five days without a success."
    return f"Failing since {tell_moment(endpoint.failing_since)}." if endpoint.failing_since else ""


def tell_moment(moment: datetime) -> str:
    """ "20 Nov, 14:05"; the page says that this is UTC."""
    return f"{moment.day} {moment:%b, %H:%M}"


def write_count(number: Number) -> str:
    return f"{number:,}"


def write_amount(amount: Number) -> str:
    return f"{amount:,.2f}" if amount < LARGE else f"{amount:,.0f}"


def _writer(currency: str) -> Write:
    return lambda amount: f"{write_amount(amount)} {currency}"


def _amounts(amounts: dict[str, Decimal]) -> str:
    return ", ".join(f"{write_amount(amount)} {currency}" for currency, amount in amounts.items()) or "0"
