"""Numbers are kept for seconds, and whoever changes something sees it at once."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from domains.reports import services
from domains.reports.periods import SECONDS
from lib import cache
from lib.redis_client import line
from piccolo_conf import execute
from tests.catalog.making import make_product
from tests.imports.uploads import make_csv, upload
from tests.orders.placing import place
from tests.reports.making import make_import, make_sale, stats
from tests.statements import statements

PARTS = {"products", "products:value", "orders", "imports", "webhooks"}


async def kept() -> set[str]:
    """The keys that are in Redis now."""
    found = [name.decode() async for name in line.client.scan_iter(f"{cache.PREFIX}value:*")]
    return {name.removeprefix(f"{cache.PREFIX}value:") for name in found}


async def test_each_part_is_kept_for_some_seconds_under_its_own_key(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, float] = {}
    real = cache.recall

    async def recall(key: str, type_: type[Any], seconds: float, compute: Callable[[], Awaitable[Any]]) -> Any:
        asked[key] = seconds
        return await real(key, type_, seconds, compute)

    monkeypatch.setattr(cache, "recall", recall)
    await stats(staff)
    assert await kept() == PARTS
    assert asked == dict.fromkeys(PARTS, SECONDS)


async def test_what_is_kept_is_not_counted_again(staff: httpx.AsyncClient) -> None:
    first = await stats(staff)
    await make_sale()
    await make_import()
    async with statements() as asked:
        numbers = await services.gather_numbers()
    assert (await stats(staff), asked) == (first, [])
    assert numbers.imports.recent == 0


async def test_without_redis_the_numbers_are_true(staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "ask_again_at", float("inf"))
    await make_product(staff)
    assert (await stats(staff))["total_products"] == 1
    await make_product(staff, "A-2")
    assert (await stats(staff))["total_products"] == 2
    await execute("DELETE FROM product")
    assert (await stats(staff))["total_products"] == 2


async def create(client: httpx.AsyncClient) -> None:
    await make_product(client, "B-1", price="1.00", stock=1)


async def create_many(client: httpx.AsyncClient) -> None:
    await client.post("/api/products/bulk/", json=[{"sku": "B-1", "name": "Bellows", "price": "1.00", "stock": 1}])


async def delete(client: httpx.AsyncClient) -> None:
    assert (await client.delete("/api/products/sku:A-1/")).status_code == 204


async def delete_many(client: httpx.AsyncClient) -> None:
    answer = await client.request("DELETE", "/api/products/bulk-delete/", json={"all": True, "confirm": "DELETE"})
    assert answer.status_code == 200


async def switch_off(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/products/bulk-update/", json={"all": True, "set": {"is_active": False}})
    assert answer.status_code == 200


async def order(client: httpx.AsyncClient) -> None:
    await place(client, (1, 1))


async def order_with_key(client: httpx.AsyncClient) -> None:
    body = {"product": 1, "quantity": 1}
    answer = await client.post("/api/sales-orders/", json=body, headers={"Idempotency-Key": "once"})
    assert answer.status_code == 201


async def send_file(client: httpx.AsyncClient) -> None:
    assert (await upload(client, make_csv(["C", "Coal", "1.00", 1]))).status_code == 202


async def make_webhook(client: httpx.AsyncClient) -> None:
    wanted = {"url": "https://example.com/hook", "event_types": ["*"]}
    assert (await client.post("/api/webhooks/", json=wanted)).status_code == 201


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (create, {"total_products": 2, "inventory_value": "16.00"}),
        (create_many, {"total_products": 2, "inventory_value": "16.00"}),
        (delete, {"total_products": 0, "inventory_value": "0.00"}),
        (delete_many, {"total_products": 0, "inventory_value": "0.00"}),
        (switch_off, {"total_products": 1, "active_products": 0}),
        (order, {"orders_today": 1, "revenue_today": {"USD": "3.00"}}),
        (order_with_key, {"orders_today": 1, "revenue_today": {"USD": "3.00"}}),
        (send_file, {"recent_imports": 1}),
        (make_webhook, {"configured_webhooks": 1}),
    ],
)
async def test_whoever_changes_something_sees_it_at_once(
    admin: httpx.AsyncClient, act: Callable[[httpx.AsyncClient], Awaitable[None]], expected: dict[str, Any]
) -> None:
    await execute("ALTER SEQUENCE product_id_seq RESTART")
    await make_product(admin, price="3.00", stock=5)
    before = await stats(admin)
    assert {name: before[name] for name in expected} != expected
    await act(admin)
    found = await stats(admin)
    assert {name: found[name] for name in expected} == expected


async def test_a_cancelled_order_and_a_stopped_import_are_seen_at_once(admin: httpx.AsyncClient) -> None:
    product = await make_product(admin, price="3.00", stock=5)
    placed = await place(admin, (product["id"], 1))
    job_id = (await upload(admin, make_csv(["C", "Coal", "1.00", 1]))).json()["job_id"]
    assert (await stats(admin))["orders_today"] == 1
    await admin.post(f"/api/sales-orders/{placed['id']}/cancellation")
    await admin.post(f"/api/jobs/{job_id}/cancellation")
    assert (await stats(admin))["orders_today"] == 0
    assert (await services.gather_numbers()).imports.latest[0].status == "cancelled"
    await admin.post(f"/api/jobs/{job_id}/retry")
    assert (await services.gather_numbers()).imports.latest[0].status == "pending"
