"""A shop that tells: how many webhooks one web process takes, how soon while an import runs, and how many one worker
does."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from statistics import median
from uuid import uuid4

import msgspec

from bench import cores
from bench.bare import VARIABLE, Wish
from bench.catalogue import tell
from bench.client import Case, Outcome
from bench.data import write_catalogue
from bench.load import fire
from bench.report import Row, at_least, below, inform
from bench.servers import HOST, PYTHON, BenchFailed, Place, connect, running, serving
from bench.shop_work import measure_work
from bench.telling import until
from tests.faults.shop import NOISE, Event, Shop
from tests.faults.shop_sending import SECRET, SETTINGS, SHOP, sign

PATH, BARE_PATH = "/api/shopify-webhook/", "/webhook"
CONNECTIONS, POOL_SIZE = 12, 10
REACH = 0.5
LATEST_MS = 500
# Two connections that rest this long behind each answer tell about fifty times a second.
BESIDE_CONNECTIONS, PAUSE_SECONDS = 2, 0.03
DIFFERENT_EVENTS = 500
ORDER_IMPORT = "INSERT INTO import_job (id, filename, file_key) VALUES ($1, 'bench.csv', $2)"
STATUS = "SELECT status FROM import_job WHERE id = $1"


class Sizes(msgspec.Struct, frozen=True):
    """`most` are more webhooks than any turn can send; `told` are processed at once; `imported` rows go in beside."""

    rounds: int
    turn_seconds: float
    most: int
    told: int
    imported: int


FULL = Sizes(rounds=9, turn_seconds=1, most=3000, told=5000, imported=100_000)
QUICK = Sizes(rounds=1, turn_seconds=0.5, most=1500, told=300, imported=10_000)


async def measure(place: Place, *, quick: bool) -> list[Row]:
    sizes = QUICK if quick else FULL
    place = msgspec.structs.replace(place, environment={**place.environment, **SETTINGS})
    # The bare handler does not know which topics nobody follows.
    events = [event for event in Shop(random.Random(7)).live(DIFFERENT_EVENTS) if event.topic not in NOISE]
    return [
        *await _accepted(place, sizes, events),
        *await _beside_import(place, sizes, events),
        *await measure_work(place, sizes.told),
    ]


async def _accepted(place: Place, sizes: Sizes, events: Sequence[Event]) -> list[Row]:
    """In turns, on the same core; each webhook is a new one."""
    bare = {VARIABLE: msgspec.json.encode(Wish(place.database_url, POOL_SIZE, [], 0)).decode()}
    rates: dict[str, list[float]] = {PATH: [], BARE_PATH: []}
    answers: list[Outcome] = []
    with cores.postgres_apart(place):
        async with serving(place, "app:app") as ours, serving(place, "bench.bare_inbox:app", bare) as theirs:
            for _port, pid in (ours, theirs):
                cores.pin(pid, cores.SERVER)
            for _ in range(sizes.rounds):
                for path, port in ((PATH, ours[0]), (BARE_PATH, theirs[0])):
                    (answer,) = await fire([_case(port, path, sizes, events)])
                    rates[path].append(answer.per_second)
                    answers += [answer] if path == PATH else []
    tell(f"webhooks taken a second: {rates}")
    slowest = max(answer.slowest for answer in answers)
    note = f"{CONNECTIONS} connections; limit: a bare handler, same proof, same row; slowest answer {slowest:.0f} ms"
    return [
        at_least(REACH, "webhooks taken by one web process", median(rates[PATH]), median(rates[BARE_PATH]), note=note),
        inform("  p99 of these answers", median(answer.p99 for answer in answers), "ms"),
    ]


def _case(port: int, path: str, sizes: Sizes, events: Sequence[Event]) -> Case:
    requests = _requests(path, sizes.most, events)
    return Case(port=port, requests=requests, connections=CONNECTIONS, seconds=sizes.turn_seconds)


async def _beside_import(place: Place, sizes: Sizes, events: Sequence[Event]) -> list[Row]:
    """The same worker imports and processes what is taken."""
    worker = [PYTHON, "-m", "litestar", "worker"]
    async with serving(place, "app:app") as (port, _pid), running(place, "worker", worker):
        idle = await _answers(port, events, seconds=3)
        async with _importing(place, sizes.imported) as ended:
            busy = await _answers(port, events, until=str(ended))
    tell(f"answers beside an import: p99 {busy.p99:.1f} ms of {busy.count:,}; idle {idle.p99:.1f} ms")
    what = f"p99 of the answer while {sizes.imported:,} rows go in"
    note = f"{busy.count:,} answers in {busy.seconds:.1f} s; limit: no import; slowest {busy.slowest:.0f} ms"
    return [below(LATEST_MS, what, busy.p99, "ms", idle.p99, note)]


async def _answers(port: int, events: Sequence[Event], *, seconds: float = 600, until: str = "") -> Outcome:
    requests = _requests(PATH, 20_000 if until else 1000, events)
    case = Case(port=port, requests=requests, connections=BESIDE_CONNECTIONS, seconds=seconds, pause=PAUSE_SECONDS)
    return (await fire([msgspec.structs.replace(case, until=until)]))[0]


@contextlib.asynccontextmanager
async def _importing(place: Place, rows: int) -> AsyncIterator[Path]:
    """Entered when the worker has begun; the file that it yields appears when the import has ended."""
    catalogue = write_catalogue(place.directory, f"beside-{uuid4().hex[:8]}", rows)
    import_id, key = uuid4(), uuid4().hex
    (place.directory / "files").mkdir(exist_ok=True)
    catalogue.path.rename(place.directory / "files" / key)
    ended = place.directory / f"ended-{key}"
    connection = await connect(place)
    await connection.execute(ORDER_IMPORT, import_id, key)

    async def has_left(status: str) -> bool:
        return bool(await connection.fetchval(STATUS, import_id) != status)

    async def tell_end() -> None:
        await until(lambda: has_left("importing"))
        ended.touch()

    await until(lambda: has_left("pending"))
    telling = asyncio.create_task(tell_end())
    try:
        yield ended
    finally:
        await telling
        status = await connection.fetchval(STATUS, import_id)
        await connection.close()
    if status != "completed":
        raise BenchFailed(f"The import is {status}.")


def _requests(path: str, count: int, events: Sequence[Event]) -> list[str]:
    """Each with an id of its own."""
    marker = uuid4().hex[:12]
    return [_request(path, events[number % len(events)], f"{marker}-{number}") for number in range(count)]


def _request(path: str, event: Event, webhook_id: str) -> str:
    return (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"X-Shopify-Topic: {event.topic}\r\nX-Shopify-Shop-Domain: {SHOP}\r\nX-Shopify-Webhook-Id: {webhook_id}\r\n"
        f"X-Shopify-Triggered-At: {event.triggered_at.isoformat()}\r\nX-Shopify-API-Version: 2026-04\r\n"
        f"X-Shopify-Hmac-Sha256: {sign(event.body, SECRET)}\r\n"
        f"Content-Length: {len(event.body)}\r\n\r\n{event.body.decode()}"
    )
