"""R10: receivers that hang, drip, drown us, explode or hang up do not keep the others waiting, nor fill the worker."""

import asyncio
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil
import pytest

from tests.faults.crew import hired, is_alive
from tests.faults.endpoints import Connection, announce, announce_for, check_signed, subscribe
from tests.faults.harness import House, make_seed, until
from tests.faults.receiver import SETTINGS, Receiver, receiving

BAD = ["hang"] * 5 + ["drip"] * 2 + ["huge"] * 2 + ["bomb", "reset"]
HEALTHY = 9
LONGEST_EXCERPT = 4096
MOST_MB = 50
MB = 1 << 20

ENDED = "SELECT count(*) FROM webhook_attempt a JOIN webhook_endpoint p ON p.id = a.endpoint WHERE p.url LIKE $1"
LONGEST = "SELECT max(duration_ms) FROM webhook_attempt"
LARGEST = "SELECT max(octet_length(response_excerpt)) FROM webhook_attempt"
# How each kind of receiver looks in the log of attempts.
SEEN = """
    SELECT array_agg(DISTINCT concat_ws(' ', split_part(url, '/', 4), a.status_code, a.error_class))
    FROM webhook_attempt a JOIN webhook_endpoint p ON p.id = a.endpoint
"""
EXPECTED = {"hang timed_out", "drip timed_out", "huge 200", "bomb 200", "reset connection_lost", "ok 200"}


class Memory:
    """Of a process: the most that it had, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.before = self.most = self.process.memory_info().rss
        self.task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            self.most = max(self.most, self.process.memory_info().rss)
            await asyncio.sleep(0.1)

    def grown_mb(self) -> float:
        self.task.cancel()
        return (self.most - self.before) / MB


class Plan(NamedTuple):
    """Healthy receivers hear within `latest` seconds, and who does not answer is given up within `slack` seconds behind
    the deadline."""

    seconds: float
    per_second: float
    deadline: float
    latest: float
    slack: float


async def warm_up(connection: Connection, receiver: Receiver) -> None:
    """The worker works, and has sent as much at once as it will."""
    for number in range(HEALTHY):
        await subscribe(connection, receiver.url(f"ok/{number}"))
    await announce(connection, 200)
    await until(lambda: have_come(receiver, 200 * HEALTHY), 60)


async def have_come(receiver: Receiver, count: int) -> bool:
    return len([request for request in receiver.received if request.path.startswith("/ok/")]) >= count


async def run(directory: Path, plan: Plan) -> None:
    make_seed()
    house = House(directory, **SETTINGS, WEBHOOK_DEADLINE_SECONDS=str(plan.deadline))
    with house.running(), receiving(directory) as receiver, hired(house) as crew:
        async with house.database() as connection:
            worker = crew.start()
            await warm_up(connection, receiver)
            for number, behaviour in enumerate(BAD):
                await subscribe(connection, receiver.url(f"{behaviour}/{number}"))
            memory, before = Memory(worker), len(receiver.received)
            committed = await announce_for(connection, plan.seconds, plan.per_second)
            await until(lambda: have_come(receiver, (200 + len(committed)) * HEALTHY), 30)
            await until(lambda: have_ended(connection), plan.deadline + 30)
            check_latency(receiver, committed, plan.latest)
            check_signed(receiver.received[before:])
            await check_log(connection, receiver, plan.deadline + plan.slack)
            grown = memory.grown_mb()
            print(f"the worker grew by {grown:.1f} MB from {memory.before / MB:.0f}")
            assert grown <= MOST_MB
            assert is_alive(worker)


async def have_ended(connection: Connection) -> bool:
    """Each of the five that hang at least once, and one of every other kind."""
    have_hung = await connection.fetchval(ENDED, "%/hang/%") >= BAD.count("hang")
    return have_hung and set(await connection.fetchval(SEEN)) >= EXPECTED


def check_latency(receiver: Receiver, committed: dict[str, float], latest: float) -> None:
    """From the commit to each healthy receiver."""
    waits = sorted(
        request.at - committed[request.webhook_id]
        for request in receiver.received
        if request.path.startswith("/ok/") and request.webhook_id in committed
    )
    p95 = waits[int(len(waits) * 0.95)]
    print(f"{len(waits)} to the healthy: p50 {median(waits):.3f} s, p95 {p95:.3f} s, the last {waits[-1]:.3f} s")
    assert len(waits) >= len(committed) * HEALTHY
    assert p95 <= latest


async def check_log(connection: Connection, receiver: Receiver, given_up: float) -> None:
    longest, largest = await connection.fetchval(LONGEST), await connection.fetchval(LARGEST)
    left = max(gone.seconds for gone in receiver.left if gone.path.startswith("/hang/"))
    print(f"the longest attempt took {longest} ms, {left:.1f} s as the receiver saw it; {largest} bytes kept")
    assert longest <= given_up * 1000
    assert left <= given_up
    assert largest == LONGEST_EXCERPT
    assert set(await connection.fetchval(SEEN)) == EXPECTED


@pytest.mark.timeout(180)
async def test_bad_receivers_do_not_keep_good_ones_waiting(tmp_path: Path) -> None:
    """Whom one that hangs holds up waits for its deadline."""
    await run(tmp_path, Plan(seconds=4, per_second=10, deadline=10, latest=6, slack=10))


@pytest.mark.faults
@pytest.mark.timeout(600)
async def test_r10_slow_and_dead_receivers(tmp_path: Path) -> None:
    await run(tmp_path, Plan(seconds=120, per_second=20, deadline=15, latest=2, slack=1))
