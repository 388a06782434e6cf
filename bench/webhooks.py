"""Telling others: how many, how soon, and what that costs those who write."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from statistics import median
from uuid import uuid4

import msgspec

from bench.catalogue import tell
from bench.client import Case
from bench.commands import import_file
from bench.data import write_catalogue
from bench.load import fire, post, sign_in
from bench.report import Row, above, at_least, below, inform
from bench.servers import PYTHON, Place, connect, run, serving
from bench.statements import capture
from bench.telling import Stage, Waits, middle_rate, staged, using, waits_of
from tests.faults.endpoints import announce, announce_for
from tests.faults.receiver import SETTINGS

ENDPOINTS, AT_ONCE = 10, 4
HEALTHY = ("ok/first", "ok/second", "ok/third")
HANGING = tuple(f"hang/{number}" for number in range(5))
PER_SECOND = 50
LEAST_PER_SECOND, LATEST_MS, LATEST_BESIDE_HANGING_MS, LEAST_WRITES = 1000, 600, 2000, 0.9
WRITERS = 8
IDLE_SECONDS = 5
CLAIM = re.compile(r"relayed_at IS NULL .*SKIP LOCKED", re.DOTALL)


class Sizes(msgspec.Struct, frozen=True):
    """`backlog` events for each of ten endpoints; `seconds` of events that come evenly; `imported` events at once."""

    backlog: int
    seconds: float
    imported: int
    rows: int
    rounds: int
    turn_seconds: float


FULL = Sizes(backlog=4000, seconds=20, imported=100_000, rows=100_000, rounds=5, turn_seconds=4)
QUICK = Sizes(backlog=200, seconds=2, imported=3000, rows=3000, rounds=1, turn_seconds=1)


async def measure(place: Place, *, quick: bool) -> list[Row]:
    sizes = QUICK if quick else FULL
    async with staged(place) as stage:
        return [
            *await _sustained(stage, sizes),
            *await _latency(stage, sizes),
            *await _writes(stage, sizes),
            *await _imported(stage, sizes),
            *await _relay_alone(stage, sizes),
            *await _imports_beside(stage, sizes),
        ]


async def _sustained(stage: Stage, sizes: Sizes) -> list[Row]:
    """The limit before and after; both send bodies of the same size to as many places, as many at once."""
    await stage.clear()
    paths = [f"ok/{number}" for number in range(ENDPOINTS)]
    await stage.subscribe(*paths)
    async with stage.working() as pid:
        await stage.until_delivered()
        limits = [await _posts(stage, sizes, paths)]
        stage.forget()
        with using(stage.place, pid) as used:
            await announce(stage.connection, sizes.backlog)
            await stage.until_delivered()
        rate = middle_rate(stage.received)
        limits.append(await _posts(stage, sizes, paths))
    count = sizes.backlog * ENDPOINTS
    tell(f"{count:,} deliveries in {used.seconds:.1f} s; {rate:,.0f}/s, client alone {median(limits):,.0f}/s")
    note = f"{count:,} to {ENDPOINTS} endpoints; limit: the same client in a bare loop, {ENDPOINTS * AT_ONCE} at once"
    return [
        above(LEAST_PER_SECOND, "deliveries by one worker process", rate, "/s", median(limits), note),
        inform("  from the commit to the last record", count / used.seconds, "/s", note="relay, claims and records"),
        inform("  processor time of the worker for one", used.worker / count * 1000, "ms"),
        inform("  processor time of PostgreSQL for one", used.postgres / count * 1000, "ms"),
    ]


async def _posts(stage: Stage, sizes: Sizes, paths: list[str]) -> float:
    """A second, by the client alone."""
    body = stage.place.directory / "body.json"
    body.write_bytes(stage.received[-1].body)
    urls = [stage.receiver.url(path) for path in paths]
    count = sizes.backlog * ENDPOINTS // 4
    command = [PYTHON, "-m", "bench.posting", str(body), str(ENDPOINTS * AT_ONCE), str(count), *urls]
    return float(await run(stage.place, "posting", command, SETTINGS))


async def _latency(stage: Stage, sizes: Sizes) -> list[Row]:
    alone = await _waits(stage, sizes)
    beside = await _waits(stage, sizes, *HANGING)
    what = f"p95 from commit to arrival, {PER_SECOND} events/s"
    note = f"{alone.count:,} to {len(HEALTHY)} endpoints; p50 {alone.p50:.0f} ms, the slowest {alone.slowest:.0f} ms"
    other = f"p50 {beside.p50:.0f} ms, the slowest {beside.slowest:.0f} ms; limit: without those that hang"
    return [
        below(LATEST_MS, what, alone.p95, "ms", note=note),
        below(LATEST_BESIDE_HANGING_MS, "  beside five that hang", beside.p95, "ms", alone.p95, other),
    ]


async def _waits(stage: Stage, sizes: Sizes, *others: str) -> Waits:
    await stage.clear()
    async with stage.working():
        await stage.subscribe(*HEALTHY, *others)
        committed = await announce_for(stage.connection, sizes.seconds, PER_SECOND)
        await stage.until_arrived(len(committed) * len(HEALTHY))
        return waits_of(stage.received, committed)


async def _writes(stage: Stage, sizes: Sizes) -> list[Row]:
    """In turns, with the worker at work on both sides: what is compared is telling, not polling."""
    await stage.clear()
    await stage.subscribe("ok", event_types=("order.placed",))
    quiet, told, without = [], [], []
    async with serving(stage.place, "app:app") as (port, _pid):
        token = await sign_in(port)
        await _written(port, token, 0.5)
        for _ in range(sizes.rounds):
            without.append(await _written(port, token, sizes.turn_seconds))
            async with stage.working():
                quiet.append(await _written(port, token, sizes.turn_seconds))
                async with _telling(stage):
                    told.append(await _written(port, token, sizes.turn_seconds))
                await stage.until_delivered()
    tell(f"products made a second: {quiet} quiet, {told} told, {without} without a worker")
    note = f"new products, {WRITERS} connections; limit: the same, nothing to tell"
    what = f"API writes while {PER_SECOND} events/s are delivered"
    return [
        at_least(LEAST_WRITES, what, median(told), median(quiet), note=note),
        inform("  against no worker at all", median(told), "/s", median(without)),
    ]


@contextlib.asynccontextmanager
async def _telling(stage: Stage) -> AsyncIterator[None]:
    """Events that are delivered, for as long as the block goes on."""
    telling = asyncio.create_task(_tell_forever(stage))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait([telling])


async def _tell_forever(stage: Stage) -> None:
    """On a connection of its own: the other one must not be left in the middle of a statement."""
    connection = await connect(stage.place)
    try:
        while True:
            await announce_for(connection, 1, PER_SECOND, topic="order.placed")
    finally:
        await connection.close()


async def _written(port: int, token: str, seconds: float) -> float:
    marker = uuid4().hex[:8]
    wishes = (
        {"sku": f"TOLD-{marker}-{number}", "name": "Delta robust lamp teal", "price": "19.99", "inventory_quantity": 7}
        for number in range(round(4000 * seconds))
    )
    requests = [post("/api/products/", wish, token) for wish in wishes]
    return (await fire([Case(port=port, requests=requests, connections=WRITERS, seconds=seconds)]))[0].per_second


async def _imported(stage: Stage, sizes: Sizes) -> list[Row]:
    """Everything that an import changed, one by one, to somebody who asked for that."""
    await stage.clear()
    async with stage.working() as pid:
        await stage.subscribe("ok/bulk", include_bulk=True)
        with using(stage.place, pid) as used:
            await announce(stage.connection, sizes.imported, bulk=True)
            used.restart()
            await stage.until_relayed()
            relaying = used.so_far
            await stage.until_delivered()
    relayed, delivered = sizes.imported / relaying, sizes.imported / used.seconds
    tell(f"{sizes.imported:,} events of an import: relayed {relayed:,.0f}/s, delivered {delivered:,.0f}/s")
    return [
        inform("events of an import, relayed to one endpoint", relayed, "/s", note=f"{sizes.imported:,} at once"),
        inform("  and delivered to it", delivered, "/s", note=f"at most {AT_ONCE} requests at once"),
    ]


async def _relay_alone(stage: Stage, sizes: Sizes) -> list[Row]:
    """What the log costs when nobody has subscribed to anything."""
    await stage.clear()
    async with stage.working() as pid:
        with using(stage.place, pid) as idle:
            await asyncio.sleep(IDLE_SECONDS)
        with using(stage.place, pid) as used:
            await announce(stage.connection, sizes.imported, bulk=True)
            used.restart()
            await stage.until_relayed()
        statements = await _statements_of_a_turn(stage, sizes)
    times = 100_000 / sizes.imported
    seconds = (
        f"worker {idle.worker * 1000 / IDLE_SECONDS:.0f} ms, PostgreSQL {idle.postgres * 1000 / IDLE_SECONDS:.0f} ms"
    )
    return [
        inform("events relayed to nobody", sizes.imported / used.seconds, "/s", note=f"{sizes.imported:,} at once"),
        inform("  processor time of the worker for 100,000", used.worker * times, "s"),
        inform("  processor time of PostgreSQL for 100,000", used.postgres * times, "s"),
        inform("  statements for a batch of 1,000", statements, "", note="that of the relay, and those around it"),
        inform("  a second in which nothing happens", idle.total * 1000 / IDLE_SECONDS, "ms", note=seconds),
    ]


async def _statements_of_a_turn(stage: Stage, sizes: Sizes) -> float:
    """On the connection of the relay: its transaction, and what is asked beside it."""

    async def relay() -> None:
        await announce(stage.connection, sizes.imported // 10, bulk=True)
        await stage.until_relayed()

    found = await capture(stage.place, relay, about=CLAIM)
    return len(found) / max(sum(bool(CLAIM.search(statement.sql)) for statement in found), 1)


async def _imports_beside(stage: Stage, sizes: Sizes) -> list[Row]:
    """In turns, each with new products."""
    beside, alone = [], []
    for number in range(min(sizes.rounds, 3)):
        files = [write_catalogue(stage.place.directory, f"{name}{number}", sizes.rows) for name in ("beside", "alone")]
        await stage.clear()
        async with stage.working():
            beside.append((await import_file(stage.place, files[0].path)).seconds)
            await stage.until_relayed()
        await stage.clear()
        alone.append((await import_file(stage.place, files[1].path)).seconds)
    tell(f"imports of {sizes.rows:,} rows: {beside} beside the relay, {alone} alone")
    what = f"import of {sizes.rows:,} rows beside the relay"
    return [inform(what, median(beside), "s", median(alone), "limit: no worker, so nothing is relayed meanwhile")]
