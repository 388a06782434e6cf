"""Imports, orders, purchases and corrections of the same products at once: nobody meets a deadlock, every law holds."""

import asyncio
import random
from collections import Counter

import httpx
import pytest

from domains.catalog.proof import find_differences
from domains.imports import work
from piccolo_conf import fetch, fetch_value
from tests.catalog.making import make_product
from tests.imports.uploads import import_csv, make_csv
from tests.inventory.laws import broken_laws

PRODUCTS = 40
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


class Crowd:
    """People who write the same products in any order, each until told to stop."""

    def __init__(self, admin: httpx.AsyncClient, products: list[int]) -> None:
        self.admin = admin
        self.products = products
        self.rng = random.Random(11)
        self.answers: Counter[tuple[str, int]] = Counter()
        self.ended = asyncio.Event()

    async def post(self, path: str, body: object) -> httpx.Response:
        answer = await self.admin.post(path, json=body)
        assert answer.status_code < 500, answer.text
        self.answers[path.split("/")[2], answer.status_code] += 1
        return answer

    def some(self) -> list[int]:
        return self.rng.sample(self.products, self.rng.randint(1, 6))

    async def order(self) -> None:
        while not self.ended.is_set():
            lines = [{"product": product, "quantity": self.rng.randint(1, 3)} for product in self.some()]
            placed = await self.post("/api/sales-orders/", {"lines": lines})
            if placed.status_code == 201 and self.rng.random() < 0.5:
                await self.post(f"/api/sales-orders/{placed.json()['id']}/cancellation", None)

    async def buy(self) -> None:
        while not self.ended.is_set():
            lines = [{"product": product, "quantity": 1} for product in self.some()]
            await self.post("/api/purchase-orders/", {"supplier_name": "Smith", "lines": lines})

    async def correct(self) -> None:
        while not self.ended.is_set():
            lines = [{"product": product, "delta": self.rng.choice([-1, 2])} for product in self.some()]
            await self.post("/api/stock/adjustments/", {"lines": lines})

    async def reprice(self) -> None:
        while not self.ended.is_set():
            body = {"price": f"{self.rng.randint(1, 9)}.00", "low_stock_threshold": self.rng.randint(0, 30)}
            answer = await self.admin.patch(f"/api/products/{self.rng.choice(self.products)}/", json=body)
            assert answer.status_code < 500, answer.text


async def import_some(admin: httpx.AsyncClient, crowd: Crowd, times: int) -> None:
    """Each file has every product, in another order and with other quantities."""
    try:
        for _ in range(times):
            rows = [(f"P-{number}", f"Thing {number}", crowd.rng.randint(0, 30)) for number in range(PRODUCTS)]
            crowd.rng.shuffle(rows)
            job = await import_csv(admin, make_csv(*rows, header="sku,name,inventory_quantity"))
            assert (job["status"], job["error_count"]) == ("completed", 0)
    finally:
        crowd.ended.set()


async def test_imports_and_orders_side_by_side_keep_every_law(
    admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "CHUNK_ROWS", 7)
    made = [await make_product(admin, f"P-{number}", inventory_quantity=15) for number in range(PRODUCTS)]
    crowd = Crowd(admin, [product["id"] for product in made])
    people = [crowd.order(), crowd.order(), crowd.order(), crowd.buy(), crowd.correct(), crowd.reprice()]
    await asyncio.gather(import_some(admin, crowd, times=6), *people)
    print(crowd.answers, await fetch_value(DEADLOCKS), "deadlocks")
    assert crowd.answers["sales-orders", 201] > 0
    assert await broken_laws(fetch) == []
    assert await find_differences() == []
