"""Shops that leave: the administrators hear of it, and at last nobody who bought there is known here."""

import asyncio

import pytest

from domains.shopify import forgetting, jobs
from piccolo_conf import fetch, fetch_value
from tests.shopify.making import inbox_rows, load, send, settle, tell
from tests.shopify.ordering import find_person, order, order_rows, refund

EVERYWHERE = ("sales_order", "sales_refund", "event", "mail", "inbound_webhook")


async def test_a_shop_that_is_forgotten_leaves_orders_without_people(client):
    await tell(client, "orders/create", order())
    await tell(client, "orders/create", order(id=2, customer=None, email="mira@example.com"))
    await tell(client, "refunds/create", refund())
    row = await tell(client, "shop/redact", load("shop_redaction"))
    assert (row["state"], row["reason"], row["body"]) == ("processed", "redacted", "")
    assert await find_person(*EVERYWHERE) == []
    assert {str(one["total"]) for one in await order_rows()} == {"154.90"}
    assert row["detail"].startswith("Orders without their person now: 2; webhooks without their body: 3.")


async def test_a_late_copy_of_its_order_brings_nobody_back(client):
    await tell(client, "orders/create", order())
    await tell(client, "shop/redact", load("shop_redaction"))
    await tell(client, "orders/create", order())
    assert await find_person(*EVERYWHERE) == []


async def test_an_order_that_a_worker_has_at_that_moment_is_without_its_person_too(
    client, monkeypatch: pytest.MonkeyPatch
):
    has_order, is_forgotten = asyncio.Event(), asyncio.Event()
    respect, blank = forgetting.respect_redactions, forgetting.blank_bodies_at

    async def respect_late() -> None:
        has_order.set()
        await is_forgotten.wait()
        await respect()

    async def blank_meanwhile(*given):
        try:
            return await blank(*given)
        finally:
            is_forgotten.set()

    monkeypatch.setattr(forgetting, "respect_redactions", respect_late)
    monkeypatch.setattr(forgetting, "blank_bodies_at", blank_meanwhile)
    await send(client, "orders/create", order())
    async with asyncio.TaskGroup() as workers:
        workers.create_task(jobs.work_one())
        await has_order.wait()
        await send(client, "shop/redact", load("shop_redaction"))
        workers.create_task(jobs.work_one())
    await settle()
    assert await find_person(*EVERYWHERE) == []
    assert {row["state"] for row in await inbox_rows()} == {"processed"}


async def test_other_shops_are_left_whatever_the_header_says(client):
    await tell(client, "orders/create", order(), shop_domain="other.myshopify.com")
    await tell(client, "shop/redact", load("shop_redaction"), shop_domain="other.myshopify.com")
    assert [row["customer_name"] for row in await order_rows()] == ["Mira Sample"]
    assert (await inbox_rows())[0]["reason"] is None


async def test_a_body_that_names_no_shop_means_that_of_the_header(client):
    await tell(client, "orders/create", order())
    await tell(client, "shop/redact", {"shop_id": 954001})
    assert await find_person(*EVERYWHERE) == []


async def test_an_uninstalled_app_is_a_letter_to_administrators(client, admin, staff):
    await tell(client, "orders/create", order())
    row = await tell(client, "app/uninstalled", load("app_uninstalled"))
    (letter,) = await fetch("SELECT * FROM mail")
    assert (row["state"], letter["to"], letter["template"]) == ("processed", "ada@example.com", "shopify_uninstalled")
    assert letter["subject"] == "lamps-and-more.myshopify.com has uninstalled the app"
    assert [word for word in ("Olga", "owner@example.com", "+49") if word in letter["text"] + letter["html"]] == []


async def test_without_an_administrator_the_inbox_says_that_nobody_was_told(client):
    row = await tell(client, "app/uninstalled", load("app_uninstalled"))
    assert (row["state"], row["detail"][:15]) == ("processed", "Nobody to mail:")
    assert await fetch_value("SELECT count(*) FROM mail") == 0
