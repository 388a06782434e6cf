"""Web processes and workers killed with -9 while a shop tells, and tells again what was not answered: nothing is lost,
and nothing has its effect twice."""

import asyncio
import contextlib
import random
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.crew import Crew, hired, is_alive
from tests.faults.delivering import INBOX_POINTS, NEVER
from tests.faults.harness import House, free_port, kill, make_seed, until
from tests.faults.shop import Shop
from tests.faults.shop_checking import check_inbox, check_ledger, check_same, is_settled
from tests.faults.shop_sending import SETTINGS, Sender, make_calls

PARKED_SECONDS = {"SHOPIFY_PARKED_SECONDS": "2"}
POINTS = (*INBOX_POINTS, NEVER)


class Plan(NamedTuple):
    """A web process lives for so many answers, a worker for so many seconds, on average."""

    events: int
    per_second: float
    workers: int
    web_answers: int
    worker_seconds: float
    patience: float


class Killer:
    """A web process and workers that never live for long. Some workers die at a point, the others anywhere."""

    def __init__(self, house: House, crew: Crew, plan: Plan, rng: random.Random) -> None:
        self.house = house
        self.is_over = False
        self.crew = crew
        self.plan = plan
        self.rng = rng
        self.port = free_port()
        self.kills = {"web": 0, "worker": 0}
        self.workers = [self._hire() for _ in range(plan.workers)]
        self.web: subprocess.Popen[bytes] = house.start_web(self.port)
        self.sender = Sender(f"http://127.0.0.1:{self.port}/api/shopify-webhook/", rng)

    def _hire(self) -> int:
        return self.crew.start(self.rng.choice(POINTS), self.rng.randrange(60))

    async def kill_web(self) -> None:
        last = len(self.sender.seconds) + self.plan.web_answers * self.rng.uniform(0.5, 1.5)
        while len(self.sender.seconds) < last:
            if self.is_over:
                return
            await asyncio.sleep(0.01)
        await asyncio.to_thread(kill, self.web)
        self.kills["web"] += 1
        self.web = await asyncio.to_thread(self.house.start_web, self.port)

    async def kill_worker(self) -> None:
        await asyncio.sleep(self.plan.worker_seconds * self.rng.uniform(0.5, 1.5))
        victim = self.rng.randrange(self.plan.workers)
        if is_alive(self.workers[victim]):
            await self.crew.kill(self.workers[victim])
        self.kills["worker"] += 1
        self.workers[victim] = self._hire()

    @contextlib.asynccontextmanager
    async def killing(self) -> AsyncIterator[None]:
        """For as long as the block goes on; then there are workers that live."""
        tasks = [asyncio.create_task(self._repeat(act)) for act in (self.kill_web, self.kill_worker)]
        try:
            yield
        finally:
            self.is_over = True
            await asyncio.gather(*tasks)
        self.workers += [self.crew.start() for _ in range(self.plan.workers)]

    async def _repeat(self, act: Callable[[], Awaitable[None]]) -> None:
        while not self.is_over:
            await act()


async def run(directory: Path, plan: Plan) -> None:
    rng = make_seed()
    with House(directory, **SETTINGS, **PARKED_SECONDS).running() as house, hired(house) as crew:
        shop = Shop(rng)
        calls = make_calls(rng, shop.live(plan.events), most_copies=1, jitter=timedelta(hours=1))
        killer = await asyncio.to_thread(Killer, house, crew, plan, rng)
        async with house.database() as connection:
            async with killer.killing():
                await killer.sender.send(calls, per_second=plan.per_second)
            took = await until(lambda: is_settled(connection), plan.patience)
            print(f"killed {killer.kills}; {killer.sender.tell()}; settled {took:.1f} s later")
            await check_inbox(connection, shop, calls)
            await check_same(connection, shop)
            await check_ledger(connection)
        assert all(killer.kills.values())


@pytest.mark.timeout(180)
async def test_whoever_is_killed_every_webhook_has_its_effect_once(tmp_path: Path) -> None:
    await run(tmp_path, Plan(200, per_second=60, workers=2, web_answers=90, worker_seconds=1, patience=45))


@pytest.mark.faults
@pytest.mark.timeout(1200)
async def test_r9_two_thousand_webhooks_while_all_are_killed(tmp_path: Path) -> None:
    await run(tmp_path, Plan(2000, per_second=40, workers=3, web_answers=400, worker_seconds=1.5, patience=300))
