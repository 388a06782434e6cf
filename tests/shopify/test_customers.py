"""People: their data is told to administrators, and forgotten when the shop asks, also in what comes late."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from piccolo_conf import execute, fetch, fetch_value
from tests.shopify.making import inbox_rows, load, row_of, send, settle, tell
from tests.shopify.ordering import (
    CUSTOMER_ID,
    ORDER_ID,
    ORDERS,
    cancelled,
    find_person,
    order,
    order_rows,
    refund,
)

EVERYWHERE = ("sales_order", "sales_refund", "event", "mail", "inbound_webhook")
LATER = datetime(2030, 5, 1, tzinfo=UTC)


async def redact(client, *, triggered_at=LATER, **changes):
    return await tell(client, "customers/redact", load("customer_redaction") | changes, triggered_at=triggered_at)


async def test_a_forgotten_person_stands_nowhere_any_more(client, staff):
    await tell(client, "orders/create", order())
    await tell(client, "orders/updated", order())
    await tell(client, "refunds/create", refund())
    row = await redact(client)
    assert await find_person(*EVERYWHERE) == []
    (kept,) = await order_rows()
    assert (kept["shopify_customer_id"], kept["shopify_order_id"], str(kept["total"])) == (None, ORDER_ID, "154.90")
    assert (row["state"], row["reason"], row["body"], row["customer_id"]) == ("processed", "redacted", "", None)
    assert row["detail"].startswith("Orders without their person now: 1; webhooks without their body: 3.")
    assert {one["reason"] for one in await inbox_rows()} == {"redacted"}


async def test_what_was_settled_keeps_its_state_and_what_waits_is_ignored(client):
    await tell(client, "refunds/create", refund())
    await send(client, "orders/paid", order())
    await tell(client, "orders/create", order(id=5, name=[]))
    await redact(client)
    assert [row["state"] for row in await inbox_rows()] == ["ignored", "ignored", "failed", "processed"]
    assert {row["body"] for row in await inbox_rows()} == {""}


async def test_what_is_noted_of_a_delivery_is_forgotten_too(client, staff):
    await tell(client, "orders/create", order())
    await staff.post(f"{ORDERS}1/delivery", json={"notes": "Mira is at home at six"})
    await redact(client)
    assert await find_person("delivery") == []


async def test_a_body_that_is_gone_is_not_processed_again(client, admin):
    await tell(client, "orders/create", order())
    await redact(client)
    for row in await inbox_rows():
        answer = await admin.post(f"/api/shopify-webhooks/{row['id']}/reprocessing")
        assert (answer.status_code, answer.json()["code"]) == (409, "body_is_gone")


async def test_an_order_of_theirs_that_was_not_named_is_forgotten_too(client):
    await tell(client, "orders/create", order(id=77))
    await redact(client, orders_to_redact=[])
    assert await find_person(*EVERYWHERE) == []


async def test_what_tells_of_their_order_without_naming_them_is_emptied_too(client):
    parcel = {"id": 5, "order_id": ORDER_ID, "destination": {"name": "Mira Sample"}}
    await tell(client, "orders/paid", order())
    await tell(client, "fulfillments/create", parcel)
    await redact(client, orders_to_redact=[])
    await tell(client, "fulfillments/update", parcel)
    assert await find_person(*EVERYWHERE) == []


async def test_ids_in_quotes_are_theirs_too(client):
    buyer = order()["customer"] | {"id": str(CUSTOMER_ID)}
    await tell(client, "orders/create", order(id=str(ORDER_ID), customer=buyer))
    await redact(client, orders_to_redact=[])
    assert await find_person(*EVERYWHERE) == []


@pytest.mark.parametrize("customer", [{}, {"customer": None}])
async def test_an_order_that_is_named_is_forgotten_whoever_bought(customer, client):
    await tell(client, "orders/create", order())
    payload = load("customer_redaction")
    del payload["customer"]
    await tell(client, "customers/redact", payload | customer)
    assert await find_person(*EVERYWHERE) == []


async def test_people_who_are_not_named_are_left(client):
    await tell(client, "orders/create", order(id=5, customer={"id": 6, "first_name": "Mira"}))
    await redact(client)
    assert [row["customer_name"] for row in await order_rows()] == ["Mira"]
    assert (await inbox_rows())[0]["body"] != ""


@pytest.mark.parametrize("order_id", [ORDER_ID, 78])
@pytest.mark.parametrize("topic", ["orders/create", "orders/cancelled"])
async def test_an_order_that_comes_after_its_redaction_is_recorded_without_its_person(topic, order_id, client):
    await redact(client)
    row = await tell(client, topic, order(id=order_id))
    assert (len(await order_rows()), await find_person(*EVERYWHERE)) == (1, [])
    assert (row["state"], row["reason"], row["body"]) == ("processed", "redacted", "")


async def test_a_late_copy_of_a_forgotten_order_brings_nobody_back(client):
    await tell(client, "orders/cancelled", cancelled())
    await redact(client)
    stale = await tell(client, "orders/create", order())
    await tell(client, "orders/cancelled", cancelled())
    assert (stale["state"], stale["reason"], await find_person(*EVERYWHERE)) == ("ignored", "redacted", [])


async def test_what_is_noted_of_a_later_refund_is_not_kept(client):
    await tell(client, "orders/create", order())
    await redact(client)
    row = await tell(client, "refunds/create", refund())
    assert (row["state"], row["body"], await find_person(*EVERYWHERE)) == ("processed", "", [])
    assert await fetch_value("SELECT amount FROM sales_refund") > 0


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("orders/updated", order()),
        ("orders/create", order(name=[])),
        ("fulfillments/update", {"id": 5, "order_id": ORDER_ID, "email": "mira@example.com"}),
        ("returns/request", {"id": 5, "order": {"id": ORDER_ID}, "note": "Mira says so"}),
        ("customers/update", {"id": CUSTOMER_ID, "first_name": "Mira"}),
        ("customer_payment_methods/create", {"customer_id": CUSTOMER_ID, "instrument": {"name": "Mira"}}),
    ],
)
@pytest.mark.parametrize("is_late", [True, False])
async def test_what_has_no_effect_keeps_nobody_who_is_forgotten(is_late, topic, payload, client):
    if is_late:
        await redact(client)
    await tell(client, topic, payload, triggered_at=LATER - timedelta(hours=1))
    if not is_late:
        await redact(client)
    assert await find_person(*EVERYWHERE) == []
    assert {row["reason"] for row in await inbox_rows()} == {"redacted"}


async def test_what_has_no_effect_is_kept_of_everybody_else(client):
    await redact(client)
    row = await tell(client, "orders/updated", order(id=5, customer={"id": 6, "first_name": "Mira"}))
    assert (row["state"], row["reason"], "Mira" in row["body"]) == ("ignored", "unhandled_topic", True)


async def test_who_buys_again_after_they_were_forgotten_is_known_again(client):
    await redact(client)
    bought = (LATER + timedelta(days=1)).isoformat()
    await tell(client, "orders/create", order(id=79, created_at=bought, updated_at=bought))
    assert [row["shopify_customer_id"] for row in await order_rows()] == [CUSTOMER_ID]


async def test_a_redaction_twice_and_late_changes_nothing_more(client):
    await tell(client, "orders/create", order())
    for triggered_at in (LATER, LATER - timedelta(days=9), LATER):
        assert (await redact(client, triggered_at=triggered_at))["state"] == "processed"
    assert await find_person(*EVERYWHERE) == []
    assert await fetch_value("SELECT triggered_at FROM shopify_version WHERE kind = 'redacted_customer'") == LATER


async def test_whichever_comes_first_of_many_at_once_the_person_is_gone(client):
    for number in range(12):
        await send(client, "orders/create", order(id=100 + number))
        if number in {3, 7}:
            await send(client, "customers/redact", load("customer_redaction"), triggered_at=LATER)
    await asyncio.gather(*(settle() for _ in range(3)))
    assert await find_person(*EVERYWHERE) == []
    assert await fetch("SELECT id FROM inbound_webhook WHERE state NOT IN ('processed', 'ignored')") == []


@pytest.mark.parametrize("topic", ["customers/redact", "customers/data_request"])
@pytest.mark.parametrize("payload", [{}, {"customer": {}}, {"customer": None, "orders_to_redact": []}, {"customer": 7}])
async def test_what_names_nobody_fails_for_somebody_to_look_at(payload, topic, client):
    row = await tell(client, topic, payload)
    assert (row["state"], row["reason"]) == ("failed", "bad_payload")


async def test_a_request_for_data_is_a_letter_to_administrators(client, admin, staff):
    await tell(client, "orders/create", order())
    await tell(client, "orders/create", order(id=80))
    row = await tell(client, "customers/data_request", load("data_request"))
    (letter,) = await fetch("SELECT * FROM mail")
    assert (row["state"], letter["to"], letter["template"]) == ("processed", "ada@example.com", "shopify_data_request")
    assert letter["subject"] == "A customer of lamps-and-more.myshopify.com asks for their data"
    assert all(word in letter["text"] for word in ("SO-000001", "SO-000002", f"webhook {row['id']} of"))
    assert [one["order"] for one in msgspec.json.decode(row["results"])] == [1, 2]
    assert await find_person("mail", "event") == []


async def test_a_late_request_of_somebody_who_is_forgotten_is_not_kept(client, admin):
    await redact(client)
    row = await tell(client, "customers/data_request", load("data_request"), triggered_at=LATER - timedelta(days=2))
    assert (row["state"], row["reason"], row["subject"]) == ("processed", "redacted", "")
    assert (await find_person(*EVERYWHERE), await fetch("SELECT id FROM mail")) == ([], [])


async def test_a_customer_without_orders_here_is_told_of_too(client, admin):
    await tell(client, "customers/data_request", load("data_request") | {"orders_requested": []})
    assert "No order of theirs is here." in await fetch_value("SELECT text FROM mail")


async def test_a_long_list_of_orders_is_cut_in_the_letter(client, admin):
    await execute("""
        INSERT INTO sales_order (number, currency, total, source, shopify_order_id, shopify_customer_id)
        SELECT 'SO-' || n, 'EUR', 1, 'shopify', n, 7123456789012345678 FROM generate_series(1, 203) AS n
    """)
    await tell(client, "customers/data_request", load("data_request"))
    assert "… and 3 more." in await fetch_value("SELECT text FROM mail")


async def test_without_an_administrator_the_inbox_says_that_nobody_was_told(client):
    row = await tell(client, "customers/data_request", load("data_request"))
    assert (row["state"], row["detail"][:15]) == ("processed", "Nobody to mail:")


async def test_no_log_line_names_anybody(client, admin, caplog):
    await tell(client, "orders/create", order())
    await tell(client, "orders/create", order(id=81, email=["mira@example.com"]))
    await tell(client, "customers/data_request", load("data_request"))
    await redact(client)
    assert "shopify_webhook_settled" in caplog.text
    assert [word for word in ("Mira", "mira@", "Lamp Lane", str(CUSTOMER_ID)) if word in caplog.text] == []


async def test_a_webhook_that_waits_meanwhile_is_emptied(client):
    sent = (await send(client, "orders/create", order())).json()["id"]
    await redact(client)
    await settle()
    assert ((await row_of(sent))["body"], await find_person(*EVERYWHERE)) == ("", [])
