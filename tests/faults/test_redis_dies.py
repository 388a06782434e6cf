"""R3 and R4: Redis is killed and comes back empty, or falls silent; writes go on, every webhook arrives soon after."""

import asyncio
import random
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.endpoints import check_signed, subscribe
from tests.faults.harness import House, make_seed, until
from tests.faults.market import Market
from tests.faults.proxy import proxying
from tests.faults.receiver import SETTINGS, Receiver, receiving

PRODUCTS = 25
CLERKS = 8
LATEST_SECONDS = 30
MOST_CORES = 0.2
# Before and after Redis is away, changes are made for so long.
AROUND_SECONDS = 2.0
HOOK = "ok/stock"

IDS = "SELECT coalesce(array_agg('msg_' || id), '{}') FROM event WHERE topic = 'product.updated' AND id > $1"
UNDELIVERED = "SELECT count(*) FROM webhook_delivery WHERE state <> 'delivered'"


class Watch:
    """How much of a core a worker uses from here on."""

    def __init__(self, worker: subprocess.Popen[bytes]) -> None:
        self.process = psutil.Process(worker.pid)
        self.began, self.used = time.monotonic(), self._seconds()

    def _seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def cores(self) -> float:
        return (self._seconds() - self.used) / (time.monotonic() - self.began)


class Shop:
    """A house with a worker, whose stock somebody else is told of."""

    def __init__(self, market: Market, receiver: Receiver) -> None:
        self.market = market
        self.house = market.house
        self.receiver = receiver
        self.worker = self.house.start_worker()

    async def open(self) -> None:
        """Until a first change has arrived."""
        self.products = [await self.market.make_product(f"S-{number}", 50) for number in range(PRODUCTS)]
        self.last_event = int(str(await self.house.ask("SELECT max(id) FROM event")))
        async with self.house.database() as connection:
            await subscribe(connection, self.receiver.url(HOOK), event_types=["product.updated"])
        await self.change(self.market.rng)
        await until(lambda: self.has_all(1), 60)

    async def change(self, rng: random.Random) -> None:
        body = {"product": rng.choice(self.products), "delta": 1}
        status, answer = await self.market.post("/api/stock/adjustments", body, by="ada")
        assert status == 201, answer

    async def change_often(self, times: int, seconds: float) -> None:
        """Evenly over a time, several at once."""
        began = time.monotonic()

        async def work(numbers: range) -> None:
            for number in numbers:
                await asyncio.sleep(max(0, began + seconds * number / times - time.monotonic()))
                await self.change(self.market.rng)

        await asyncio.gather(*(work(range(clerk, times, CLERKS)) for clerk in range(CLERKS)))

    async def has_all(self, changes: int) -> bool:
        return len({request.webhook_id for request in self.receiver.at(HOOK)}) >= changes

    async def check(self, changes: int) -> None:
        """Every change had its event, every event came, signed; nobody had to be started again, nobody was refused."""
        expected = await self.house.ask(IDS, self.last_event)
        arrived = self.receiver.at(HOOK)
        assert isinstance(expected, list)
        assert len(expected) == changes
        assert {request.webhook_id for request in arrived} == set(expected)
        await asyncio.to_thread(check_signed, arrived)
        await until(self.is_recorded, LATEST_SECONDS)
        assert all(process.poll() in (None, 0) for process in self.house.processes)
        await self.market.check()
        print(f"{changes} of {changes} delivered, {len(arrived) - changes} of them twice")

    async def is_recorded(self) -> bool:
        return await self.house.ask(UNDELIVERED) == 0


async def lose_redis(directory: Path, changes: int, away: float, processes: int = 1) -> None:
    """R3: killed, its data erased, and started again, while stock changes."""
    with receiving(directory) as receiver, House(directory, **SETTINGS).running() as house:
        async with Market(house, make_seed(), processes) as market:
            shop = Shop(market, receiver)
            await shop.open()
            work = asyncio.create_task(shop.change_often(changes - 1, away + 2 * AROUND_SECONDS))
            await asyncio.sleep(AROUND_SECONDS)
            house.valkey.kill()
            house.valkey.erase()
            watch = Watch(shop.worker)
            await asyncio.sleep(away)
            cores, before = watch.cores(), len(receiver.at(HOOK))
            await asyncio.to_thread(house.valkey.start)
            back = time.monotonic()
            await work
            await until(lambda: shop.has_all(changes), LATEST_SECONDS)
            print(f"{before} delivered before Redis was back, all {time.monotonic() - back:.1f} s later")
            print(f"the worker took {cores:.2f} of a core meanwhile")
            assert time.monotonic() - back <= LATEST_SECONDS
            assert cores <= MOST_CORES
            await shop.check(changes)


async def freeze_redis(directory: Path, changes: int, away: float, processes: int = 1) -> None:
    """R4: every byte to and from Redis vanishes for a time, while stock changes."""
    with (
        proxying(directory) as proxy,
        receiving(directory) as receiver,
        House(directory, REDIS_URL=proxy.url, **SETTINGS).running() as house,
    ):
        async with Market(house, make_seed(), processes) as market:
            shop = Shop(market, receiver)
            await shop.open()
            work = asyncio.create_task(shop.change_often(changes - 1, away + 2 * AROUND_SECONDS))
            await asyncio.sleep(AROUND_SECONDS)
            proxy.is_frozen = True
            watch = Watch(shop.worker)
            await asyncio.sleep(away)
            cores, before = watch.cores(), len(receiver.at(HOOK))
            proxy.is_frozen = False
            back = time.monotonic()
            await work
            await until(lambda: shop.has_all(changes), LATEST_SECONDS)
            print(f"{before} delivered before the thaw, all {time.monotonic() - back:.1f} s later")
            print(f"{proxy.lost} connections were lost; the worker took {cores:.2f} of a core meanwhile")
            assert proxy.lost > 0
            assert time.monotonic() - back <= LATEST_SECONDS
            await shop.check(changes)


@pytest.mark.timeout(300)
async def test_redis_dies_and_comes_back_empty(tmp_path: Path) -> None:
    await lose_redis(tmp_path, changes=150, away=5)


@pytest.mark.timeout(300)
async def test_redis_falls_silent(tmp_path: Path) -> None:
    await freeze_redis(tmp_path, changes=150, away=6)


@pytest.mark.faults
async def test_r3_redis_dies_under_a_thousand_changes_of_stock(tmp_path: Path) -> None:
    await lose_redis(tmp_path, changes=1000, away=10, processes=2)


@pytest.mark.faults
async def test_r4_redis_falls_silent_for_a_minute(tmp_path: Path) -> None:
    await freeze_redis(tmp_path, changes=1000, away=60, processes=2)
