"""The mail about low stock: one letter for each reader about everything that is new."""

import asyncio
import re

import httpx
import msgspec
import pytest

from domains.catalog.stock import Move, move_stock
from domains.catalog.tables import Reason
from domains.inventory import digest, readers
from domains.inventory.jobs import check_low_stock
from domains.mail.jobs import send_waiting_mail
from domains.mail.tables import MailState
from piccolo_conf import execute, fetch, fetch_value, transaction
from settings import settings
from tests.admin.visiting import visit
from tests.catalog.making import make_product
from tests.conftest import make_user, sign_in_as
from tests.mail.letters import row, rows
from tests.mail.smtp import smtp_server

ADMIN = "ada@example.com"


@pytest.fixture
def report_to(monkeypatch: pytest.MonkeyPatch):
    def choose(*addresses: str) -> None:
        changed = msgspec.structs.replace(settings, report_recipients=list(addresses))
        monkeypatch.setattr(readers, "settings", changed)

    return choose


async def test_one_letter_tells_of_everything_that_is_low(admin: httpx.AsyncClient):
    await make_product(admin, "MUG", name="Blue mug", inventory_quantity=2, supplier_number="S-77")
    gone = await make_product(admin, "CUP", name="Red cup", inventory_quantity=3, low_stock_threshold=4)
    await move_stock([Move(gone["id"], -3)], reason=Reason.SALE)
    assert await check_low_stock() == "Newly found to be low: 0. Mailed 2 products to 1 reader."
    letter = await row()
    assert (letter["to"], letter["subject"]) == (ADMIN, "Low stock: 2 products, 1 sold out")
    assert "2 products have fallen below their thresholds, and 1 of them is sold out." in letter["text"]
    assert "* Red cup: sold out\n  CUP\n  below 4; sold in 30 days: 3\n\n* Blue mug: 2 left\n  MUG" in letter["text"]
    for words in (letter["text"], letter["html"]):
        assert "supplier&#39;s number S-77" in words or "supplier's number S-77" in words
        assert "http://127.0.0.1:8000/admin/pages/stock/" in words


async def test_the_link_of_the_letter_leads_to_a_page_of_the_admin_site(database: None):
    async with await visit() as site:
        await make_product(await sign_in_as("staff", "stan"), "MUG", inventory_quantity=2)
        await check_low_stock()
        (link,) = re.findall(r"http://\S+", (await row())["text"])
        page = await site.get(link.removeprefix("http://127.0.0.1:8000"))
    assert page.status_code == 200
    assert "Product MUG" in page.text


async def test_without_an_admin_site_the_letter_has_no_link(admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(digest, "settings", msgspec.structs.replace(settings, admin_enabled=False))
    await make_product(admin, "MUG", inventory_quantity=2)
    await check_low_stock()
    assert "http" not in (await row())["text"] + (await row())["html"]


async def test_the_letter_tells_of_one_product_in_its_subject(admin: httpx.AsyncClient):
    await make_product(admin, "MUG", name="Blue mug", inventory_quantity=2)
    await check_low_stock()
    assert (await row())["subject"] == "Low stock: Blue mug (2 left)"


async def test_nothing_is_mailed_twice_until_it_was_restocked(admin: httpx.AsyncClient):
    mug = await make_product(admin, "MUG", inventory_quantity=2)
    assert await check_low_stock() == "Newly found to be low: 0. Mailed 1 product to 1 reader."
    assert await check_low_stock() == "Newly found to be low: 0. Nothing new to mail."
    for quantity in (50, 1):
        await admin.patch(f"/api/products/{mug['id']}", json={"inventory_quantity": quantity})
    await check_low_stock()
    assert [letter["subject"] for letter in await rows()] == [
        "Low stock: Product MUG (2 left)",
        "Low stock: Product MUG (1 left)",
    ]


async def test_only_what_is_still_low_and_not_put_away_is_mailed(admin: httpx.AsyncClient):
    restocked = await make_product(admin, "A", inventory_quantity=2)
    await make_product(admin, "B", inventory_quantity=2)
    await admin.patch(f"/api/products/{restocked['id']}", json={"inventory_quantity": 50})
    await admin.delete("/api/notifications/2")
    assert await check_low_stock() == "Newly found to be low: 0. Nothing new to mail."
    assert await rows() == []


async def test_the_letter_tells_what_is_left_now(admin: httpx.AsyncClient):
    mug = await make_product(admin, "MUG", inventory_quantity=4)
    await move_stock([Move(mug["id"], -3)], reason=Reason.SALE)
    await check_low_stock()
    assert (await row())["subject"] == "Low stock: Product MUG (1 left)"


async def test_what_came_back_was_not_sold(admin: httpx.AsyncClient):
    mug = await make_product(admin, "MUG", inventory_quantity=4)
    for delta, reason in ((-3, Reason.SALE), (2, Reason.CANCELLATION), (-1, Reason.ADJUSTMENT), (1, Reason.PURCHASE)):
        await move_stock([Move(mug["id"], delta)], reason=reason)
    await check_low_stock()
    assert "sold in 30 days: 1\n" in (await row())["text"]


async def test_a_long_list_ends_with_how_many_more_there_are(admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    items = [{"sku": f"P{number}", "name": "Thing", "inventory_quantity": 1} for number in range(60)]
    await admin.post("/api/products/bulk", json=items)
    await check_low_stock()
    letter = await row()
    assert letter["subject"] == "Low stock: 60 products"
    assert letter["text"].count("\n* ") == digest.MOST_SHOWN == 50
    assert "And 10 more products.\n" in letter["text"]
    assert await fetch_value("SELECT count(*) FROM low_stock_notification WHERE mailed_at IS NULL") == 0


async def test_it_tells_how_much_is_low_altogether(admin: httpx.AsyncClient):
    for sku in ("A", "B"):
        await make_product(admin, sku, inventory_quantity=1)
    await check_low_stock()
    await make_product(admin, "C", inventory_quantity=1)
    await check_low_stock()
    first, second = await rows()
    assert "Altogether" not in first["text"]
    assert "Altogether 3 products are low on stock." in second["text"]


async def test_every_administrator_who_can_be_reached_gets_a_letter_by_name(admin: httpx.AsyncClient):
    await execute("UPDATE users SET first_name = 'Ada', last_name = 'Lovelace'")
    for name in ("bea", "cy", "dan"):
        await make_user("admin", name)
    await execute("UPDATE users SET active = false WHERE username = 'cy'")
    await execute("UPDATE users SET email_verified_at = NULL WHERE username = 'dan'")
    await make_user("staff", "stan")
    await make_product(admin, "MUG", inventory_quantity=1)
    assert await check_low_stock() == "Newly found to be low: 0. Mailed 1 product to 2 readers."
    assert [(it["to"], it["text"].split("\n")[0]) for it in await rows()] == [
        (ADMIN, "Hello Ada Lovelace,"),
        ("bea@example.com", "Hello,"),
    ]


async def test_report_recipients_get_it_instead_each_once(admin: httpx.AsyncClient, report_to):
    report_to("shop@example.com", "Shop@example.com", "boss@example.com")
    await make_product(admin, "MUG", inventory_quantity=1)
    await check_low_stock()
    assert sorted(letter["to"].lower() for letter in await rows()) == ["boss@example.com", "shop@example.com"]


async def test_without_a_reader_nothing_is_marked_as_mailed(staff: httpx.AsyncClient):
    await make_product(staff, "MUG", inventory_quantity=1)
    assert (await check_low_stock()).startswith("Newly found to be low: 0. Nobody to mail")
    async with await sign_in_as("admin", "ada"):
        assert await check_low_stock() == "Newly found to be low: 0. Mailed 1 product to 1 reader."


async def test_letters_and_marks_are_one_transaction(admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    await make_product(admin, "MUG", inventory_quantity=1)

    async def fail(*_values: object) -> int:
        raise OSError

    monkeypatch.setattr("domains.mail.services.write", fail)
    with pytest.raises(OSError):
        await check_low_stock()
    assert await fetch_value("SELECT count(*) FROM low_stock_notification WHERE mailed_at IS NULL") == 1


async def test_checks_at_the_same_time_write_one_letter(admin: httpx.AsyncClient):
    items = [{"sku": f"P{number}", "name": "Thing", "inventory_quantity": 1} for number in range(200)]
    await admin.post("/api/products/bulk", json=items)
    await asyncio.gather(*(check_low_stock() for _ in range(5)))
    assert [letter["subject"] for letter in await rows()] == ["Low stock: 200 products"]


async def test_digests_take_turns_so_that_none_is_shared_out_between_two_letters(admin: httpx.AsyncClient):
    await make_product(admin, "MUG", inventory_quantity=1)
    begun = asyncio.Event()

    async def check() -> str | None:
        await begun.wait()
        return await check_low_stock()

    waiting = asyncio.create_task(check())
    async with transaction():
        await digest.write_digest()
        begun.set()
        await make_product(admin, "CUP", inventory_quantity=1)
        await asyncio.sleep(0.3)
        assert not waiting.done()
    assert await waiting == "Newly found to be low: 0. Mailed 1 product to 1 reader."


async def test_a_digest_waits_for_nobody_who_is_resolving_a_notification(admin: httpx.AsyncClient):
    mug = await make_product(admin, "MUG", inventory_quantity=1)
    await make_product(admin, "CUP", inventory_quantity=1)
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def delete_slowly() -> None:
        async with transaction():
            await execute("DELETE FROM product WHERE id = $1", mug["id"])
            begun.set()
            await may_end.wait()

    deleting = asyncio.create_task(delete_slowly())
    await begun.wait()
    try:
        async with asyncio.timeout(10):
            await check_low_stock()
    finally:
        may_end.set()
        await deleting
    assert (await row())["subject"] == "Low stock: Product CUP (1 left)"


@pytest.mark.parametrize(
    "name", ["Bell \x07 and\u2028line", "x" * 500, "<b>Bold</b> {{7*7}} {% x %}", "Mug\r\nBcc: eve@here"]
)
async def test_no_name_of_a_product_breaks_the_letter(admin: httpx.AsyncClient, name: str):
    await make_product(admin, "MUG", name=name, inventory_quantity=1)
    await check_low_stock()
    letter = await row()
    assert len(letter["subject"]) < 120
    assert not re.search(r"[\x00-\x1f\u2028]", letter["subject"])
    assert "\nBcc" not in letter["text"]
    assert "<b>" not in letter["html"]
    assert "49" not in letter["text"]


async def test_the_letter_arrives(admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    await make_product(admin, "MUG", name="Tasse für Gäste", inventory_quantity=1)
    await check_low_stock()
    async with smtp_server() as server:
        monkeypatch.setattr("lib.mail.settings", server.settings())
        await send_waiting_mail()
    letter = await row()
    assert (letter["state"], letter["last_error"]) == (MailState.SENT, "")
    assert "Tasse für Gäste" in letter["text"]
    states = await fetch("SELECT mailed_at FROM low_stock_notification")
    assert all(one["mailed_at"] for one in states)
