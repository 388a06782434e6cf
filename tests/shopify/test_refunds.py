"""Refunds of a shop: recorded once beside their order, whichever comes first."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from piccolo_conf import fetch, fetch_row, fetch_value
from tests.shopify.making import inbox_rows, row_of, send, settle, tell
from tests.shopify.ordering import ORDERS, find_person, order, refund, topics_told

PAID_IN_YEN = {"kind": "refund", "status": "success", "amount": "9000", "currency": "JPY"}


async def test_a_refund_stands_beside_its_order(client, staff):
    await tell(client, "orders/create", order())
    row = await tell(client, "refunds/create", refund())
    kept = await fetch_row("SELECT * FROM sales_refund")
    assert kept is not None
    assert (row["state"], (await staff.get(f"{ORDERS}1")).json()["refunded"]) == ("processed", "42.50")
    assert (kept["sales_order"], kept["amount"], str(kept["refunded_at"])) == (
        1,
        Decimal("42.50"),
        "2030-03-02 08:00:00+00:00",
    )
    assert msgspec.json.decode(kept["lines"]) == [
        {"sku": "SHADE-1", "name": "Shade", "quantity": 1, "restocked": True},
        {"sku": "", "name": "Gift wrapping", "quantity": 1, "restocked": False},
    ]
    assert await fetch_value("SELECT count(*) FROM stock_movement") == 0


async def test_a_refund_before_its_order_waits_for_it(client, staff):
    waiting = await tell(client, "refunds/create", refund())
    assert (waiting["state"], waiting["reason"], waiting["awaits"]) == (
        "parked",
        "unknown_order",
        "order:6123456789012345678",
    )
    await tell(client, "orders/create", order())
    await settle()
    assert (await row_of(waiting["id"]))["state"] == "processed"
    assert (await staff.get(f"{ORDERS}1")).json()["refunded"] == "42.50"


async def test_the_same_refund_in_any_number_counts_once(client, staff):
    await tell(client, "orders/create", order())
    for _ in range(4):
        await send(client, "refunds/create", refund())
    await asyncio.gather(*(settle() for _ in range(3)))
    assert (await staff.get(f"{ORDERS}1")).json()["refunded"] == "42.50"
    assert await topics_told() == ["order.placed", "order.refunded"]
    assert {row["state"] for row in await inbox_rows()} <= {"processed", "ignored"}


async def test_refunds_of_an_order_add_up(client, staff):
    await tell(client, "orders/create", order())
    await tell(client, "refunds/create", refund())
    await tell(
        client, "refunds/create", refund(id=5, transactions=[{"kind": "refund", "status": "success", "amount": 1}])
    )
    assert [one["refunded"] for one in (await staff.get(ORDERS)).json()["results"]] == ["43.50"]


@pytest.mark.parametrize(
    ("changes", "amount"),
    [
        ({"transactions": None}, "55.70"),
        ({"transactions": []}, "0.00"),
        ({"transactions": [{"kind": "refund", "status": "pending", "amount": "3.00"}]}, "3.00"),
        ({"transactions": None, "refund_line_items": None}, "0.00"),
        ({"transactions": [{"kind": "refund", "status": "success"}]}, "0.00"),
        ({"transactions": [PAID_IN_YEN]}, "55.70"),
        ({"transactions": [PAID_IN_YEN], "order_adjustments": [{"amount": "-4.90", "tax_amount": "-0.93"}]}, "61.53"),
        ({"transactions": [PAID_IN_YEN], "order_adjustments": [{"amount": "60.00"}]}, "0.00"),
        ({"transactions": [PAID_IN_YEN | {"status": "failure"}]}, "0.00"),
    ],
)
async def test_the_amount_is_what_went_back_or_else_what_the_lines_cost(changes, amount, client, staff):
    await tell(client, "orders/create", order())
    await tell(client, "refunds/create", refund(**changes))
    assert (await staff.get(f"{ORDERS}1")).json()["refunded"] == amount
    assert await fetch_value("SELECT count(*) FROM sales_refund") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"order_id": None},
        {"transactions": [{"kind": "refund", "status": "success", "amount": "-3"}]},
        {"transactions": [{"kind": "refund", "status": "success", "amount": "9999999999"}] * 2},
        {"refund_line_items": "none"},
        {"transactions": None, "order_adjustments": [{"amount": "NaN"}]},
        {"transactions": None, "order_adjustments": [{"amount": "-99999999999"}]},
    ],
)
async def test_what_is_no_refund_fails_and_leaves_nothing(changes, client):
    await tell(client, "orders/create", order())
    row = await tell(client, "refunds/create", refund(**changes))
    assert (row["state"], row["reason"]) == ("failed", "bad_payload")
    assert await fetch("SELECT * FROM sales_refund") == []


async def test_the_event_tells_the_refund_without_what_was_noted(client):
    await tell(client, "orders/create", order())
    await tell(client, "refunds/create", refund())
    data = msgspec.json.decode(await fetch_value("SELECT data FROM event WHERE topic = 'order.refunded'"))
    assert (data["number"], data["refund"]["amount"], data["refund"]["shopify_refund_id"]) == (
        "SO-000001",
        "42.50",
        5123456789012345678,
    )
    assert await find_person("event") == []
