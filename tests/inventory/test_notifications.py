"""Low-stock notifications over HTTP: listed, read and put away by administrators."""

from typing import Any

import httpx
import pytest

from domains.catalog.low_stock import review_all
from domains.catalog.proof import find_differences
from piccolo_conf import fetch_value
from tests.catalog.making import make_product

PATH = "/api/notifications/"


@pytest.fixture
async def mug(admin: httpx.AsyncClient) -> dict[str, Any]:
    """Two mugs are left, and a notification tells of it."""
    return await make_product(admin, "MUG", inventory_quantity=2)


async def restock(client: httpx.AsyncClient, product: dict[str, Any], quantity: int = 50) -> None:
    answer = await client.patch(f"/api/products/{product['id']}", json={"inventory_quantity": quantity})
    assert answer.status_code == 200, answer.text


async def listed(client: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await client.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


async def test_an_administrator_sees_what_is_low_then_and_now(admin: httpx.AsyncClient, mug: dict[str, Any]):
    await restock(admin, mug, 1)
    (one,) = await listed(admin)
    assert one["message"] == "Stock for product Product MUG is below 5. Current stock: 2."
    assert (one["product"], one["sku"], one["name"]) == (mug["id"], "MUG", "Product MUG")
    assert (one["stock"], one["current_stock"], one["threshold"]) == (2, 1, 5)
    assert (one["is_read"], one["is_resolved"], one["mailed_at"]) == (False, False, None)
    assert (await admin.get(f"{PATH}{one['id']}")).json() == one


async def test_staff_customers_and_strangers_do_not(
    mug: dict[str, Any], staff: httpx.AsyncClient, customer: httpx.AsyncClient, client: httpx.AsyncClient
):
    for caller, expected in ((staff, 403), (customer, 403), (client, 401)):
        for method, path in (("GET", PATH), ("GET", f"{PATH}1"), ("DELETE", f"{PATH}1"), ("PATCH", f"{PATH}1")):
            body = {"is_read": True} if method == "PATCH" else None
            assert (await caller.request(method, path, json=body)).status_code == expected
    assert await fetch_value("SELECT count(*) FROM low_stock_notification WHERE read_at IS NULL") == 1


async def test_reading_is_marked_with_the_first_time_and_can_be_taken_back(
    admin: httpx.AsyncClient, mug: dict[str, Any]
):
    first = (await admin.patch(f"{PATH}1", json={"is_read": True})).json()
    again = (await admin.patch(f"{PATH}1", json={"is_read": True})).json()
    assert first["is_read"]
    assert first["read_at"] == again["read_at"] is not None
    assert [one["id"] for one in await listed(admin, is_read="true")] == [1]
    assert (await admin.patch(f"{PATH}1", json={"is_read": False})).json()["read_at"] is None
    assert await listed(admin, is_read="true") == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["B", "A", "MUG"]),
        ({"is_resolved": "false"}, ["B", "MUG"]),
        ({"is_resolved": "true"}, ["A"]),
        ({"sku": "mug"}, ["MUG"]),
        ({"product": "2"}, ["A"]),
        ({"created_at__lte": "2001-01-01"}, []),
        ({"created_at__gte": "2001-01-01", "ordering": "created_at"}, ["MUG", "A", "B"]),
        ({"ordering": "current_stock"}, ["B", "MUG", "A"]),
    ],
)
async def test_the_list_is_filtered_and_sorted(
    admin: httpx.AsyncClient, mug: dict[str, Any], query: dict[str, str], expected: list[str]
):
    restocked = await make_product(admin, "A", inventory_quantity=3)
    await make_product(admin, "B", inventory_quantity=1)
    await restock(admin, restocked)
    assert [one["sku"] for one in await listed(admin, **query)] == expected


@pytest.mark.parametrize("order", ["created_at", "-current_stock", "id"])
async def test_a_cursor_walks_the_whole_list(admin: httpx.AsyncClient, order: str):
    for number in range(5):
        await make_product(admin, f"P{number}", inventory_quantity=1 + number % 2)
    whole = [one["id"] for one in await listed(admin, ordering=order)]
    walked, url = [], f"{PATH}?ordering={order}&page_size=2&after="
    while url:
        page = (await admin.get(url)).json()
        walked += [one["id"] for one in page["results"]]
        url = page["next"]
    assert walked == whole
    assert len(whole) == 5


async def test_an_open_one_that_is_deleted_is_hidden_and_stays_away_until_a_restock(
    admin: httpx.AsyncClient, mug: dict[str, Any]
):
    assert (await admin.delete(f"{PATH}1")).status_code == 204
    assert await listed(admin) == []
    assert [(await admin.get(f"{PATH}1")).status_code, (await admin.delete(f"{PATH}1")).status_code] == [404, 404]
    assert (await admin.patch(f"{PATH}1", json={"is_read": True})).status_code == 404
    await restock(admin, mug, 1)
    assert (await review_all(), await listed(admin)) == (0, [])
    await restock(admin, mug, 50)
    await restock(admin, mug, 4)
    assert [one["id"] for one in await listed(admin)] == [2]
    assert await find_differences() == []


async def test_a_resolved_one_that_is_deleted_is_gone(admin: httpx.AsyncClient, mug: dict[str, Any]):
    await restock(admin, mug)
    assert (await admin.delete(f"{PATH}1")).status_code == 204
    assert await fetch_value("SELECT count(*) FROM low_stock_notification") == 0
    assert (await admin.delete(f"{PATH}1")).status_code == 404


async def test_notifications_go_with_their_product(admin: httpx.AsyncClient, mug: dict[str, Any]):
    assert (await admin.delete(f"/api/products/{mug['id']}")).status_code == 204
    assert await listed(admin) == []


@pytest.mark.parametrize("identifier", ["987654", "2147483648", str(2**70)])
async def test_what_is_not_there_is_not_found(admin: httpx.AsyncClient, identifier: str):
    assert (await admin.get(f"{PATH}{identifier}")).status_code in {400, 404}
    assert (await admin.delete(f"{PATH}{identifier}")).status_code in {400, 404}


@pytest.mark.parametrize("body", [{}, {"is_read": "yes"}, {"is_read": None}, {"is_read": True, "stock": 9}])
async def test_a_wrong_change_is_refused(admin: httpx.AsyncClient, mug: dict[str, Any], body: dict[str, Any]):
    answer = await admin.patch(f"{PATH}1", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize("query", ["is_read=maybe", "product=x", "created_at__gte=soon", "ordering=name", "colour=1"])
async def test_a_wrong_question_is_refused(admin: httpx.AsyncClient, query: str):
    assert (await admin.get(f"{PATH}?{query}")).status_code == 400
