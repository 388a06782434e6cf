"""Pages of a large table with filters, in statements of which each reads a bounded number of rows.

The planner's own choice is fast on average and takes seconds where its guess is wrong: it walks the index of the order
through a million rows that do not match. So there are three ways, and the first two know when to give up:

- walk: along the index of the order, filtering on the way; good when many match.
- gather: all matches through their own indexes, then sorted; good when few match.
- sweep: through the whole table, a piece per statement; for many matches that are all far from the start.

Pages deep inside many matches have no such way: all matches are sorted, and the answer points to the cursor.
"""

from typing import Any, cast

import msgspec

from domains.catalog import counts
from domains.catalog.filters import Condition, Role
from domains.catalog.queries import SORTS
from lib import totals
from lib.http import FAR_OFFSET, Total
from lib.listing import Binder, Order, Query, order_by
from piccolo_conf import Connection

# Rows of one statement. Along these columns the index follows the file, which makes a row far cheaper to pass.
IN_FILE_ORDER = {"id", "created_at"}
STEP_ROWS, STEP_ROWS_IN_FILE_ORDER = 5_000, 20_000
FEW_STEPS, MOST_STEPS = 2, 12
TO_THE_END = 1_000_000
SWEEP_BLOCKS = 4_000
BLOCKS = "SELECT (pg_relation_size('product') / current_setting('block_size')::int)::int"

BY_INDEX = "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = on; SET LOCAL enable_bitmapscan = on"
BY_BLOCK = "SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off"


class Found(msgspec.Struct, frozen=True):
    """The rows of a page in their order, one more if others follow; the total when it came along."""

    ids: list[int]
    total: Total | None = None


def is_one_walk(query: Query) -> bool:
    """Whether the index of the order answers alone: nothing is filtered or sorted outside of it."""
    return not _outside(query) and not _has_ties(query)


async def find_page(query: Query, size: int) -> Found:
    async with counts.reading() as connection:
        if query.paging.offset > FAR_OFFSET:
            return _with_total(*await _sort_all(connection, query))
        matches = max(1, await counts.estimate(connection, query.conditions))
        to_walk = _reach(query) * size // matches
        await connection.execute(BY_INDEX)
        if matches * _gathered_as_walked(query) < to_walk and _can_gather(query, matches):
            found = await _gather(connection, query) or await _walk(connection, query, FEW_STEPS)
        else:
            found = await _walk(connection, query, min(MOST_STEPS, 2 * to_walk // _step_rows(query) + 1))
            if found is None and _can_gather(query, matches):
                found = await _gather(connection, query)
        return found or await _find_to_the_end(connection, query)


async def _find_to_the_end(connection: Connection, query: Query) -> Found:
    if query.orders[0].column in IN_FILE_ORDER and (found := await _walk(connection, query, TO_THE_END)) is not None:
        return found
    return await _sweep(connection, query)


async def _walk(connection: Connection, query: Query, steps: int) -> Found | None:
    """None when the page is not complete after so many steps."""
    ids = await _walk_along(connection, query, steps)
    return None if ids is None else Found(ids[query.paging.offset :])


async def _walk_along(connection: Connection, query: Query, steps: int) -> list[int] | None:
    if _has_ties(query):
        return await _walk_ties(connection, query)
    return await _walk_steps(connection, query, steps)


async def _walk_steps(connection: Connection, query: Query, steps: int) -> list[int] | None:
    ids: list[int] = []
    position = query.position
    for _ in range(steps):
        ids += await _step(connection, query, position, _reach(query) - len(ids))
        if len(ids) >= _reach(query):
            return ids
        position = await _position_at(connection, query, position, _step_rows(query) - 1)
        if position is None:
            return ids
    return None


async def _step(connection: Connection, query: Query, position: tuple[Any, ...] | None, wanted: int) -> list[int]:
    binder = Binder()
    inside = binder.where(_inside(query), binder.behind(query.orders, position))
    outside = binder.where(_outside(query))
    order = order_by(query.orders)
    step = f"(SELECT * FROM product {inside} {order} LIMIT {_step_rows(query)}) AS product"
    return await _ids(connection, f"FROM {step} {outside} {order}", binder, wanted)


async def _position_at(
    connection: Connection, query: Query, position: tuple[Any, ...] | None, offset: int
) -> tuple[Any, ...] | None:
    """The place so many rows further, from the index alone; None behind the end."""
    binder = Binder()
    inside = binder.where(_inside(query), binder.behind(query.orders, position))
    columns = ", ".join(order.column for order in query.orders)
    row = await connection.fetchrow(
        f"SELECT {columns} FROM product {inside} {order_by(query.orders)} OFFSET {offset} LIMIT 1", *binder.values
    )
    return None if row is None else tuple(row)


async def _walk_ties(connection: Connection, query: Query) -> list[int] | None:
    """Several columns: rows that tie on the first are sorted by the others, so only whole ties are taken."""
    lead = query.orders[0]
    along = msgspec.structs.replace(query, orders=_led_by(lead), position=None)
    start = query.position or await _position_at(connection, along, None, 0)
    if start is None:
        return []
    end = await _position_at(connection, _with(along, _at_or_behind(lead, start[0])), None, STEP_ROWS)
    before_end = query if end is None else _with(query, _before(lead, end[0]))
    ids = await _sorted(connection, before_end)
    if end is None or len(ids) >= _reach(query):
        return ids
    if start[0] != end[0]:
        return None
    rest = msgspec.structs.replace(query, orders=query.orders[1:], position=query.position and query.position[1:])
    ids = await _walk_along(connection, _with(rest, _tied(lead, start[0])), FEW_STEPS) or []
    return ids if len(ids) >= _reach(query) else None


async def _sorted(connection: Connection, query: Query) -> list[int]:
    binder = Binder()
    where = binder.where(query.conditions, binder.behind(query.orders, query.position))
    return await _ids(connection, f"FROM product {where} {order_by(query.orders)}", binder, _reach(query))


async def _gather(connection: Connection, query: Query) -> Found | None:
    """None when more match than can be sorted in time."""
    count, ids = await _sort_all(connection, query, f"LIMIT {totals.COUNTED_EXACTLY + 1}")
    return None if count > totals.COUNTED_EXACTLY else _with_total(count, ids)


def _with_total(count: int, ids: list[int]) -> Found:
    return Found(ids, Total(count, is_exact=True))


async def _sort_all(connection: Connection, query: Query, limit: str = "") -> tuple[int, list[int]]:
    binder = Binder()
    where = binder.where(query.conditions)
    columns = ", ".join({"id": None} | {order.column: None for order in query.orders})
    behind = binder.where((), binder.behind(query.orders, query.position))
    [(count, ids)] = await connection.fetch(
        f"""
        WITH matching AS MATERIALIZED (SELECT {columns} FROM product {where} {limit})
        SELECT (SELECT count(*) FROM matching), ARRAY(
            SELECT id FROM matching AS product {behind} {order_by(query.orders)}
            OFFSET {binder.bind(query.paging.offset)}::int LIMIT {query.paging.limit + 1})
        """,
        *binder.values,
    )
    return count, ids


async def _sweep(connection: Connection, query: Query) -> Found:
    """The first rows of each piece of the table, and then the first of these."""
    await connection.execute(BY_BLOCK)
    blocks = await connection.fetchval(BLOCKS)
    candidates: list[int] = []
    for begin in range(0, blocks, SWEEP_BLOCKS):
        binder = Binder()
        piece = f"ctid >= {binder.bind((begin, 0))} AND ctid < {binder.bind((begin + SWEEP_BLOCKS, 0))}"
        where = binder.where(query.conditions, piece, binder.behind(query.orders, query.position))
        candidates += await _ids(connection, f"FROM product {where} {order_by(query.orders)}", binder, _reach(query))
    await connection.execute(BY_INDEX)
    binder = Binder()
    chosen = f"FROM product WHERE id = ANY({binder.bind(candidates)}::int[]) {order_by(query.orders)}"
    ids = await _ids(connection, chosen, binder, _reach(query))
    return Found(ids[query.paging.offset :])


async def _ids(connection: Connection, source: str, binder: Binder, wanted: int) -> list[int]:
    statement = f"SELECT ARRAY(SELECT id {source} LIMIT {binder.bind(wanted)}::int)"
    ids: list[int] = await connection.fetchval(statement, *binder.values)
    return ids


def _inside(query: Query) -> list[Condition]:
    """What the index of the order serves itself: its own column, the flag it carries, and by id one equality."""
    lead = query.orders[0].column
    conditions = _conditions(query)
    equal = [condition for condition in conditions if condition.role is Role.EQUAL]
    own = [condition for condition in conditions if condition.column == lead and condition.role is Role.RANGE]
    active = [condition for condition in conditions if condition.role is Role.ACTIVE]
    chosen = equal[:1] if lead == "id" else [condition for condition in equal if condition.column == lead]
    return [*own, *active, *chosen]


def _outside(query: Query) -> list[Condition]:
    inside = _inside(query)
    return [condition for condition in _conditions(query) if condition not in inside]


def _conditions(query: Query) -> tuple[Condition, ...]:
    """Every filter of products makes conditions that know their column."""
    return cast("tuple[Condition, ...]", query.conditions)


def _reach(query: Query) -> int:
    """Rows up to the end of the page, and one more to see whether others follow."""
    return query.paging.offset + query.paging.limit + 1


def _can_gather(query: Query, matches: int) -> bool:
    """Few match, and an index finds them."""
    found_by_index = (condition.is_indexed and condition.role is not Role.ACTIVE for condition in _conditions(query))
    return matches <= totals.COUNTED_EXACTLY and any(found_by_index)


def _gathered_as_walked(query: Query) -> int:
    """How many rows can be walked in the time of one that is gathered."""
    return STEP_ROWS_IN_FILE_ORDER // STEP_ROWS if query.orders[0].column in IN_FILE_ORDER else 1


def _step_rows(query: Query) -> int:
    return STEP_ROWS * _gathered_as_walked(query)


def _has_ties(query: Query) -> bool:
    """Besides the column that leads and the id behind it."""
    return len(query.orders) > 2


def _led_by(lead: Order) -> tuple[Order, ...]:
    return (lead, Order("id", lead.descending, SORTS["id"]))


def _with(query: Query, condition: Condition) -> Query:
    return msgspec.structs.replace(query, conditions=(*query.conditions, condition))


def _at_or_behind(order: Order, value: Any) -> Condition:
    return Condition(
        f"{order.sort.key} {order.at_or_beyond} {order.sort.parameter}", (value,), order.column, Role.RANGE
    )


def _before(order: Order, value: Any) -> Condition:
    clause = f"{order.sort.key} {'>' if order.descending else '<'} {order.sort.parameter}"
    return Condition(clause, (value,), order.column, Role.RANGE)


def _tied(order: Order, value: Any) -> Condition:
    return Condition(f"{order.sort.key} = {order.sort.parameter}", (value,), order.column, Role.EQUAL)
