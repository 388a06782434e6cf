"""The page of a purchase: receive all or parts, cancel the rest, take a receipt back."""

import re
from typing import Any

import httpx
import pytest

from domains.catalog.proof import find_differences
from piccolo_conf import execute, fetch, fetch_row, fetch_value
from tests.admin.visiting import SITE, submit, text_of
from tests.catalog.making import make_product

PAGE = "pages/purchases/1/"
FORM_ID = re.compile(r'name="form_id" value="([^"]+)"')


@pytest.fixture
async def shop(site: httpx.AsyncClient, staff: httpx.AsyncClient) -> httpx.AsyncClient:
    """Purchase 1 is of five lamps and three vases, which have not come yet."""
    for sku in ("LAMP", "VASE"):
        await make_product(staff, sku, cost_price="4.00")
    lines = [{"product": "sku:LAMP", "quantity": 5}, {"product": "sku:VASE", "quantity": 3}]
    bought = await staff.post(
        "/api/purchase-orders/", json={"supplier_name": "Acme & Sons", "lines": lines, "receive": False}
    )
    assert bought.status_code == 201, bought.text
    return site


async def press(client: httpx.AsyncClient, step: str, **fields: Any) -> httpx.Response:
    """As from a page that was opened just now; `line_1` is the field of line 1."""
    page = await client.get(f"{SITE}/{PAGE}")
    typed = {name.replace("line_", "line-"): value for name, value in fields.items()}
    return await submit(client, PAGE, **{"form_id": FORM_ID.findall(page.text)[0], "step": step, **typed})


async def receive(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    main = await fetch_value("SELECT id FROM location WHERE is_default")
    return await press(client, "receive", **{"location": str(main), **fields})


async def told_after(client: httpx.AsyncClient, answer: httpx.Response) -> str:
    assert answer.status_code == 303, text_of(answer)
    return text_of(await client.get(answer.headers["location"]))


async def stock() -> list[int]:
    assert await find_differences() == []
    return [row["inventory_quantity"] for row in await fetch("SELECT inventory_quantity FROM product ORDER BY id")]


async def status() -> str:
    return str(await fetch_value("SELECT status FROM purchase_order"))


async def test_a_purchase_is_shown_with_what_has_not_come(shop: httpx.AsyncClient) -> None:
    page = await shop.get(f"{SITE}/{PAGE}")
    text = text_of(page)
    assert "Purchase PO-000001" in text
    assert "Acme &amp; Sons" in page.text
    assert "LAMP Product LAMP 4.00 5 0" in text
    assert 'name="line-1" aria-label="Of LAMP came now" inputmode="numeric" maxlength="10" value="5"' in page.text


async def test_all_is_received(shop: httpx.AsyncClient) -> None:
    text = await told_after(shop, await receive(shop, line_1="5", line_2="3", note="One pallet"))
    assert "Received: it is in stock." in text
    assert "One pallet" in text
    assert (await status(), await stock()) == ("received", [5, 3])
    assert "Came now" not in text
    assert await fetch_value("SELECT u.username FROM receipt r JOIN users u ON u.id = r.received_by") == "ada"


async def test_parts_are_received_where_they_are_put(shop: httpx.AsyncClient) -> None:
    await execute("INSERT INTO location (code, name) VALUES ('north', 'North')")
    north = await fetch_value("SELECT id FROM location WHERE code = 'north'")
    await told_after(shop, await receive(shop, line_1="2", line_2="0", location=str(north)))
    assert (await status(), await stock()) == ("partly_received", [2, 0])
    row = await fetch_row("SELECT location, on_hand FROM stock_level WHERE on_hand > 0")
    assert row is not None
    assert tuple(row) == (north, 2)
    await told_after(shop, await receive(shop, line_1="3", line_2=""))
    assert await stock() == [5, 0]


async def test_what_has_not_come_is_cancelled(shop: httpx.AsyncClient) -> None:
    await receive(shop, line_1="2")
    assert "Tick the box" in text_of(await press(shop, "cancel"))
    text = await told_after(shop, await press(shop, "cancel", confirmed="yes"))
    assert "What had not come is cancelled." in text
    assert "LAMP Product LAMP 4.00 5 2 3" in text
    assert (await status(), await stock()) == ("received", [2, 0])


async def test_a_receipt_is_taken_back_once(shop: httpx.AsyncClient) -> None:
    await receive(shop, line_1="2")
    assert "Tick the box" in text_of(await press(shop, "reverse", receipt="1"))
    text = await told_after(shop, await press(shop, "reverse", receipt="1", confirmed="yes", note="Broken"))
    assert "The receipt is taken back." in text
    assert "reversal receipt 1 Broken ada" in text
    assert (await status(), await stock()) == ("ordered", [0, 0])
    again = await press(shop, "reverse", receipt="1", confirmed="yes")
    assert (again.status_code, await stock()) == (409, [0, 0])


async def test_a_receipt_whose_units_are_gone_is_not_taken_back(
    shop: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    await receive(shop, line_1="2")
    await staff.post("/api/sales-orders/", json={"product": "sku:LAMP", "quantity": 1})
    refused = await press(shop, "reverse", receipt="1", confirmed="yes")
    assert refused.status_code == 409
    assert "Only 1 of LAMP" in text_of(refused)
    assert await stock() == [1, 0]


async def test_a_receipt_counts_once(shop: httpx.AsyncClient) -> None:
    form_id = FORM_ID.findall((await shop.get(f"{SITE}/{PAGE}")).text)[0]
    for _ in range(2):
        await told_after(shop, await receive(shop, form_id=form_id, line_1="2"))
    assert await stock() == [2, 0]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"line_1": "6"}, "Came now of LAMP"),
        ({"line_2": "many"}, "Came now of VASE"),
        ({"line_1": "-1"}, "Came now of LAMP"),
        ({"line_1": "0", "line_2": ""}, "Type how much has come of at least one line."),
        ({"line_9": "1"}, "Came now of another purchase"),
        ({"line_1": "1", "location": "99"}, "Location: there is no active location"),
        ({"line_1": "1", "note": "x" * 1001}, "Note"),
    ],
)
async def test_what_cannot_have_come_is_told_and_kept(
    shop: httpx.AsyncClient, fields: dict[str, str], told: str
) -> None:
    refused = await receive(shop, **fields)
    assert (refused.status_code, told in text_of(refused)) == (400, True), text_of(refused)
    assert (await status(), await stock()) == ("ordered", [0, 0])


@pytest.mark.parametrize("purchase", ["7", "0", "x", "9" * 30])
async def test_a_purchase_that_is_not_there_is_not_found(site: httpx.AsyncClient, purchase: str) -> None:
    assert (await site.get(f"{SITE}/pages/purchases/{purchase}/")).status_code == 404
