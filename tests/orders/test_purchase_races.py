"""Receipts, cancellations and reversals at once: nothing comes twice or goes back twice, and nobody waits in a ring."""

import asyncio
from typing import Any

import httpx
import pytest

from domains.catalog.proof import find_differences
from domains.catalog.stock import Move, move_stock
from domains.catalog.tables import Reason
from lib.errors import AppError
from piccolo_conf import fetch, fetch_value
from tests.catalog.making import make_product
from tests.orders.buying import PATH, buy, cancel, fields, parts, receive, reverse, stock_of

# What the lines have received is what the receipts that stand have brought.
RECEIVED_DIFFERENTLY = """
    SELECT l.id FROM purchase_order_line l
    LEFT JOIN receipt_line c ON c.order_line = l.id LEFT JOIN receipt r ON r.id = c.receipt AND r.reversed_at IS NULL
    GROUP BY l.id HAVING l.received_quantity <> coalesce(sum(c.quantity) FILTER (WHERE r.id IS NOT NULL), 0)
"""


@pytest.fixture(autouse=True)
async def laws(database: None):
    yield
    assert await find_differences() == []
    assert await fetch(RECEIVED_DIFFERENTLY) == []


async def both(*asked: Any) -> list[int]:
    """Status codes of requests made at once, the lowest first."""
    return sorted(answer.status_code for answer in await asyncio.gather(*asked))


async def shown(client: httpx.AsyncClient, purchase: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"{PATH}/{purchase['id']}")).json()
    return found


async def test_the_same_rest_comes_once(staff: httpx.AsyncClient):
    await make_product(staff, "A")
    purchases = [await buy(staff, product="sku:A", quantity=5) for _ in range(5)]
    for purchase in purchases:
        assert await both(*(receive(staff, purchase) for _ in range(3))) == [201, 409, 409]
    assert await stock_of("A") == 25


async def test_parts_at_once_never_exceed_what_was_ordered(staff: httpx.AsyncClient):
    await make_product(staff, "A")
    purchase = await buy(staff, product="sku:A", quantity=10)
    lines = [{"product": "sku:A", "quantity": 3}]
    answers = await asyncio.gather(*(receive(staff, purchase, lines=lines) for _ in range(6)))
    refused = [fields(answer) for answer in answers if answer.status_code != 201]
    assert refused == [{"lines[0].quantity": "is more than the 1 that are outstanding"}] * 3
    assert (await stock_of("A"), parts(await shown(staff, purchase))) == (9, [(9, 0, 1)])


async def test_a_receipt_against_a_cancellation(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    await make_product(staff, "A")
    for _ in range(8):
        before = await stock_of("A")
        purchase = await buy(staff, product="sku:A", quantity=5)
        received, cancelled = await asyncio.gather(receive(staff, purchase), cancel(admin, purchase))
        assert (received.status_code, cancelled.status_code) in {(201, 409), (409, 200)}
        left = (5, 0, 0) if received.status_code == 201 else (0, 5, 0)
        assert parts(await shown(staff, purchase)) == [left]
        assert await stock_of("A") == before + left[0]


async def test_a_receipt_goes_back_once(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    await make_product(staff, "A", inventory_quantity=50)
    for number in range(1, 6):
        purchase = await buy(staff, product="sku:A", quantity=5, receive=True)
        assert await both(*(reverse(admin, purchase, number) for _ in range(3))) == [200, 409, 409]
    assert await stock_of("A") == 50


async def test_what_goes_back_is_not_sold_as_well(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    product = await make_product(staff, "A")
    for number in range(1, 6):
        purchase = await buy(staff, product="sku:A", quantity=5, receive=True)
        sold = move_stock([Move(product["id"], -3)], reason=Reason.SALE)
        results = await asyncio.gather(reverse(admin, purchase, number), sold, return_exceptions=True)
        was_sold = not isinstance(results[1], AppError)
        assert results[0].status_code == (409 if was_sold else 200)  # type: ignore[union-attr]
        assert await stock_of("A") == (2 if was_sold else 0)
        await move_stock([Move(product["id"], -await stock_of("A"))], reason=Reason.ADJUSTMENT)


async def test_orders_of_the_same_products_in_any_order_do_not_deadlock(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient
):
    skus = ["A", "B", "C", "D", "E"]
    for sku in skus:
        await make_product(staff, sku)
    asked = []
    for turn in range(10):
        lines = [{"product": f"sku:{sku}", "quantity": 1} for sku in skus[turn % 5 :] + skus[: turn % 5]]
        purchase = await buy(staff, lines=lines[:: -1 if turn % 2 else 1])
        asked += [receive(staff, purchase), receive(staff, purchase, lines=lines[:2]), cancel(admin, purchase)]
        body = {"supplier_name": "Acme", "lines": lines}
        asked += [staff.post(PATH, json=body)]
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} <= {200, 201, 400, 409}
    assert await fetch_value("SELECT count(*) FROM purchase_order WHERE status = 'ordered'") == 0


async def test_products_that_are_deleted_meanwhile_do_no_harm(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    for turn in range(6):
        skus = [f"{turn}-{letter}" for letter in "ABC"]
        products = [await make_product(staff, sku) for sku in skus]
        purchase = await buy(staff, lines=[{"product": f"sku:{sku}", "quantity": 2} for sku in reversed(skus)])
        ids = [product["id"] for product in products[:2]]
        gone = admin.request("DELETE", "/api/products/bulk-delete", json={"ids": ids, "confirm": "DELETE"})
        codes = await both(receive(staff, purchase), gone, cancel(admin, purchase))
        assert set(codes) <= {200, 201, 409}
        assert sum(part[2] for part in parts(await shown(staff, purchase))) == 0


async def test_one_key_from_many_clients_receives_once(staff: httpx.AsyncClient):
    await make_product(staff, "A")
    purchase = await buy(staff, product="sku:A", quantity=10)
    body = {"lines": [{"product": "sku:A", "quantity": 2}]}
    key = {"Idempotency-Key": "truck-7"}
    path = f"{PATH}/{purchase['id']}/receipt"
    answers = await asyncio.gather(*(staff.post(path, json=body, headers=key) for _ in range(20)))
    answers.append(await staff.post(path, json=body, headers=key))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert await stock_of("A") == 2
