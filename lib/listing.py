"""Lists: the words of a query string become one statement that walks an index, a count that never takes long, and a
cursor that goes on from any depth."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import asyncpg
import msgspec
from litestar.openapi.spec import Operation

from lib import cursors
from lib.errors import field_error
from lib.filters import Condition, Filter, read_filters
from lib.http import FAR_OFFSET, NO_COUNT, PAGING_NAMES, Count, Paging, Style, Total, read_paging, read_query
from lib.list_parameters import PAGING, describe_filters, describe_order, operation_with
from lib.totals import Fetch, count_cheaply, count_exactly

ORDER_NAMES = ("ordering", "sort_by", "order")
DIRECTIONS = {"", "asc", "desc", "ASC", "DESC"}
OPERATORS = {"<": "<=", ">": ">=", "~<~": "~<=~", "~>~": "~>=~"}
MARK_BYTES = 16


class Sort(msgspec.Struct, frozen=True):
    """What lists can be sorted by: the key of its index, and how a cursor's value becomes one ("{0}::int", int).

    The key must never be null, because no row is before or behind a null: see `nullable`.
    """

    key: str
    parameter: str
    type: Any
    # An index that also serves prefixes compares characters, whatever the database's language.
    less: str = "<"
    greater: str = ">"
    is_unique: bool = False


def nullable(sort: Sort, lowest: str) -> Sort:
    """For a column that may be null: those rows come first, as if they held `lowest` ("'-infinity'::timestamptz")."""
    key, parameter = f"coalesce({sort.key}, {lowest})", f"coalesce({sort.parameter}, {lowest})"
    return msgspec.structs.replace(sort, key=key, parameter=parameter, type=sort.type | None)


class Order(msgspec.Struct, frozen=True):
    column: str
    descending: bool
    sort: Sort

    @property
    def beyond(self) -> str:
        """The operator between a key and one before it."""
        return self.sort.less if self.descending else self.sort.greater

    @property
    def at_or_beyond(self) -> str:
        return OPERATORS[self.beyond]

    @property
    def sql(self) -> str:
        return f"{self.sort.key} USING {self.sort.greater if self.descending else self.sort.less}"


class Query(msgspec.Struct, frozen=True):
    """`ordering` is the canonical text of `orders`, which a cursor carries; `position` is what the cursor holds.

    `mark` tells the cursors of this list from those of others, and `identity` is the key of its id.
    """

    conditions: tuple[Condition, ...]
    orders: tuple[Order, ...]
    ordering: str
    paging: Paging
    position: tuple[Any, ...] | None = None
    mark: bytes = b""
    identity: str = ""


class Found(msgspec.Struct, frozen=True):
    """`cursor` points behind the last row; None when nothing follows."""

    rows: Sequence[asyncpg.Record]
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

    def __post_init__(self) -> None:
        if "id" not in self.sorts or not self.sorts["id"].is_unique:
            raise ValueError("sorts needs a unique id, which tells rows apart")
        named = {word.removeprefix("-") for word in self.first.split(",")} | {*self.aliases.values()}
        if unknown := named - {*self.sorts}:
            raise ValueError(f"{min(unknown)} is no sort of this list")

    def read(self, query_string: bytes, *always: Condition) -> Query:
        """Raises BadInput for whatever the list does not understand; `always` holds whatever is asked."""
        given = dict(read_query(query_string))
        orders = {name: given.pop(name) for name in ORDER_NAMES if name in given}
        paging = read_paging({name: given.pop(name) for name in PAGING_NAMES if name in given})
        conditions = (*read_filters({name: [value] for name, value in given.items()}, self.filters), *always)
        ordering, ordered = self.read_ordering(orders, self.first_for(conditions))
        mark = self.mark
        position = read_position(paging.after, ordering, ordered, mark) if paging.after else None
        return Query(conditions, ordered, ordering, paging, position, mark, self.sorts["id"].key)

    def first_for(self, _conditions: Sequence[Condition]) -> str:
        """The order when none is asked for; a list may choose one that fits what is filtered."""
        return self.first

    @property
    def mark(self) -> bytes:
        return _mark_of(tuple((name, sort.key, sort.parameter) for name, sort in self.sorts.items()))

    def read_ordering(self, given: Mapping[str, str], first: str) -> tuple[str, tuple[Order, ...]]:
        """`ordering=-price,name`, or `sort_by=price&order=desc`; the first counts when both are there and right."""
        apart, together = _spelled_apart(given), given.get("ordering", "")
        fallback = self._read_orders("sort_by", [apart] if apart else first.split(","))
        orders = self._read_orders("ordering", together.split(",")) if together else fallback
        ordered = self._to_the_end(orders)
        return ",".join(f"{'-' * order.descending}{order.column}" for order in ordered), ordered

    def _read_orders(self, field: str, words: Sequence[str]) -> Sequence[Order]:
        """Each column once. Raises BadInput that names the field."""
        orders: dict[str, Order] = {}
        for word in (given_word.strip(" ") for given_word in words):
            name = word.removeprefix("-")
            column = self.aliases.get(name, name)
            if column not in self.sorts:
                known = ", ".join([*self.sorts, *self.aliases])
                raise field_error(field, f"{name!r} is not one of: {known}")
            orders.setdefault(column, Order(column, word.startswith("-"), self.sorts[column]))
        return [*orders.values()]

    def _to_the_end(self, orders: Sequence[Order]) -> tuple[Order, ...]:
        """Up to the first unique key, and with the id behind keys that are not: no two rows are in the same place."""
        for number, order in enumerate(orders, 1):
            if order.sort.is_unique:
                return tuple(orders[:number])
        return (*orders, Order("id", orders[-1].descending, self.sorts["id"]))

    @property
    def operation(self) -> type[Operation]:
        """For a handler's `operation_class`: it reads its parameters itself, all at once."""
        order = describe_order([*self.sorts, *self.aliases], self.first)
        return operation_with(PAGING | order | describe_filters(self.filters))


class Binder:
    """Collects parameters while clauses are written."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def bind(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def clauses(self, conditions: Sequence[Condition]) -> list[str]:
        """In brackets each: an OR inside one must not undo the others."""
        return [f"({condition.clause.format(*map(self.bind, condition.values))})" for condition in conditions]

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
        # The index is entered by the last part; the planner takes nothing from an OR.
        return f"({' OR '.join(steps)}) AND {orders[0].sort.key} {orders[0].at_or_beyond} {keys[0]}"


def order_by(orders: Sequence[Order]) -> str:
    return "ORDER BY " + ", ".join(order.sql for order in orders)


def read_position(after: str, ordering: str, orders: Sequence[Order], mark: bytes = b"") -> tuple[Any, ...]:
    """The sort values that a cursor carries; raises BadInput for one that is not of this list and this order."""
    values = cursors.decode(after, ordering, mark)
    try:
        return tuple(msgspec.convert(value, order.sort.type) for order, value in zip(orders, values, strict=True))
    except ValueError:
        # Sealed when the list had other columns.
        raise field_error("after", cursors.NOT_OF_THIS_LIST) from None


def cursor_behind(query: Query, last: Mapping[str, Any] | asyncpg.Record) -> str:
    """The cursor that goes on behind a row, which is looked up by the names of the sorts."""
    values = [last[order.column] for order in query.orders]
    for order, value in zip(query.orders, values, strict=True):
        if value is None and type(None) not in get_args(order.sort.type):
            raise TypeError(f"{order.column} is null in a row: its Sort has to be nullable()")
    return cursors.encode(query.ordering, values, query.mark)


async def find_page(fetch: Fetch, query: Query, columns: str, source: str) -> Found:
    """One statement for the page, one or two for its count.

    `columns` hold the names of the sorts as they are stored (money may be text), and `source` follows FROM.
    """
    paging = query.paging
    rows = await _fetch_rows(fetch, query, columns, source)
    shown = rows[: paging.limit]
    has_more = len(rows) > paging.limit
    # Made also where nothing follows, so that a list whose rows lack a sort shows it at its first row.
    cursor = cursor_behind(query, shown[-1]) if shown else None
    total = await _count(fetch, query, source, len(shown), has_more=has_more)
    return Found(shown, total, cursor if has_more else None)


async def _fetch_rows(fetch: Fetch, query: Query, columns: str, source: str) -> Sequence[asyncpg.Record]:
    """Those of the page, and one more when others follow."""
    binder, paging, order = Binder(), query.paging, order_by(query.orders)
    where = binder.where(query.conditions, binder.behind(query.orders, query.position))
    skipped = f"OFFSET {binder.bind(paging.offset)}" if paging.offset else ""
    part = f"{order} {skipped} LIMIT {paging.limit + 1}"
    if paging.offset <= FAR_OFFSET or not query.identity:
        return await fetch(f"SELECT {columns} FROM {source} {where} {part}", *binder.values)
    # Skipping rows in an index alone is many times cheaper than looking each of them up with all that is joined.
    ids = f"SELECT {query.identity} FROM {source} {where} {part}"
    page = f"SELECT {columns} FROM {source} WHERE {query.identity} = ANY(ARRAY({ids})) {order}"
    return await fetch(page, *binder.values)


async def _count(fetch: Fetch, query: Query, source: str, shown: int, *, has_more: bool) -> Total:
    paging = query.paging
    if not paging.wants_count:
        return NO_COUNT
    if not has_more and paging.style is not Style.CURSOR and (shown or not paging.offset):
        return Total(paging.offset + shown, is_exact=True)
    binder = Binder()
    where = binder.where(query.conditions)
    count = count_exactly if paging.count is Count.EXACT else count_cheaply
    return await count(fetch, source, where, binder.values)


def _spelled_apart(given: Mapping[str, str]) -> str:
    """`sort_by=price&order=desc`; without `sort_by` there is nothing to direct."""
    direction = given.get("order", "")
    if direction not in DIRECTIONS:
        raise field_error("order", "expected asc or desc")
    column = given.get("sort_by", "")
    if not column or not direction:
        return column
    return f"{'-' * (direction.lower() == 'desc')}{column.removeprefix('-')}"


@functools.lru_cache(256)
def _mark_of(sorts: tuple[tuple[str, str, str], ...]) -> bytes:
    return hashlib.blake2b(repr(sorts).encode(), digest_size=MARK_BYTES).digest()
