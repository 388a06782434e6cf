"""A worker with receivers beside it: what both did, by their own clocks and processor time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from statistics import median

import msgspec

from bench import cores
from bench.client import percentile
from bench.servers import PYTHON, BenchFailed, Place, connect, running
from tests.faults.endpoints import Connection, announce, is_all_delivered, subscribe
from tests.faults.receiver import SETTINGS, Received, Receiver, receiving

CLEAR = "TRUNCATE event, webhook_endpoint, webhook_tally CASCADE"
IS_UNRELAYED = "SELECT EXISTS (SELECT FROM event WHERE relayed_at IS NULL)"
# What a worker begins with is not what is measured.
PROBE = "import.failed"
LONGEST_SECONDS = 600


class Stage(msgspec.Struct):
    """`connection` is the bench's own."""

    place: Place
    receiver: Receiver
    connection: Connection
    seen: int = 0

    async def clear(self) -> None:
        """No endpoints, no events and nothing received."""
        await self.connection.execute(CLEAR)
        await self.connection.execute("CHECKPOINT")
        self.forget()

    def forget(self) -> None:
        """What was received up to now."""
        self.seen = len(self.receiver.received)

    async def subscribe(self, *paths: str, event_types: tuple[str, ...] = ("*",), include_bulk: bool = False) -> None:
        key = self.place.environment["SECRET_KEY"]
        for path in paths:
            url = self.receiver.url(path)
            await subscribe(self.connection, url, event_types=event_types, include_bulk=include_bulk, key=key)

    @property
    def received(self) -> list[Received]:
        """Since it was cleared."""
        return self.receiver.received[self.seen :]

    async def until_relayed(self) -> None:
        await until(self._is_relayed)

    async def _is_relayed(self) -> bool:
        return not await self.connection.fetchval(IS_UNRELAYED)

    async def until_arrived(self, count: int) -> None:
        """So many where all is well."""

        async def has_arrived() -> bool:
            return sum(request.path.startswith("/ok/") for request in self.received) >= count

        await until(has_arrived)

    async def until_delivered(self) -> None:
        """Received, and recorded."""
        await self.until_relayed()
        await until(lambda: is_all_delivered(self.connection))

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[int]:
        """One worker, which works already; yields its pid."""
        async with running(self.place, "worker", [PYTHON, "-m", "litestar", "worker"], SETTINGS) as pid:
            await announce(self.connection, topic=PROBE)
            await self.until_relayed()
            yield pid


@contextlib.asynccontextmanager
async def staged(place: Place) -> AsyncIterator[Stage]:
    with receiving(place.directory) as receiver:
        connection = await connect(place)
        try:
            yield Stage(place, receiver, connection)
        finally:
            await connection.execute(CLEAR)
            await connection.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Raises BenchFailed when it never holds."""
    deadline = time.perf_counter() + LONGEST_SECONDS
    while not await condition():
        if time.perf_counter() > deadline:
            raise BenchFailed(f"Not all was told within {LONGEST_SECONDS} s.")
        await asyncio.sleep(0.05)


class Used:
    """Processor time in seconds, and the time by the clock; final when the block of `using` has ended."""

    def __init__(self, place: Place, worker: int) -> None:
        self.place = place
        self.pid = worker
        self.restart()

    def restart(self) -> None:
        """What was up to now does not count."""
        self.began = self._now()
        self.worker = self.postgres = self.seconds = 0.0

    def _now(self) -> tuple[float, float, float]:
        return cores.cpu_seconds(self.pid), cores.postgres_seconds(self.place), time.perf_counter()

    @property
    def so_far(self) -> float:
        """Seconds by the clock."""
        return time.perf_counter() - self.began[2]

    @property
    def total(self) -> float:
        return self.worker + self.postgres

    def end(self) -> None:
        self.worker, self.postgres, self.seconds = (
            now - then for now, then in zip(self._now(), self.began, strict=True)
        )


@contextlib.contextmanager
def using(place: Place, worker: int) -> Iterator[Used]:
    used = Used(place, worker)
    yield used
    used.end()


class Waits(msgspec.Struct, frozen=True):
    """Milliseconds from the commit of an event to its arrival."""

    count: int
    p50: float
    p95: float
    slowest: float


def waits_of(requests: list[Received], committed: dict[str, float]) -> Waits:
    """Of those that came where all is well."""
    waits = sorted(
        (request.at - committed[request.webhook_id]) * 1000
        for request in requests
        if request.path.startswith("/ok/") and request.webhook_id in committed
    )
    return Waits(len(waits), median(waits), percentile(waits, 0.95), waits[-1])


def middle_rate(requests: list[Received]) -> float:
    """A second, without the first and the last tenth, when not everybody is at work yet or any more."""
    times = sorted(request.at for request in requests)
    tenth = len(times) // 10
    first, last = times[tenth], times[-1 - tenth]
    return (len(times) - 2 * tenth - 1) / max(last - first, 0.001)
