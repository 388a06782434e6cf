"""What clients meet on the way to orders and stock: ids that cannot be, keys of few scopes, words of refusals."""

import httpx
import pytest

from domains.catalog.proof import find_differences
from lib.integers import LARGEST_INTEGER
from piccolo_conf import fetch_value
from tests.catalog.making import make_product
from tests.conftest import make_client
from tests.inventory.shelves import TRANSFER, adjust, make_location
from tests.orders.buying import PATH, buy
from tests.orders.placing import ORDERS, place

WITH_IDS = [
    ("GET", "/api/sales-orders/{}"),
    ("POST", "/api/sales-orders/{}/cancellation"),
    ("GET", "/api/sales-orders/{}/delivery"),
    ("POST", "/api/sales-orders/{}/delivery"),
    ("PATCH", "/api/sales-orders/{}/delivery"),
    ("GET", "/api/purchase-orders/{}"),
    ("POST", "/api/purchase-orders/{}/receipt"),
    ("POST", "/api/purchase-orders/{}/cancellation"),
    ("POST", "/api/purchase-orders/{}/receipts/1/reversal"),
    ("POST", "/api/purchase-orders/1/receipts/{}/reversal"),
    ("GET", "/api/locations/{}"),
    ("PATCH", "/api/locations/{}"),
    ("DELETE", "/api/locations/{}"),
    ("GET", "/api/notifications/{}"),
    ("PATCH", "/api/notifications/{}"),
    ("DELETE", "/api/notifications/{}"),
    ("GET", "/api/schedules/{}"),
    ("PATCH", "/api/schedules/{}"),
    ("DELETE", "/api/schedules/{}"),
    ("POST", "/api/schedules/{}/run"),
    ("GET", "/api/schedules/{}/runs"),
    ("GET", "/auth/users/{}"),
    ("GET", "/api/customers/{}"),
]


async def make_key(owner: httpx.AsyncClient, *scopes: str) -> httpx.AsyncClient:
    made = await owner.post("/auth/api-keys/", json={"name": "till", "scopes": list(scopes)})
    assert made.status_code == 201, made.text
    return make_client(Authorization=f"Bearer {made.json()['secret']}")


@pytest.mark.parametrize("key", [-1, 0, LARGEST_INTEGER, LARGEST_INTEGER + 1, 2**40, 2**63, 10**30])
async def test_an_id_that_nothing_has_is_a_404_however_large(admin, key):
    for method, path in WITH_IDS:
        body = {"is_read": True} if "notifications" in path else {}
        asked = {} if method in {"GET", "DELETE"} else {"json": body}
        answer = await admin.request(method, path.format(key), **asked)
        assert answer.status_code == 404, (method, path, answer.text)


async def test_a_key_that_reads_all_orders_needs_no_scope_for_its_own(admin, staff, customer):
    await make_product(admin, "A-1", inventory_quantity=5)
    order = await place(customer, ("sku:A-1", 1))
    async with await make_key(staff, "orders:read") as reader:
        answers = [await reader.get(url) for url in (ORDERS, f"{ORDERS}{order['id']}", "/api/deliveries/")]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert answers[0].json()["results"] == [answers[1].json()] == [order]
        refused = await reader.post(ORDERS, json={"product": "sku:A-1", "quantity": 1})
        assert (refused.status_code, await find_differences()) == (403, [])


async def test_a_key_that_writes_orders_places_and_delivers_them(admin, staff, customer):
    await make_product(admin, "A-1", inventory_quantity=5)
    url = f"{ORDERS}{(await place(customer, ('sku:A-1', 1)))['id']}"
    async with await make_key(staff, "orders:write") as till:
        await place(till, ("sku:A-1", 1))
        made = await till.post(f"{url}/delivery", json={})
        shipped = await till.patch(f"{url}/delivery", json={"status": "shipped", "carrier": "DHL"})
        assert (made.status_code, shipped.status_code, shipped.json()["status"]) == (201, 200, "shipped")
        assert ((await till.get(url)).status_code, await find_differences()) == (403, [])


async def test_a_key_of_ones_own_orders_gets_no_others(admin, staff, customer):
    await make_product(admin, "A-1", inventory_quantity=5)
    url = f"{ORDERS}{(await place(customer, ('sku:A-1', 1)))['id']}"
    async with await make_key(staff, "orders:own") as own:
        assert [(await own.get(path)).status_code for path in (url, f"{url}/delivery")] == [404, 404]
        assert ((await own.get(ORDERS)).json()["count"], (await own.post(f"{url}/delivery", json={})).status_code) == (
            0,
            403,
        )


async def test_what_is_short_names_a_location_only_where_one_was_named(admin, customer):
    shop = await make_location(admin)
    product = await make_product(admin, "A-1", inventory_quantity=2)
    short = {"product_id": product["id"], "sku": "A-1"}
    body = {"product": product["id"], "quantity": 3}
    refused = await customer.post(ORDERS, json=body)
    assert refused.json()["items"] == [short | {"wanted": 3, "available": 2}]
    refused = await admin.post(TRANSFER, json=body | {"from_location": shop, "to_location": "main"})
    assert refused.json()["items"] == [short | {"location_id": shop, "location": "shop", "wanted": 3, "available": 0}]


async def test_there_is_a_limit_to_stock_at_all_locations_together(admin, customer):
    await make_location(admin)
    product = await make_product(admin, "A-1", inventory_quantity=LARGEST_INTEGER)
    order = await place(customer, (product["id"], 1))
    await adjust(admin, product["id"], delta=1, location="shop")
    refused = [
        await adjust(admin, product["id"], status=409, delta=1, location="shop"),
        (await admin.post(f"{ORDERS}{order['id']}/cancellation")).json(),
        (await admin.post(f"{PATH}/", json={"supplier_name": "A", "product": "sku:A-1", "quantity": 1})).json(),
    ]
    assert [(answer["status"], answer["code"]) for answer in refused] == [(409, "too_much_stock")] * 3
    assert ((await admin.get(f"{ORDERS}{order['id']}")).json()["status"], await find_differences()) == ("placed", [])


async def test_the_note_of_a_cancelled_purchase_is_kept_and_anything_else_is_refused(admin, staff):
    await make_product(admin, "A-1")
    url = f"{PATH}/{(await buy(staff, product='sku:A-1', quantity=1))['id']}/cancellation"
    refused = await admin.post(url, json={"note": "too late", "reason": "x"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "reason")
    assert (await admin.post(url, content=b"{{")).status_code == 400
    assert (await admin.post(url, json={"note": "too late"})).status_code == 200
    assert await fetch_value("SELECT data->>'note' FROM event WHERE topic = 'purchase.cancelled'") == "too late"


@pytest.mark.parametrize("path", ["/api/sales-orders/1/cancellation", "/api/purchase-orders/1/cancellation"])
async def test_under_a_key_no_body_is_the_same_as_an_empty_one(admin, customer, path):
    await make_product(admin, "A-1", inventory_quantity=5)
    await place(customer, ("sku:A-1", 1))
    await buy(admin, product="sku:A-1", quantity=1)
    headers = {"Idempotency-Key": "once"}
    answers = [await admin.post(path, headers=headers), await admin.post(path, headers=headers, json={})]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


async def test_a_bad_idempotency_key_is_named(customer):
    headers = {"Idempotency-Key": "x" * 256}
    refused = await customer.post(ORDERS, json={"product": 1, "quantity": 1}, headers=headers)
    assert [error["field"] for error in refused.json()["errors"]] == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        ({"shipped_at": "2020-01-01T00:00:00Z"}, "belongs to a delivery that is shipped, and this one is pending"),
        ({"delivered_at": "2020-01-01T00:00:00Z"}, "belongs to a delivery that is delivered, and this one is pending"),
        ({"status": "shipped", "shipped_at": "0001-01-01T00:00:00+23:59"}, "must not be before 1900"),
        ({"status": "shipped", "shipped_at": "9999-12-31T23:59:59-23:59"}, "must not be in the future"),
    ],
)
async def test_a_time_that_cannot_be_is_refused_by_name(admin, staff, customer, times, sentence):
    await make_product(admin, "A-1", inventory_quantity=5)
    url = f"{ORDERS}{(await place(customer, ('sku:A-1', 1)))['id']}/delivery"
    await staff.post(url, json={})
    refused = await staff.patch(url, json=times)
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["field"], error["message"]) == (400, [*times][-1], sentence)
