"""R13: workers killed with -9 one after the other while they deliver. Nothing is lost; what comes twice was in hand."""

import asyncio
import random
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from domains.webhooks.lines import MOST_UNSETTLED
from tests.faults.crew import Crew, hired
from tests.faults.endpoints import Connection, announce, check_told, is_all_delivered, subscribe
from tests.faults.harness import House, make_seed, until
from tests.faults.receiver import SETTINGS, receiving

PATHS = ("/ok/first", "/slow/0.01/second", "/ok/third")
# All that one worker may have in hand: under way, or answered and not recorded yet.
IN_HAND = MOST_UNSETTLED * len(PATHS)


class Plan(NamedTuple):
    """Events come evenly over the time; a worker is killed every so many seconds, and replaced at once."""

    workers: int
    events: int
    seconds: float
    kill_seconds: float
    lease_seconds: float
    patience: float


async def announce_evenly(connection: Connection, plan: Plan) -> None:
    began, told = time.monotonic(), 0
    while told < plan.events:
        passed = min((time.monotonic() - began) / plan.seconds, 1)
        if (more := int(plan.events * passed) - told) > 0:
            await announce(connection, more)
            told += more
        await asyncio.sleep(0.05)


async def kill_evenly(crew: Crew, plan: Plan, workers: list[int], rng: random.Random) -> int:
    """How many."""
    kills, ends = 0, time.monotonic() + plan.seconds
    while time.monotonic() < ends:
        await asyncio.sleep(plan.kill_seconds * rng.uniform(0.5, 1.5))
        victim = rng.randrange(plan.workers)
        await crew.kill(workers[victim])
        workers[victim] = crew.start()
        kills += 1
    return kills


async def run(directory: Path, plan: Plan) -> None:
    rng = make_seed()
    lease = {"WEBHOOK_LEASE_SECONDS": str(plan.lease_seconds)}
    with (
        House(directory, **SETTINGS, **lease).running() as house,
        receiving(directory) as receiver,
        hired(house) as crew,
    ):
        async with house.database() as connection:
            for path in PATHS:
                await subscribe(connection, receiver.url(path))
            workers = [crew.start() for _ in range(plan.workers)]
            _, kills = await asyncio.gather(announce_evenly(connection, plan), kill_evenly(crew, plan, workers, rng))
            took = await until(lambda: is_all_delivered(connection), plan.patience)
            again = await check_told(connection, receiver, plan.events * len(PATHS))
            print(f"{kills} kills, {again} of {len(receiver.received)} came again, the last {took:.1f} s later")
            assert kills > 0
            assert again <= kills * IN_HAND


@pytest.mark.timeout(180)
async def test_whoever_is_killed_every_delivery_comes(tmp_path: Path) -> None:
    await run(tmp_path, Plan(workers=2, events=600, seconds=4, kill_seconds=1, lease_seconds=10, patience=60))


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_r13_four_workers_killed_for_a_minute(tmp_path: Path) -> None:
    await run(tmp_path, Plan(workers=4, events=20_000, seconds=60, kill_seconds=2, lease_seconds=45, patience=300))
