"""Orders of a shop: recorded once in any order of telling, cancelled, and never moving stock."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from domains.catalog.proof import find_differences
from piccolo_conf import execute, fetch, fetch_row, fetch_value
from tests.catalog.making import make_product
from tests.orders.placing import stock_of
from tests.shopify.making import SHOP, inbox_rows, send, settle, tell
from tests.shopify.ordering import CUSTOMER_ID, ORDER_ID, ORDERS, cancelled, find_person, order, order_rows, topics_told

VARIANT_ID = 8123456789012345678


async def test_an_order_is_recorded_as_the_shop_tells_it(client, staff):
    row = await tell(client, "orders/create", order())
    told = (await staff.get(f"{ORDERS}1")).json()
    assert (row["state"], row["reason"]) == ("processed", None)
    assert (told["number"], told["status"], told["source"]) == ("SO-000001", "placed", "shopify")
    assert (told["shopify_order_id"], told["shopify_order_name"]) == (ORDER_ID, "#1001")
    assert (told["currency"], told["total"], told["refunded"]) == ("EUR", "154.90", "0.00")
    assert (told["customer_name"], told["email"], told["phone"]) == (
        "Mira Sample",
        "mira@example.com",
        "+49 30 5550100",
    )
    assert told["shipping_address"] == "Mira Sample\nLamp Lane 5\nBack house\n12345 Berlin\nGermany"
    assert told["placed_at"] == "2030-03-01T09:00:00Z"
    (kept,) = await order_rows()
    assert (kept["shopify_shop"], kept["shopify_customer_id"], kept["customer"]) == (SHOP, CUSTOMER_ID, None)


async def test_lines_find_their_product_by_variant_then_by_sku_and_else_have_none(client, admin):
    by_variant, by_sku = await make_product(admin, "L-9"), await make_product(admin, "shade-1")
    await execute("UPDATE product SET shopify_variant_id = $2 WHERE id = $1", by_variant["id"], VARIANT_ID)
    await tell(client, "orders/create", order())
    lines = (await admin.get(f"{ORDERS}1")).json()["lines"]
    assert [line["product"] for line in lines] == [by_variant["id"], by_sku["id"], None]
    assert [(line["sku"], line["quantity"], line["total"]) for line in lines] == [
        ("LAMP-RED", 2, "99.90"),
        ("SHADE-1", 1, "30.00"),
        ("", 1, "20.00"),
    ]


async def test_an_order_moves_no_stock_however_it_ends(client, admin):
    product = await make_product(admin, "SHADE-1", inventory_quantity=3)
    moved = await fetch_value("SELECT count(*) FROM stock_movement")
    await tell(client, "orders/create", order())
    await tell(client, "orders/cancelled", cancelled())
    await tell(client, "orders/create", order(id=2))
    assert (await admin.post(f"{ORDERS}2/cancellation")).json()["status"] == "cancelled"
    assert await fetch_value("SELECT count(*) FROM stock_movement") == moved
    assert (await stock_of(product["id"]), await find_differences()) == (3, [])


@pytest.mark.parametrize(
    "payload", [{"id": 1, "line_items": []}, {"id": 1}, {"id": "1", "customer": None, "name": None}]
)
async def test_whatever_is_missing_makes_an_order(payload, client, staff):
    assert (await tell(client, "orders/create", payload))["state"] == "processed"
    told = (await staff.get(f"{ORDERS}1")).json()
    assert (told["shopify_order_id"], told["total"], told["currency"], told["lines"]) == (1, "0.00", "USD", [])


@pytest.mark.parametrize("total", [{}, {"total_price": None}])
async def test_without_a_total_it_is_what_its_lines_cost(total, client):
    payload = order()
    del payload["total_price"]
    await tell(client, "orders/create", payload | total)
    assert (await order_rows())[0]["total"] == Decimal("149.90")


async def test_lines_that_sell_nothing_are_left_out_and_told(client):
    items = [{"quantity": 0, "price": "1.00"}, {"quantity": 2, "price": 1.005, "title": "Tip"}, {"price": "1.00"}]
    row = await tell(client, "orders/create", order(line_items=items))
    (line,) = await fetch("SELECT name, quantity, unit_price FROM sales_order_line")
    assert tuple(line) == ("Tip", 2, Decimal("1.01"))
    assert row["detail"] == "Lines that sell nothing, left out: 2."


async def test_texts_of_any_length_fit(client):
    long = "Ä" * 9_000
    address = {"name": long, "address1": long, "phone": long}
    items = [{"sku": long, "name": long, "quantity": 1}]
    given = {"name": long, "email": long, "phone": long, "shipping_address": address, "line_items": items}
    row = await tell(client, "orders/create", order(**given, customer={"first_name": long}))
    assert (row["state"], len((await order_rows())[0]["shipping_address"])) == ("processed", 2_000)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"id": -1}, "$.id"),
        ({"id": None}, "$.id"),
        ({"id": 2**63}, "$.id"),
        ({"total_price": "-1"}, "total_price"),
        ({"total_price": "NaN"}, "total_price"),
        ({"total_price": 1e300}, "total_price"),
        ({"total_price": [1]}, "total_price"),
        ({"currency": "Euro"}, "currency"),
        ({"currency": "EUR\n"}, "currency"),
        ({"line_items": [{"price": "1e11", "quantity": 1}]}, "price"),
        ({"line_items": [{"quantity": 2**31}]}, "quantity"),
        ({"line_items": {"a": 1}}, "line_items"),
        ({"line_items": [7]}, "line_items"),
        ({"customer": "Mira"}, "customer"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"total_price": None, "line_items": [{"price": "9999999999", "quantity": 9}]}, "total_price"),
    ],
)
async def test_what_is_no_order_fails_with_the_name_of_the_field(changes, named, client):
    row = await tell(client, "orders/create", order(**changes))
    assert (row["state"], row["reason"], named in row["detail"]) == ("failed", "bad_payload", True), row["detail"]
    assert await order_rows() == []
    assert await fetch_value("SELECT count(*) FROM shopify_version") == 0


async def test_moments_before_all_time_are_told_by_something_else(client):
    row = await tell(client, "orders/create", order(processed_at="0001-01-01T00:00:00+14:00"))
    assert (row["state"], str((await order_rows())[0]["placed_at"])) == ("processed", "2030-03-01 09:00:00+00:00")


async def test_the_same_order_told_five_times_at_once_is_one(client):
    for _ in range(5):
        await send(client, "orders/create", order())
    await asyncio.gather(*(settle() for _ in range(3)))
    assert (len(await order_rows()), await topics_told()) == (1, ["order.placed"])
    assert {row["state"] for row in await inbox_rows()} <= {"processed", "ignored"}
    assert await fetch_value("SELECT count(*) FROM sales_order_line") == 3


async def test_a_cancelled_order_is_cancelled_once_with_its_pending_delivery(client, staff):
    await tell(client, "orders/create", order())
    await staff.post(f"{ORDERS}1/delivery", json={})
    row = await tell(client, "orders/cancelled", cancelled())
    again = await tell(client, "orders/cancelled", cancelled())
    assert [msgspec.json.decode(one["results"])[0]["became"] for one in (row, again)] == ["updated", "unchanged"]
    assert str((await order_rows())[0]["cancelled_at"]) == "2030-03-01 10:00:00+00:00"
    assert (await staff.get(f"{ORDERS}1/delivery")).json()["status"] == "cancelled"
    assert await topics_told() == ["order.placed", "order.cancelled"]


async def test_a_cancellation_that_overtakes_its_order_records_it_cancelled(client):
    assert (await tell(client, "orders/cancelled", cancelled()))["state"] == "processed"
    late = await tell(client, "orders/create", order())
    assert (late["state"], late["reason"]) == ("ignored", "stale")
    assert [row["status"] for row in await order_rows()] == ["cancelled"]
    assert await topics_told() == ["order.placed", "order.cancelled"]


async def test_what_was_shipped_from_here_stays_shipped(client, staff):
    await tell(client, "orders/create", order())
    await staff.post(f"{ORDERS}1/delivery", json={})
    await staff.patch(f"{ORDERS}1/delivery", json={"status": "shipped"})
    row = await tell(client, "orders/cancelled", cancelled())
    assert (row["state"], row["reason"]) == ("ignored", "not_cancellable")
    assert msgspec.json.decode(row["results"]) == [{"became": "kept", "shopify_id": ORDER_ID, "order": 1}]
    assert [row["status"] for row in await order_rows()] == ["shipped"]


async def test_a_telling_that_says_nothing_new_of_a_cancelled_order_leaves_it_so(client):
    await tell(client, "orders/cancelled", cancelled())
    await tell(client, "orders/create", order(updated_at="2030-04-01T00:00:00Z"))
    assert [row["status"] for row in await order_rows()] == ["cancelled"]


async def test_events_and_results_name_the_order_but_nobody(client):
    await tell(client, "orders/create", order())
    await tell(client, "orders/cancelled", cancelled(cancel_reason="Mira Sample said so"))
    event = await fetch_row("SELECT * FROM event WHERE topic = 'order.cancelled'")
    assert event is not None
    data = msgspec.json.decode(event["data"])
    assert (event["subject"], event["source"], event["reference"]) == ("order:1", "shopify", "shopify-webhook:2")
    assert (data["shopify_order_id"], data["shopify_order_name"], data["total"]) == (ORDER_ID, "#1001", "154.90")
    assert await find_person("event") == []
    assert await fetch_value("SELECT string_agg(detail || results::text, '') ~ 'Mira' FROM inbound_webhook") is False


async def test_orders_are_found_by_what_the_shop_calls_them(client, staff):
    await tell(client, "orders/create", order())
    await tell(client, "orders/create", order(id=2, name="#1002a"))
    for query, found in ((f"shopify_order_id={ORDER_ID}", [1]), ("shopify_order_name=%231002A", [2])):
        assert [one["id"] for one in (await staff.get(f"{ORDERS}?{query}")).json()["results"]] == found
    assert (await staff.get(f"{ORDERS}?shopify_order_id={2**63}")).status_code == 400
