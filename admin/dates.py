"""How many rows there are by year, month and day, each number a link into the list."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from admin.pages import render
from lib.errors import BadInput, NotFound
from piccolo_conf import fetch


class Calendar(msgspec.Struct, frozen=True):
    """Rows of `table` by the day of `column`, a day being one of UTC."""

    title: str
    table: str
    column: str


CALENDARS = {
    "products": Calendar("Products by day of creation", "product", "created_at"),
    "changed-products": Calendar("Products by day of last change", "product", "updated_at"),
    "events": Calendar("Events by day", "event", "occurred_at"),
    "movements": Calendar("Stock movements by day", "stock_movement", "occurred_at"),
    "orders": Calendar("Orders by day", "sales_order", "placed_at"),
    "purchases": Calendar("Purchases by day of entry", "purchase_order", "created_at"),
    "imports": Calendar("Imports by day", "import_job", "created_at"),
    "mail": Calendar("Mail by day", "mail", "created_at"),
    "users": Calendar("Users by day of sign-up", "users", "created_at"),
}
UNITS = ("year", "month", "day")
FORMATS = {"year": "%Y", "month": "%B %Y", "day": "%-d %B %Y"}
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)

# Relies on product_created_order, product_updated_order, stock_movement_time and sales_order_placed.
COUNT = """
    SELECT date_trunc('{unit}', {column} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS since, count(*) AS number
    FROM {table} WHERE {column} >= $1 AND {column} < $2 GROUP BY 1 ORDER BY 1 DESC
"""


class Period(msgspec.Struct, frozen=True):
    name: str
    number: int
    inside: str | None
    in_list: str


class NoSuchDate(BadInput):
    """There is no such year or month."""


async def show(request: Request) -> Response:
    """`?year=2026&month=3` shows the days of March."""
    name = request.path_params["calendar"]
    if (calendar := CALENDARS.get(name)) is None:
        raise NotFound
    year, month = (request.query_params.get(unit, "") for unit in ("year", "month"))
    since, until = _period(year, month)
    unit = UNITS[bool(year) + bool(year and month)]
    rows = await fetch(COUNT.format(unit=unit, **msgspec.structs.asdict(calendar)), since, until)
    periods = [_shape(calendar, unit, row["since"], row["number"]) for row in rows]
    trail = [(since.strftime(FORMATS[above]), _query(above, since)) for above in UNITS[: UNITS.index(unit)]]
    return render(
        request, "dates.html", title=calendar.title, name=name, calendars=CALENDARS, periods=periods, trail=trail
    )


def _period(year: str, month: str) -> tuple[datetime, datetime]:
    """Without a year all times; raises NoSuchDate."""
    if not year:
        return FIRST, LAST
    try:
        since = datetime(int(year), int(month or 1), 1, tzinfo=UTC)
        return since, _end("month" if month else "year", since)
    except (ValueError, OverflowError):
        raise NoSuchDate from None


def _end(unit: str, since: datetime) -> datetime:
    if unit == "year":
        return since.replace(year=since.year + 1)
    if unit == "month":
        return since.replace(year=since.year + since.month // 12, month=since.month % 12 + 1)
    return datetime.fromtimestamp(since.timestamp() + 86_400, UTC)


def _shape(calendar: Calendar, unit: str, since: datetime, number: int) -> Period:
    column, until = calendar.column, _end(unit, since)
    bounds = {f"{column}__gte": _moment(since), f"{column}__lt": _moment(until), "__order": f"-{column}"}
    inside = None if unit == "day" else _query(unit, since)
    return Period(since.strftime(FORMATS[unit]), number, inside, f"#/{calendar.table}?{urlencode(bounds)}")


def _query(unit: str, since: datetime) -> str:
    return urlencode({"year": since.year} if unit == "year" else {"year": since.year, "month": since.month})


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
