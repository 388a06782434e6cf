"""How many rows a list has, told without ever counting for long.

What took the database some work is kept for 10 s: whoever walks a long list is not counted for again on every page.
"""

import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, TypeAlias

import asyncpg
import msgspec

from lib.http import Total

COUNTED_EXACTLY = 25_000
# In the planner's units, of which about 100 pass in a millisecond: beyond the first its guess has to do.
COSTLIEST, CHEAP = 10_000, 500
KEPT_SECONDS = 10
MOST_KEPT = 1000

# piccolo_conf.fetch, which this floor does not know.
Fetch: TypeAlias = Callable[..., Awaitable[Sequence[asyncpg.Record]]]

_kept: dict[Hashable, tuple[float, Any]] = {}


class Plan(msgspec.Struct, frozen=True, rename={"cost": "Total Cost", "rows": "Plan Rows", "inner": "Plans"}):
    """What the planner expects of a statement: `rows` that it returns, and the `cost` of getting them."""

    cost: float
    rows: float
    inner: list["Plan"] = []


class Explained(msgspec.Struct, frozen=True, rename={"plan": "Plan"}):
    plan: Plan


async def count_exactly(fetch: Fetch, source: str, where: str, values: Sequence[Any]) -> Total:
    """Whatever it costs; `source` is what follows FROM."""
    counted = await fetch(f"SELECT count(*) AS number FROM {source} {where}", *values)
    return Total(int(counted[0]["number"]), is_exact=True)


async def count_cheaply(fetch: Fetch, source: str, where: str, values: Sequence[Any]) -> Total:
    """Exact up to 25,000; the planner's guess beyond that, and where even counting so far would take long."""
    key = (source, where, msgspec.json.encode(values))
    if (kept := recall(key)) is not None:
        found: Total = kept
        return found
    counting = f"SELECT FROM {source} {where} LIMIT {COUNTED_EXACTLY + 1}"
    plan = await _plan(fetch, counting, values)
    total = await _count(fetch, counting, values, plan)
    if plan.cost > CHEAP:
        keep(key, total)
    return total


async def _count(fetch: Fetch, counting: str, values: Sequence[Any], plan: Plan) -> Total:
    # What a LIMIT takes its rows from is told as if there were none.
    guess = round(plan.inner[0].rows if plan.inner else plan.rows)
    if plan.cost > COSTLIEST:
        return Total(guess, is_exact=False)
    counted = await fetch(f"SELECT count(*) AS number FROM ({counting}) AS m", *values)
    number = int(counted[0]["number"])
    if number <= COUNTED_EXACTLY:
        return Total(number, is_exact=True)
    return Total(max(guess, number), is_exact=False)


async def _plan(fetch: Fetch, statement: str, values: Sequence[Any]) -> Plan:
    told = await fetch(f"EXPLAIN (FORMAT JSON) {statement}", *values)
    return msgspec.json.decode(told[0]["QUERY PLAN"], type=list[Explained])[0].plan


def recall(key: Hashable) -> Any:
    """What was kept within the last 10 s; None when nothing was."""
    until, value = _kept.get(key, (0.0, None))
    return value if until > time.monotonic() else None


def keep(key: Hashable, value: Any) -> None:
    while len(_kept) >= MOST_KEPT:
        del _kept[next(iter(_kept))]
    _kept[key] = (time.monotonic() + KEPT_SECONDS, value)


def forget() -> None:
    """Count anew: for tests."""
    _kept.clear()
