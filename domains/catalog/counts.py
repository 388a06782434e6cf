"""How many products there are and how many match, without ever counting for long."""

import contextlib
from collections.abc import AsyncIterator, Sequence

import asyncpg
import msgspec

from lib import totals
from lib.filters import Condition
from lib.http import Total
from lib.listing import Binder
from piccolo_conf import Connection, connected, fetch

LONGEST_MILLISECONDS = 40

# Bitmaps over a large table need more than the default memory; compiling a plan costs more than these queries; and what
# is rare in one search is common in the next.
SETTINGS = "SET LOCAL work_mem = '32MB'; SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_custom_plan"
COUNT = "SELECT count(*) FROM (SELECT FROM product {where} LIMIT {most}) AS m"


@contextlib.asynccontextmanager
async def reading(settings: str = SETTINGS) -> AsyncIterator[Connection]:
    """A connection whose planner is told what is known of these queries."""
    async with connected() as connection, connection.transaction(readonly=True):
        await connection.execute(settings)
        yield connection


async def table_size() -> int:
    """The planner's estimate, which follows the size of the file: right within seconds of an import, and free."""
    if (kept := totals.recall("product")) is not None:
        return int(kept)
    async with connected() as connection:
        size = await estimate(connection, ())
    totals.keep("product", size)
    return size


async def estimate(connection: Connection, conditions: Sequence[Condition]) -> int:
    """How many rows the planner expects."""
    binder = Binder()
    where = binder.where(conditions)
    plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) SELECT FROM product {where}", *binder.values)
    return int(msgspec.json.decode(plan)[0]["Plan"]["Plan Rows"])


async def count_all(size: int) -> Total:
    """Without a filter."""
    if size > totals.COUNTED_EXACTLY:
        return Total(size, is_exact=False)
    return await count_exactly(())


async def count_exactly(conditions: Sequence[Condition]) -> Total:
    binder = Binder()
    where = binder.where(conditions)
    return await totals.count_exactly(fetch, "product", where, binder.values)


async def count_matches(conditions: Sequence[Condition], size: int) -> Total:
    """Exact up to 25,000, unless even that takes long; on large tables kept for 10 s."""
    if size <= totals.COUNTED_EXACTLY:
        return await count_exactly(conditions)
    if (kept := recall(conditions)) is not None:
        return kept
    total = await _count_in_time(conditions)
    keep(conditions, total)
    return total


def recall(conditions: Sequence[Condition]) -> Total | None:
    kept: Total | None = totals.recall(_key(conditions))
    return kept


def keep(conditions: Sequence[Condition], total: Total) -> None:
    totals.keep(_key(conditions), total)


async def _count_in_time(conditions: Sequence[Condition]) -> Total:
    try:
        async with reading(f"{SETTINGS}; SET LOCAL statement_timeout = {LONGEST_MILLISECONDS}") as connection:
            binder = Binder()
            statement = COUNT.format(where=binder.where(conditions), most=totals.COUNTED_EXACTLY + 1)
            count = await connection.fetchval(statement, *binder.values)
            if count <= totals.COUNTED_EXACTLY:
                return Total(count, is_exact=True)
    except asyncpg.QueryCanceledError:
        pass
    return await guess(conditions)


async def guess(conditions: Sequence[Condition]) -> Total:
    async with reading() as connection:
        return Total(await estimate(connection, conditions), is_exact=False)


def _key(conditions: Sequence[Condition]) -> bytes:
    return msgspec.json.encode([(condition.clause, condition.values) for condition in conditions])
