"""R6: crashes between the commit and the telling, and between the receiver's 200 and its record."""

import asyncio
import random
import subprocess
import time
from pathlib import Path

import aiohttp
import pytest

from tests.faults.crew import Crew, hired, is_alive
from tests.faults.delivering import DELIVERY_POINTS
from tests.faults.endpoints import Connection, announce, check_told, is_all_delivered, subscribe
from tests.faults.harness import House, free_port, make_seed, until
from tests.faults.market import PASSWORD
from tests.faults.receiver import SETTINGS, receiving

PATHS = ("/ok/first", "/slow/0.02/second", "/ok/third")
LONGEST_STUCK_SECONDS = 60
LONGEST_LIFE_SECONDS = 60


async def crash(crew: Crew, connection: Connection, rng: random.Random, point: str) -> int:
    """A worker that dies at the point while it is at work on fresh events; how many those were."""
    worker = crew.start(point, passes=rng.randrange(3))
    events, began = 0, time.monotonic()
    while is_alive(worker):
        assert time.monotonic() - began < LONGEST_LIFE_SECONDS, f"nobody came by {point}"
        events += len(await announce(connection, rng.randrange(1, 4)))
        await asyncio.sleep(0.1)
    print(f"{point}: died after {time.monotonic() - began:.1f} s and {events} events")
    return events


async def crash_often(directory: Path, points: list[str], lease_seconds: float) -> None:
    """However often workers died, the next one ends what they began, and nothing stays behind."""
    rng = make_seed()
    lease = {"WEBHOOK_LEASE_SECONDS": str(lease_seconds)}
    with (
        House(directory, **SETTINGS, **lease).running() as house,
        receiving(directory) as receiver,
        hired(house) as crew,
    ):
        async with house.database() as connection:
            for path in PATHS:
                await subscribe(connection, receiver.url(path))
            events = sum([await crash(crew, connection, rng, point) for point in points])
            before = receiver.counted()
            crew.start()
            took = await until(lambda: is_all_delivered(connection), LONGEST_STUCK_SECONDS)
            again = await check_told(connection, receiver, events * len(PATHS))
            print(f"{len(points)} crashes, {events} events, {again} came again, the last {took:.1f} s after them")
            assert max(receiver.counted().values()) <= 1 + len(points)
            assert before.total() > 0
            assert (again > 0) or "answered" not in points


@pytest.mark.timeout(180)
async def test_a_worker_may_die_anywhere_between_the_commit_and_the_record(tmp_path: Path) -> None:
    await crash_often(tmp_path, list(DELIVERY_POINTS), lease_seconds=8)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("point", DELIVERY_POINTS)
async def test_r6_a_hundred_crashes_at_each_point(tmp_path: Path, point: str) -> None:
    await crash_often(tmp_path, [point] * 100, lease_seconds=45)


async def die_behind_the_commit(house: House, number: int) -> None:
    """The web process is gone before it could answer, or ring for anybody."""
    port = free_port()
    web: subprocess.Popen[bytes] = await asyncio.to_thread(house.start_web, port, "tests.faults.dying:app")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.post("/auth/jwt/create/", json={"username": "ada", "password": PASSWORD}) as answer:
            token = (await answer.json())["access"]
        headers = {"Authorization": f"Bearer {token}", "Die": "before-answer"}
        body = {"sku": f"DIE-{number}", "name": "Thing", "price": "3.00"}
        with pytest.raises(aiohttp.ClientError):
            await session.post("/api/products/", json=body, headers=headers)
    await asyncio.to_thread(web.wait)


async def die_often_behind_the_commit(directory: Path, crashes: int) -> None:
    account = ("--email", "ada@example.com", "--username", "ada", "--password", PASSWORD)
    with House(directory, **SETTINGS).running() as house, receiving(directory) as receiver, hired(house) as crew:
        assert await asyncio.to_thread(house.start("litestar", "create-admin", *account).wait) == 0
        async with house.database() as connection:
            await subscribe(connection, receiver.url("ok"), event_types=["product.created"])
            crew.start()
            for number in range(crashes):
                await die_behind_the_commit(house, number)
            await until(lambda: is_all_delivered(connection), LONGEST_STUCK_SECONDS)
            assert await check_told(connection, receiver, crashes) == 0


@pytest.mark.timeout(180)
async def test_what_was_committed_is_told_though_nobody_was_answered(tmp_path: Path) -> None:
    await die_often_behind_the_commit(tmp_path, 1)


@pytest.mark.faults
@pytest.mark.timeout(1800)
async def test_r6_a_hundred_crashes_behind_the_commit(tmp_path: Path) -> None:
    await die_often_behind_the_commit(tmp_path, 100)
