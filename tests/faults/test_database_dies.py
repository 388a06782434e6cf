"""R5: PostgreSQL is killed with -9 under fifty clients that write; what was promised is there, and nobody restarts."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from tests.faults.harness import House, free_port, make_seed, until

LONGEST_RECOVERY_SECONDS = 10
PASSWORD = "correct horse battery"


async def sign_in(house: House, port: int) -> str:
    process = house.start("litestar", "create-admin", "--email", "ada@example.com", "--password", PASSWORD)
    assert await asyncio.to_thread(process.wait) == 0
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answer = await client.post("/auth/jwt/create/", json={"email": "ada@example.com", "password": PASSWORD})
        return str(answer.json()["access"])


class Writers:
    """Clients that create products until told to stop, remembering every answer."""

    def __init__(self, base_url: str, token: str) -> None:
        self.base_url = base_url
        self.headers = {"Authorization": f"Bearer {token}"}
        self.stopped = False
        self.created: list[str] = []
        self.refused: dict[str, int] = {}
        self.created_at: list[float] = []

    async def write(self, name: int) -> None:
        number = 0
        async with httpx.AsyncClient(base_url=self.base_url, headers=self.headers, timeout=30) as client:
            while not self.stopped:
                number += 1
                await self._create(client, f"W{name}-{number}")

    async def have_created(self, since: float) -> bool:
        return any(at > since for at in self.created_at)

    async def _create(self, client: httpx.AsyncClient, sku: str) -> None:
        answer = await client.post("/api/products/", json={"sku": sku, "name": "Thing", "price": "1.00", "stock": 3})
        if answer.is_success:
            self.created.append(sku)
            self.created_at.append(time.monotonic())
        else:
            self.refused[sku] = answer.status_code
            await asyncio.sleep(0.05)


async def crash_under_writers(house: House, clients: int, crashes: int) -> None:
    port = free_port()
    web = house.start_web(port)
    writers = Writers(f"http://127.0.0.1:{port}", await sign_in(house, port))
    tasks = [asyncio.create_task(writers.write(name)) for name in range(clients)]
    rng = make_seed()
    for _ in range(crashes):
        await asyncio.sleep(1 + rng.random())
        await asyncio.to_thread(house.postgres.kill)
        await asyncio.to_thread(house.postgres.start)
        back = time.monotonic()
        took = await until(lambda since=back: writers.have_created(since), LONGEST_RECOVERY_SECONDS)
        print(f"writes again {took:.2f} s after the database")
        await asyncio.sleep(2)
    writers.stopped = True
    await asyncio.gather(*tasks)
    assert web.poll() is None, "the web process must not restart"
    await check_promises(house, writers)


async def check_promises(house: House, writers: Writers) -> None:
    async with house.database() as connection:
        stored = {row["sku"] for row in await connection.fetch("SELECT sku FROM product")}
    assert set(writers.created) <= stored
    assert set(writers.refused.values()) <= {503}
    assert await house.ask("SELECT count(*) FROM stock_level WHERE on_hand <> 3") == 0
    assert await house.ask("SELECT count(*) FROM stock_level") == len(stored)
    assert await house.ask("SELECT count(*) FROM stock_movement") == len(stored)
    assert await house.ask("SELECT count(*) FROM event WHERE topic = 'product.created'") == len(stored)
    print(f"{len(writers.created)} created, {len(writers.refused)} refused, {len(stored)} stored")


@pytest.mark.timeout(120)
async def test_the_database_dies_under_writers(tmp_path: Path) -> None:
    with House(tmp_path).running() as house:
        await crash_under_writers(house, clients=10, crashes=1)


@pytest.mark.faults
async def test_r5_the_database_dies_again_and_again_under_fifty_clients(tmp_path: Path) -> None:
    with House(tmp_path).running() as house:
        await crash_under_writers(house, clients=50, crashes=5)
