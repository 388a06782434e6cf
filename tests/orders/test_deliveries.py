"""Deliveries: step by step, by whom they are assigned to, and the order follows."""

from datetime import timedelta

import httpx
import pytest

from domains.catalog.proof import find_differences
from lib import clock
from piccolo_conf import execute, fetch, fetch_value
from tests.catalog.making import make_product
from tests.orders.placing import ORDERS, place, stock_of, user_id

YESTERDAY, TOMORROW = ((clock.now() + timedelta(days=days)).isoformat() for days in (-1, 1))


@pytest.fixture
async def url(admin: httpx.AsyncClient, customer: httpx.AsyncClient) -> str:
    """The delivery of an order, which has none yet."""
    await make_product(admin, "A-1", inventory_quantity=5)
    return f"{ORDERS}{(await place(customer, ('sku:A-1', 1), shipping_address='Main St 1'))['id']}/delivery"


async def status_of_order(client: httpx.AsyncClient, url: str) -> str:
    status: str = (await client.get(url.removesuffix("/delivery"))).json()["status"]
    return status


async def test_a_delivery_goes_its_way_and_the_order_follows(url, staff):
    made = await staff.post(
        f"{url}/", json={"tracking_number": " T-1 ", "carrier": "DHL", "cost": 4.5, "notes": "ring"}
    )
    assert (made.status_code, made.headers["location"]) == (201, url)
    assert {
        "status": "pending",
        "tracking_number": "T-1",
        "cost": "4.50",
        "currency": "USD",
    }.items() <= made.json().items()
    assert made.json()["shipping_address"] == "Main St 1"
    for status, time in (("shipped", "shipped_at"), ("delivered", "delivered_at")):
        changed = (await staff.patch(url, json={"status": status})).json()
        assert changed["status"] == await status_of_order(staff, url) == status
        assert changed[time] is not None
    topics = await fetch(
        "SELECT topic, subject FROM event WHERE topic IN ('order.shipped', 'order.delivered') ORDER BY id"
    )
    assert [tuple(row) for row in topics] == [("order.shipped", "order:1"), ("order.delivered", "order:1")]
    assert (await staff.get(url)).json() == changed


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        ([], "delivered"),
        (["shipped"], "pending"),
        (["shipped", "delivered"], "cancelled"),
        (["shipped", "delivered"], "shipped"),
        (["cancelled"], "shipped"),
        (["cancelled"], "cancelled"),
    ],
)
async def test_a_wrong_step_is_a_conflict(steps, wrong, url, staff):
    await staff.post(url, json={})
    for step in steps:
        assert (await staff.patch(url, json={"status": step})).status_code == 200
    before = await staff.get(url)
    refused = await staff.patch(url, json={"status": wrong, "notes": "no"})
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_step")
    assert (await staff.get(url)).json() == before.json()


async def test_a_step_that_is_done_already_changes_nothing(url, staff):
    await staff.post(url, json={})
    first = (await staff.patch(url, json={"status": "shipped"})).json()
    assert (await staff.patch(url, json={"status": "shipped", "notes": "ring"})).json() == first | {"notes": "ring"}
    assert await fetch_value("SELECT count(*) FROM event WHERE topic = 'order.shipped'") == 1


async def test_a_cancelled_delivery_leaves_the_order_to_another(url, staff):
    await staff.post(url, json={"tracking_number": "T-1"})
    await staff.patch(url, json={"status": "shipped"})
    cancelled = (await staff.patch(url, json={"status": "cancelled"})).json()
    assert cancelled["cancelled_at"] is not None
    assert await status_of_order(staff, url) == "placed"
    assert (await staff.get(url)).json() == cancelled
    assert (await staff.post(url, json={"tracking_number": "T-2"})).status_code == 201
    assert (await staff.get(url)).json()["tracking_number"] == "T-2"


async def test_an_order_has_one_delivery_at_a_time(url, staff):
    await staff.post(url, json={})
    refused = await staff.post(url, json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_deliverable")


async def test_a_cancelled_order_gets_no_delivery(url, admin, staff):
    await admin.post(url.replace("/delivery", "/cancellation"))
    refused = await staff.post(url, json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_deliverable")


async def test_cancelling_an_order_cancels_its_pending_delivery(url, admin, staff):
    await staff.post(url, json={})
    assert (await admin.post(url.replace("/delivery", "/cancellation"))).status_code == 200
    assert (await staff.get(url)).json()["status"] == "cancelled"
    assert (await stock_of(1), await find_differences()) == (5, [])


@pytest.mark.parametrize("status", ["shipped", "delivered"])
async def test_what_is_on_its_way_is_not_cancelled(status, url, admin, staff):
    await staff.post(url, json={})
    for step in ("shipped", "delivered")[: 1 + (status == "delivered")]:
        await staff.patch(url, json={"status": step})
    refused = await admin.post(url.replace("/delivery", "/cancellation"))
    assert (refused.status_code, refused.json()["code"]) == (409, "not_cancellable")
    assert status in refused.json()["detail"]
    assert await stock_of(1) == 4


async def test_a_tracking_number_is_unique_whatever_its_case(url, admin, staff, customer):
    other = f"{ORDERS}{(await place(customer, ('sku:A-1', 1)))['id']}/delivery"
    await staff.post(url, json={"tracking_number": "AbC"})
    refused = await staff.post(other, json={"tracking_number": "aBc "})
    assert (refused.status_code, refused.json()["code"]) == (409, "tracking_number_taken")
    assert refused.json()["errors"][0]["field"] == "tracking_number"
    assert (await staff.post(other, json={"tracking_number": " "})).json()["tracking_number"] is None
    assert (await staff.patch(other, json={"tracking_number": "ABC"})).status_code == 409


async def test_times_may_be_given_but_not_in_the_future(url, staff):
    await staff.post(url, json={})
    shipped = {"status": "shipped", "shipped_at": YESTERDAY}
    assert (await staff.patch(url, json=shipped | {"shipped_at": TOMORROW})).json()["errors"][0][
        "field"
    ] == "shipped_at"
    assert (await staff.patch(url, json=shipped)).json()["shipped_at"][:10] == YESTERDAY[:10]
    early = {"status": "delivered", "delivered_at": "2001-01-01T00:00:00Z"}
    assert (await staff.patch(url, json=early)).json()["errors"][0]["field"] == "delivered_at"
    assert (await staff.patch(url, json={"status": "delivered", "delivered_at": YESTERDAY})).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"shipped_at": YESTERDAY}, "shipped_at"),
        ({"status": "shipped", "delivered_at": YESTERDAY}, "delivered_at"),
        ({"status": "shipped", "shipped_at": "2026-01-01T00:00:00"}, "shipped_at"),
        ({"status": "lost"}, "status"),
        ({"assigned_to": 987654}, "assigned_to"),
        ({"cost": "-1"}, "cost"),
        ({"tracking_number": "x" * 101}, "tracking_number"),
        ({"sales_order": 2}, "sales_order"),
    ],
)
async def test_bad_input_names_its_field(body, field, url, staff):
    await staff.post(url, json={})
    refused = await staff.patch(url, json=body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field), refused.text
    assert (await staff.get(url)).json()["status"] == "pending"


async def test_staff_customer_and_deliverer_see_it_and_others_do_not(url, staff, customer, stranger, client):
    assert [(await one.get(url)).status_code for one in (staff, customer, stranger, client)] == [404, 404, 404, 401]
    assert (await customer.get(url)).json()["code"] == "delivery_not_found"
    assert (await stranger.get(url)).json()["code"] == "sales_order_not_found"
    await staff.post(url, json={})
    assert [(await one.get(url)).status_code for one in (staff, customer, stranger)] == [200, 200, 404]
    await staff.patch(url, json={"assigned_to": await user_id(stranger)})
    assert (await stranger.get(url)).status_code == 200
    assert (await stranger.get(url.removesuffix("/delivery"))).status_code == 404


async def test_whoever_delivers_changes_status_and_notes_of_their_own(url, staff, customer, stranger):
    await staff.post(url, json={"assigned_to": await user_id(stranger)})
    changed = await stranger.patch(url, json={"status": "shipped", "notes": "at the door"})
    assert (changed.status_code, changed.json()["notes"]) == (200, "at the door")
    assert await status_of_order(staff, url) == "shipped"
    for body in ({"cost": "1.00"}, {"status": "delivered", "assigned_to": None}, {"shipped_at": YESTERDAY}):
        refused = await stranger.patch(url, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_your_delivery")
    await staff.patch(url, json={"assigned_to": None})
    assert (await stranger.patch(url, json={"notes": "mine"})).status_code == 404


async def test_a_customer_reads_and_writes_no_delivery(url, staff, customer, stranger):
    assert (await customer.post(url, json={})).status_code == 403
    await staff.post(url, json={})
    assert (await customer.patch(url, json={"notes": "mine"})).status_code == 403
    assert (await stranger.patch(url, json={"notes": "mine"})).status_code == 404
    assert (await staff.get(url)).json()["notes"] == ""


async def test_the_list_is_the_staffs_and_what_is_assigned_to_others(url, staff, customer, stranger):
    await staff.post(url, json={"assigned_to": await user_id(stranger), "tracking_number": "T-1"})
    counts = [(await one.get("/api/deliveries/")).json()["count"] for one in (staff, customer, stranger)]
    assert counts == [1, 0, 1]
    words = {"status": ["pending", "shipped"], "tracking_number": ["t-1", "t-2"], "sales_order": ["1", "2"]}
    for name, (hit, miss) in words.items():
        found = [(await staff.get("/api/deliveries", params={name: value})).json()["count"] for value in (hit, miss)]
        assert found == [1, 0], name
    assert (await staff.get("/api/deliveries", params={"shipped_at__gte": YESTERDAY})).json()["count"] == 0
    assert (await staff.get("/api/deliveries")).json()["results"][0] == (await staff.get(url)).json()


async def test_somebody_who_left_delivers_nothing(url, staff, stranger):
    otto = await user_id(stranger)
    await execute("UPDATE users SET active = false WHERE id = $1", otto)
    refused = await staff.post(url, json={"assigned_to": otto})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "assigned_to")


async def test_one_key_is_one_delivery(url, staff):
    answers = [await staff.post(url, json={"cost": "1.00"}, headers={"Idempotency-Key": "d-1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
