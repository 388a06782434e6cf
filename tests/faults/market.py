"""A shop with several web processes, a customer who buys and an administrator who cancels."""

import asyncio
import itertools
import random
from collections import Counter
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from tests.faults.harness import House, free_port
from tests.inventory.laws import broken_laws

PASSWORD = "correct horse battery"
# A request that nobody answers within this time has hung.
PATIENCE = aiohttp.ClientTimeout(total=60)
Json = dict[str, Any]

# With the administrator's password, so that nothing has to be hashed here.
MAKE_CUSTOMER = """
    INSERT INTO users (username, email, password, role, admin, superuser, active, email_verified_at, created_at)
    SELECT 'carla', 'carla@example.com', password, 'customer', false, false, true, now(), now()
    FROM users WHERE username = 'ada' RETURNING id
"""


class Market:
    """Open inside a running house; every request goes to the next web process in turn."""

    def __init__(self, house: House, rng: random.Random, processes: int) -> None:
        self.house = house
        self.rng = rng
        self.ports = [free_port() for _ in range(processes)]
        self.turn = itertools.cycle(self.ports)
        self.tokens: dict[str, str] = {}
        self.statuses: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        for port in self.ports:
            await asyncio.to_thread(self.house.start_web, port)
        account = ("--email", "ada@example.com", "--username", "ada", "--password", PASSWORD)
        assert await asyncio.to_thread(self.house.start("litestar", "create-admin", *account).wait) == 0
        await self.house.ask(MAKE_CUSTOMER)
        self.session = aiohttp.ClientSession(timeout=PATIENCE, connector=aiohttp.TCPConnector(limit=0))
        for name in ("ada", "carla"):
            _, answer = await self.post("/auth/jwt/create/", {"username": name, "password": PASSWORD})
            self.tokens[name] = answer["access"]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def post(self, path: str, body: object, *, by: str = "", key: str = "") -> tuple[int, Json]:
        """Status and answer; every status is counted, by the first two words of the path."""
        headers = {"Authorization": f"Bearer {self.tokens[by]}"} if by else {}
        headers |= {"Idempotency-Key": key} if key else {}
        url = f"http://127.0.0.1:{next(self.turn)}{path}"
        async with self.session.post(url, json=body, headers=headers) as answer:
            self.statuses[f"{urlsplit(path).path.rstrip('/').rpartition('/')[2]} {answer.status}"] += 1
            return answer.status, await answer.json()

    async def make_product(self, sku: str, quantity: int) -> int:
        body = {"sku": sku, "name": sku, "price": "3.00", "inventory_quantity": quantity}
        status, product = await self.post("/api/products/", body, by="ada")
        assert status == 201, product
        return int(product["id"])

    async def order(self, *products: int, key: str = "") -> tuple[int, Json]:
        lines = [{"product": product, "quantity": 1} for product in products]
        return await self.post("/api/sales-orders/", {"lines": lines}, by="carla", key=key)

    async def cancel(self, order_id: int) -> int:
        return (await self.post(f"/api/sales-orders/{order_id}/cancellation", None, by="ada"))[0]

    async def check(self) -> None:
        """Every law holds, and PostgreSQL has never had to break a deadlock."""
        async with self.house.database() as connection:
            assert await broken_laws(connection.fetch) == []
        deadlocks = await self.house.ask("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert deadlocks == 0
        assert not any(status.rpartition(" ")[2].startswith("5") for status in self.statuses)
        print(dict(self.statuses))
