"""R14: schedules with three workers, of which one after another is killed with -9. Each tick has its effect once."""

import asyncio
import random
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from tests.faults.harness import House, kill, make_seed, until
from tests.faults.ticking import TABLE

WORKERS = 3
BELLS = 6
READER = "keeper@example.com"
LATEST_SECONDS = 90

# A tick is a run, a run is done, and of the marks of a run one has an end.
UNDONE = "SELECT count(*) FROM schedule_run WHERE state <> 'done'"
TICKS = "SELECT array_agg(DISTINCT due_at) FROM schedule_run r JOIN schedule s ON s.id = r.schedule WHERE s.job = $1"
MADE = "SELECT count(*) FROM schedule_run r JOIN schedule s ON s.id = r.schedule WHERE s.job = $1"
NOT_ONCE = "SELECT count(*) FROM (SELECT FROM mark GROUP BY run HAVING count(ended_at) <> 1) AS m"
MARKED = "SELECT count(DISTINCT run) FROM mark"
BEGUN_AGAIN = "SELECT count(*) FROM mark WHERE ended_at IS NULL"
# Of the beginning, and of the effect.
LATENESS = """
    SELECT ARRAY[max(extract(epoch FROM begun_at - due_at)), max(extract(epoch FROM ended_at - due_at))]::float8[]
    FROM schedule_run r JOIN (
        SELECT run, min(begun_at) AS begun_at, max(ended_at) AS ended_at FROM mark GROUP BY run
    ) AS m ON m.run = r.id
"""
OVERLAPS = """
    SELECT count(*) FROM mark a JOIN mark b ON a.run = b.run AND a.id < b.id AND b.begun_at < a.ended_at
"""
# Who began before another did, and when that was.
FORERUNNERS = """
    SELECT coalesce(array_agg((a.pid || ' ' || extract(epoch FROM b.begun_at))), '{}')
    FROM mark a JOIN mark b ON a.run = b.run AND a.id < b.id AND a.ended_at IS NULL
"""
# What check_low_stock has told of each product.
TOLD = """
    SELECT coalesce(array_agg(DISTINCT (notices, letters)::text), '{}') FROM (
        SELECT (SELECT count(*) FROM low_stock_notification n WHERE n.product = p.id) AS notices,
               (SELECT count(*) FROM mail WHERE text LIKE '%' || p.sku || '%') AS letters
        FROM product p WHERE p.low_stock_threshold IS NOT NULL) AS t
"""


class Crew:
    """Three workers; who is killed is replaced at once."""

    def __init__(self, house: House, rng: random.Random) -> None:
        self.house = house
        self.rng = rng
        self.killed: dict[int, float] = {}
        self.workers: list[subprocess.Popen[bytes]] = [self._start() for _ in range(WORKERS)]

    def _start(self) -> subprocess.Popen[bytes]:
        return self.house.start("tests.faults.ticking")

    async def kill_one(self) -> None:
        """One that is at work, when there is one."""
        busy = await self.house.ask("SELECT array_agg(DISTINCT pid) FROM mark WHERE ended_at IS NULL") or []
        at_work = [worker for worker in self.workers if isinstance(busy, list) and worker.pid in busy]
        victim = self.rng.choice(at_work or self.workers)
        self.killed[victim.pid] = time.time()
        kill(victim)
        self.workers[self.workers.index(victim)] = self._start()


async def prepare(house: House, rng: random.Random, products: int, longest: float) -> None:
    """Products with enough stock, and schedules that are due each minute."""
    await house.ask(TABLE)
    await house.ask("DELETE FROM schedule")
    for number in range(BELLS):
        seconds = rng.uniform(0.5, longest)
        await house.ask(
            """INSERT INTO schedule (name, job, cron, arguments)
               VALUES ('Bell ' || $1::int, 'leave_mark', '* * * * *', jsonb_build_object('seconds', $2::float8))""",
            *(number, seconds),
        )
    await house.ask("INSERT INTO schedule (name, job, cron) VALUES ('Low', 'check_low_stock', '* * * * *')")
    lines = "".join(f"THING-{number:03}.,Thing,1.00,50\n" for number in range(products))
    await house.order_import(f"sku,name,price,inventory_quantity\n{lines}")


async def make_low(house: House, number: int) -> None:
    """Behind the back of everything that looks at stock, but the scheduled check."""
    await house.ask("UPDATE product SET low_stock_threshold = 99 WHERE sku = $1", f"THING-{number:03}.")


async def are_loaded(house: House, products: int) -> bool:
    return await house.ask("SELECT count(*) FROM stock_level WHERE on_hand = 50") == products


async def is_quiet(house: House, runs: int) -> bool:
    return await house.ask("SELECT count(*) FROM schedule_run") >= runs and await house.ask(UNDONE) == 0


async def check(house: House, crew: Crew, ticks: set[datetime], late: float) -> None:
    """All that R14 asks for."""
    assert await house.ask(UNDONE) == 0
    for job, schedules in (("leave_mark", BELLS), ("check_low_stock", 1)):
        assert set(await house.ask(TICKS, job) or []) == ticks
        assert await house.ask(MADE, job) == len(ticks) * schedules
    assert await house.ask(MARKED) == len(ticks) * BELLS
    assert await house.ask(NOT_ONCE) == 0
    assert await house.ask(OVERLAPS) == 0
    for forerunner in cast("list[str]", await house.ask(FORERUNNERS)):
        pid, begun_at = forerunner.split()
        assert crew.killed[int(pid)] <= float(begun_at)
    assert await house.ask(TOLD) == ["(1,1)"]
    begun, ended = cast("list[float]", await house.ask(LATENESS))
    again = await house.ask(BEGUN_AGAIN)
    print(f"{len(ticks)} ticks x {BELLS + 1} schedules, {len(crew.killed)} kills, {again} marks cut short by them")
    print(f"the latest run began {begun:.1f} s after its tick, the latest effect was there after {ended:.1f} s")
    assert ended <= late
    assert len(crew.killed) > 0


async def make_tick(house: House) -> datetime:
    """All schedules are due now."""
    due = datetime.now(UTC)
    await house.ask("UPDATE schedule SET next_run_at = $1", due)
    return due


@pytest.mark.timeout(300)
async def test_each_tick_has_its_effect_once_whoever_is_killed(tmp_path: Path) -> None:
    rng, ticks, rounds = make_seed(), set(), 3
    settings = {"RUN_LEASE_SECONDS": "6", "IMPORT_LEASE_SECONDS": "2", "REPORT_RECIPIENTS": READER}
    with House(tmp_path, **settings).running() as house:
        await prepare(house, rng, rounds, longest=2)
        await house.ask("UPDATE schedule SET cron = '0 0 1 1 *'")
        crew = Crew(house, rng)
        await until(lambda: are_loaded(house, rounds), 60)
        for number in range(rounds):
            await make_low(house, number)
            ticks.add(await make_tick(house))
            await until(lambda: has_begun(house), 30)
            await asyncio.sleep(rng.uniform(0, 0.5))
            await crew.kill_one()
            await until(lambda: is_quiet(house, len(ticks) * (BELLS + 1)), 60)
        await check(house, crew, ticks, late=60)


async def has_begun(house: House) -> bool:
    return bool(await house.ask("SELECT EXISTS (SELECT FROM mark WHERE ended_at IS NULL)"))


@pytest.mark.faults
@pytest.mark.timeout(1200)
async def test_r14_one_of_three_workers_is_killed_each_minute_for_ten(tmp_path: Path) -> None:
    rng, minutes = make_seed(), 10
    settings = {"RUN_LEASE_SECONDS": "30", "IMPORT_LEASE_SECONDS": "20", "REPORT_RECIPIENTS": READER}
    with House(tmp_path, **settings).running() as house:
        await prepare(house, rng, minutes, longest=10)
        crew = Crew(house, rng)
        await until(lambda: are_loaded(house, minutes), 120)
        first = await next_minute(house)
        for number in range(minutes):
            await make_low(house, number)
            await sleep_until(first + timedelta(minutes=number, seconds=rng.uniform(0, 25)))
            await crew.kill_one()
            await sleep_until(first + timedelta(minutes=number, seconds=50))
        await house.ask("UPDATE schedule SET next_run_at = NULL, enabled = false")
        await until(lambda: is_quiet(house, minutes * (BELLS + 1)), 180)
        await check(house, crew, {first + timedelta(minutes=number) for number in range(minutes)}, LATEST_SECONDS)
        await check_alive(house)


async def next_minute(house: House) -> datetime:
    """The first tick that counts: what was made before it goes."""
    await until(lambda: has_next_time(house), 60)
    second = datetime.now(UTC).second
    await asyncio.sleep(61 - second if second > 50 else 0)
    await house.ask("DELETE FROM schedule_run")
    await house.ask("DELETE FROM mark")
    first = await house.ask("SELECT min(next_run_at) FROM schedule")
    assert isinstance(first, datetime)
    return first


async def has_next_time(house: House) -> bool:
    return bool(await house.ask("SELECT bool_and(next_run_at > now()) FROM schedule"))


async def sleep_until(moment: datetime) -> None:
    await asyncio.sleep(max(0, (moment - datetime.now(UTC)).total_seconds()))


async def check_alive(house: House) -> None:
    """Switched on again, every schedule runs within a tick."""
    runs = int(str(await house.ask("SELECT count(*) FROM schedule_run")))
    await house.ask("UPDATE schedule SET next_run_at = now(), enabled = true, cron = '0 0 1 1 *'")
    took = await until(lambda: is_quiet(house, runs + BELLS + 1), LATEST_SECONDS)
    print(f"at the end every schedule was done {took:.1f} s after its tick")
