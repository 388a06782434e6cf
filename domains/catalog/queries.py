"""What a caller asks of the list: conditions, an order, a part; and the SQL that these become."""

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from domains.catalog.filters import ACTIVE, Condition, read_filters
from domains.catalog.schemas import ProductOut
from lib import cursors
from lib.errors import field_error
from lib.http import PAGING_NAMES, Paging, read_paging, read_query

NEWEST_FIRST = "-id"
ORDER_NAMES = ("ordering", "sort_by", "order")


class Sort(msgspec.Struct, frozen=True):
    """A column that lists can be sorted by: the key of its index, and how a cursor's value becomes one."""

    key: str
    parameter: str
    type: Any
    # The index of the SKUs serves prefixes too, so it compares characters, whatever the database's language.
    less: str = "<"
    greater: str = ">"
    is_unique: bool = False


# Named with their table, because the page itself has a column `price` that is text.
# Each key is the leading column of an index that ends in id: product_pkey, product_sku_key, product_name_order, …
SORTS: dict[str, Sort] = {
    "id": Sort("product.id", "{0}::int", int, is_unique=True),
    "sku": Sort("lower(product.sku)", "lower({0}::text)", str, "~<~", "~>~", is_unique=True),
    "name": Sort("lower(product.name)", "lower({0}::text)", str),
    "price": Sort("product.price", "{0}::numeric", Decimal),
    "inventory_quantity": Sort("product.inventory_quantity", "{0}::int", int),
    "created_at": Sort("product.created_at", "{0}::timestamptz", datetime),
    "updated_at": Sort("product.updated_at", "{0}::timestamptz", datetime),
}
ALIASES = {"stock": "inventory_quantity"}


class Order(msgspec.Struct, frozen=True):
    column: str
    descending: bool

    @property
    def sort(self) -> Sort:
        return SORTS[self.column]

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

    @property
    def reach(self) -> int:
        """Rows up to the end of the page, and one more to see whether others follow."""
        return self.paging.offset + self.paging.limit + 1


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


@functools.lru_cache(1024)
def read_list_query(query_string: bytes, *, internal: bool) -> Query:
    """Raises BadInput for whatever a list does not understand. Without `internal` only active products are listed."""
    given = dict(read_query(query_string))
    orders = {name: given.pop(name) for name in ORDER_NAMES if name in given}
    paging = read_paging({name: given.pop(name) for name in PAGING_NAMES if name in given})
    conditions = read_filters({name: [value] for name, value in given.items()})
    if not internal:
        conditions += (ACTIVE,)
    ordering, ordered = read_ordering(orders, conditions)
    position = read_position(paging.after, ordering, ordered) if paging.after else None
    return Query(conditions, ordered, ordering, paging, position)


def read_ordering(given: Mapping[str, str], conditions: Sequence[Condition]) -> tuple[str, tuple[Order, ...]]:
    """`ordering=-price,name`, or `sort_by=price&order=desc`; the first counts when both are there."""
    words = given.get("ordering") or _spelled_apart(given) or _newest_first(conditions)
    orders: list[Order] = []
    for word in words.split(","):
        name = word.strip().removeprefix("-")
        column = ALIASES.get(name, name)
        if column not in SORTS:
            known = ", ".join([*SORTS, *ALIASES])
            raise field_error("sort_by" if "sort_by" in given else "ordering", f"{name!r} is not one of: {known}")
        if column not in {order.column for order in orders}:
            orders.append(Order(column, word.strip().startswith("-")))
    ordered = _to_the_end(orders)
    return ",".join(f"{'-' * order.descending}{order.column}" for order in ordered), ordered


def _spelled_apart(given: Mapping[str, str]) -> str:
    """`sort_by=price&order=desc`; without `sort_by` there is nothing to direct."""
    direction = given.get("order", "").lower()
    if direction not in {"", "asc", "desc"}:
        raise field_error("order", "expected asc or desc")
    column = given.get("sort_by", "")
    if not column or not direction:
        return column
    return f"{'-' * (direction == 'desc')}{column.removeprefix('-')}"


def _newest_first(conditions: Sequence[Condition]) -> str:
    """Both mean the newest first; behind a range of times the index of times gets there without a search."""
    return "-created_at" if any(condition.column == "created_at" for condition in conditions) else NEWEST_FIRST


def _to_the_end(orders: Sequence[Order]) -> tuple[Order, ...]:
    """Up to the first unique key, and with the id behind keys that are not: no two rows are ever in the same place."""
    for number, order in enumerate(orders, 1):
        if order.sort.is_unique:
            return tuple(orders[:number])
    return (*orders, Order("id", orders[-1].descending))


def read_position(after: str, ordering: str, orders: Sequence[Order]) -> tuple[Any, ...]:
    values = cursors.decode(after, ordering)
    return tuple(msgspec.convert(value, order.sort.type) for order, value in zip(orders, values, strict=True))


def write_cursor(query: Query, last: ProductOut) -> str:
    return cursors.encode(query.ordering, [getattr(last, order.column) for order in query.orders])
