"""Lists: the words of a query string become one statement that walks an index, a count that never takes long, and a
cursor that goes on from any depth."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import msgspec
from litestar.openapi.spec import Operation, Parameter, Schema

from lib import cursors
from lib.errors import field_error
from lib.filters import Condition, Filter, read_filters
from lib.http import (
    LARGEST_OFFSET,
    LARGEST_PAGE,
    LARGEST_SIZE,
    NO_COUNT,
    PAGING_NAMES,
    Count,
    Paging,
    Style,
    Total,
    read_paging,
    read_query,
)

COUNTED_EXACTLY = 25_000
ORDER_NAMES = ("ordering", "sort_by", "order")
SIZE = {"type": "integer", "minimum": 1, "maximum": LARGEST_SIZE}
PAGING: dict[str, tuple[dict[str, Any], str]] = {
    "page": ({"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}, "Page number, from 1."),
    "page_size": (SIZE, "Rows on a page (50)."),
    "limit": (SIZE, "Another name of page_size."),
    "offset": ({"type": "integer", "minimum": 0, "maximum": LARGEST_OFFSET}, "Rows to skip; counts before page."),
    "after": (
        {"type": "string", "maxLength": cursors.LONGEST},
        "A cursor, from `next` or a Link header: as cheap at any depth. Empty: begin, and walk by cursor.",
    ),
    "count": (
        {"type": "string", "enum": list(Count)},
        "auto: exact up to 25,000, else the planner's estimate; exact: whatever it costs; none: not at all.",
    ),
}

# piccolo_conf.fetch, which this floor does not know.
Fetch: TypeAlias = Callable[..., Awaitable[Sequence[Mapping[str, Any]]]]


class Sort(msgspec.Struct, frozen=True):
    """What lists can be sorted by: the key of its index, and how a cursor's value becomes one ("{0}::int", int)."""

    key: str
    parameter: str
    type: Any
    # An index that also serves prefixes compares characters, whatever the database's language.
    less: str = "<"
    greater: str = ">"
    is_unique: bool = False


class Order(msgspec.Struct, frozen=True):
    column: str
    descending: bool
    sort: Sort

    @property
    def beyond(self) -> str:
        """The operator between a key and one before it."""
        return self.sort.less if self.descending else self.sort.greater

    @property
    def sql(self) -> str:
        return f"{self.sort.key} USING {self.sort.greater if self.descending else self.sort.less}"


class Query(msgspec.Struct, frozen=True):
    """`ordering` is the canonical text of `orders`, which a cursor carries; `position` is what the cursor holds."""

    conditions: tuple[Condition, ...]
    orders: tuple[Order, ...]
    ordering: str
    paging: Paging
    position: tuple[Any, ...] | None = None


class Found(msgspec.Struct, frozen=True):
    """`cursor` points behind the last row; None when nothing follows."""

    rows: Sequence[Mapping[str, Any]]
    total: Total
    cursor: str | None


class Listing(msgspec.Struct, frozen=True):
    """The words that one list understands.

    `sorts` holds a unique "id". `first` is the order when none is asked for. Aliases are other names of sorts.
    """

    filters: Mapping[str, Filter]
    sorts: Mapping[str, Sort]
    first: str = "-id"
    aliases: Mapping[str, str] = {}

    def read(self, query_string: bytes, *always: Condition) -> Query:
        """Raises BadInput for whatever the list does not understand; `always` holds whatever is asked."""
        given = dict(read_query(query_string))
        orders = {name: given.pop(name) for name in ORDER_NAMES if name in given}
        paging = read_paging({name: given.pop(name) for name in PAGING_NAMES if name in given})
        conditions = (*read_filters({name: [value] for name, value in given.items()}, self.filters), *always)
        ordering, ordered = self.read_ordering(orders, self.first)
        position = read_position(paging.after, ordering, ordered) if paging.after else None
        return Query(conditions, ordered, ordering, paging, position)

    def read_ordering(self, given: Mapping[str, str], first: str) -> tuple[str, tuple[Order, ...]]:
        """`ordering=-price,name`, or `sort_by=price&order=desc`; the first counts when both are there."""
        words = given.get("ordering") or _spelled_apart(given) or first
        orders: list[Order] = []
        for word in words.split(","):
            name = word.strip().removeprefix("-")
            column = self.aliases.get(name, name)
            if column not in self.sorts:
                known = ", ".join([*self.sorts, *self.aliases])
                raise field_error("sort_by" if "sort_by" in given else "ordering", f"{name!r} is not one of: {known}")
            if column not in {order.column for order in orders}:
                orders.append(Order(column, word.strip().startswith("-"), self.sorts[column]))
        ordered = self._to_the_end(orders)
        return ",".join(f"{'-' * order.descending}{order.column}" for order in ordered), ordered

    def _to_the_end(self, orders: Sequence[Order]) -> tuple[Order, ...]:
        """Up to the first unique key, and with the id behind keys that are not: no two rows are in the same place."""
        for number, order in enumerate(orders, 1):
            if order.sort.is_unique:
                return tuple(orders[:number])
        return (*orders, Order("id", orders[-1].descending, self.sorts["id"]))

    @property
    def operation(self) -> type[Operation]:
        """For a handler's `operation_class`: it reads its parameters itself, all at once."""
        columns = [*self.sorts, *self.aliases]
        one = "|".join(columns)
        known = f"Columns, with a minus for descending. Known are {', '.join(columns)}; {self.first} by default."
        ordering: dict[str, tuple[dict[str, Any], str]] = {
            "ordering": ({"type": "string", "pattern": f"^(-?({one})(,-?({one}))*)?$"}, known),
            "sort_by": ({"type": "string", "enum": [*columns, ""]}, "Instead of ordering; empty says nothing."),
            "order": ({"type": "string", "enum": ["asc", "desc", ""]}, "The direction of sort_by."),
        }
        return operation_with(PAGING | ordering | describe_filters(self.filters))


class Binder:
    """Collects parameters while clauses are written."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def bind(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def clauses(self, conditions: Sequence[Condition]) -> list[str]:
        return [condition.clause.format(*map(self.bind, condition.values)) for condition in conditions]

    def where(self, conditions: Sequence[Condition], *more: str) -> str:
        clauses = [*self.clauses(conditions), *filter(None, more)]
        return f"WHERE {' AND '.join(clauses)}" if clauses else ""

    def behind(self, orders: Sequence[Order], position: tuple[Any, ...] | None) -> str:
        """The condition of rows that follow a position; one row comparison where an index can walk it."""
        if position is None:
            return ""
        keys = [order.sort.parameter.format(self.bind(value)) for order, value in zip(orders, position, strict=True)]
        if len({order.beyond for order in orders}) == 1:
            left = ", ".join(order.sort.key for order in orders)
            return f"({left}) {orders[0].beyond} ({', '.join(keys)})"
        return self._step_by_step(orders, keys)

    def _step_by_step(self, orders: Sequence[Order], keys: Sequence[str]) -> str:
        steps = [
            " AND ".join(
                [f"{o.sort.key} = {k}" for o, k in zip(orders[:depth], keys[:depth], strict=True)]
                + [f"{orders[depth].sort.key} {orders[depth].beyond} {keys[depth]}"]
            )
            for depth in range(len(orders))
        ]
        return f"({' OR '.join(steps)}) AND {orders[0].sort.key} {orders[0].beyond}= {keys[0]}"


def order_by(orders: Sequence[Order]) -> str:
    return "ORDER BY " + ", ".join(order.sql for order in orders)


def read_position(after: str, ordering: str, orders: Sequence[Order]) -> tuple[Any, ...]:
    values = cursors.decode(after, ordering)
    return tuple(msgspec.convert(value, order.sort.type) for order, value in zip(orders, values, strict=True))


async def find_page(fetch: Fetch, query: Query, columns: str, source: str) -> Found:
    """One statement for the page, one for its count. `columns` hold the names of the sorts, `source` follows FROM."""
    binder, paging = Binder(), query.paging
    where = binder.where(query.conditions, binder.behind(query.orders, query.position))
    place = f"OFFSET {binder.bind(paging.offset)} LIMIT {paging.limit + 1}"
    rows = await fetch(f"SELECT {columns} FROM {source} {where} {order_by(query.orders)} {place}", *binder.values)
    shown = rows[: paging.limit]
    has_more = len(rows) > paging.limit
    cursor = None
    if has_more:
        cursor = cursors.encode(query.ordering, [shown[-1][order.column] for order in query.orders])
    return Found(shown, await _count(fetch, query, source, len(shown), has_more=has_more), cursor)


async def _count(fetch: Fetch, query: Query, source: str, shown: int, *, has_more: bool) -> Total:
    """Exact up to 25,000, then the planner's estimate."""
    paging = query.paging
    if not paging.wants_count:
        return NO_COUNT
    if not has_more and paging.style is not Style.CURSOR and (shown or not paging.offset):
        return Total(paging.offset + shown, is_exact=True)
    binder = Binder()
    where = binder.where(query.conditions)
    most = "" if paging.count is Count.EXACT else f"LIMIT {COUNTED_EXACTLY + 1}"
    counted = await fetch(f"SELECT count(*) AS number FROM (SELECT FROM {source} {where} {most}) AS m", *binder.values)
    number = int(counted[0]["number"])
    if not most or number <= COUNTED_EXACTLY:
        return Total(number, is_exact=True)
    plan = await fetch(f"EXPLAIN (FORMAT JSON) SELECT FROM {source} {where}", *binder.values)
    expected = int(msgspec.json.decode(plan[0]["QUERY PLAN"])[0]["Plan"]["Plan Rows"])
    return Total(max(expected, number), is_exact=False)


def _spelled_apart(given: Mapping[str, str]) -> str:
    """`sort_by=price&order=desc`; without `sort_by` there is nothing to direct."""
    direction = given.get("order", "").lower()
    if direction not in {"", "asc", "desc"}:
        raise field_error("order", "expected asc or desc")
    column = given.get("sort_by", "")
    if not column or not direction:
        return column
    return f"{'-' * (direction == 'desc')}{column.removeprefix('-')}"


def describe_filters(filters: Mapping[str, Filter]) -> dict[str, tuple[dict[str, Any], str]]:
    return {name: (filter_.schema, filter_.description) for name, filter_ in filters.items()}


def operation_with(parameters: Mapping[str, tuple[dict[str, Any], str]]) -> type[Operation]:
    """An OpenAPI operation with these query parameters."""
    described = [
        Parameter(name, "query", cast("Schema", schema), description or None)
        for name, (schema, description) in parameters.items()
    ]

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            self.parameters = [*(self.parameters or []), *described]

    return Described
