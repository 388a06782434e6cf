"""The page of an order: what it tells, and that it is shipped, delivered and cancelled from there, once."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from domains.catalog.proof import find_differences
from piccolo_conf import execute, fetch, fetch_value
from tests.admin.visiting import SITE, submit, text_of
from tests.catalog.making import make_product

PAGE = "pages/orders/1/"
FORM_ID = re.compile(r'name="form_id" value="([^"]+)"')


@pytest.fixture
async def shop(site: httpx.AsyncClient, staff: httpx.AsyncClient) -> httpx.AsyncClient:
    """Order 1 took three of ten lamps."""
    await make_product(staff, "A-1", name="Oak lamp", price="10.50", inventory_quantity=10)
    placed = await staff.post(
        "/api/sales-orders/",
        json={"product": "sku:A-1", "quantity": 3, "customer_name": "Grace <b>", "email": "grace@example.com"},
    )
    assert placed.status_code == 201, placed.text
    return site


async def press(client: httpx.AsyncClient, step: str, **fields: Any) -> httpx.Response:
    """As from a page that was opened just now."""
    page = await client.get(f"{SITE}/{PAGE}")
    return await submit(client, PAGE, **{"form_id": FORM_ID.findall(page.text)[0], "step": step} | fields)


async def told_after(client: httpx.AsyncClient, answer: httpx.Response) -> str:
    assert answer.status_code == 303, text_of(answer)
    return text_of(await client.get(answer.headers["location"]))


async def stock() -> int:
    assert await find_differences() == []
    return int(await fetch_value("SELECT inventory_quantity FROM product"))


async def state() -> tuple[str, list[str]]:
    rows = await fetch("SELECT status FROM delivery ORDER BY id")
    return await fetch_value("SELECT status FROM sales_order"), [row["status"] for row in rows]


async def test_an_order_is_shown_with_its_lines_and_what_it_moved(shop: httpx.AsyncClient) -> None:
    page = await shop.get(f"{SITE}/{PAGE}")
    text = text_of(page)
    assert "Order SO-000001" in text
    assert "A-1 Oak lamp 10.50 3 31.50" in text
    assert "3 10 → 7 sale order 1 stan" in text
    assert "What became of it When (UTC) What Who" in text
    assert "Grace &lt;b&gt;" in page.text
    assert "grace@example.com" in text


async def test_an_order_is_shipped_at_once_and_arrives(shop: httpx.AsyncClient) -> None:
    shipped = await press(
        shop, "prepare-and-ship", carrier="DHL", tracking_number=" JD-1 ", cost="6.90", notes="Fragile"
    )
    text = await told_after(shop, shipped)
    assert "The order is shipped." in text
    assert await state() == ("shipped", ["shipped"])
    row = (await fetch("SELECT carrier, tracking_number, cost::text, notes FROM delivery"))[0]
    assert tuple(row) == ("DHL", "JD-1", "6.90", "Fragile")
    text = await told_after(
        shop, await press(shop, "deliver", carrier="DHL", tracking_number="JD-1", notes="At the door")
    )
    assert "The order is delivered." in text
    assert "At the door" in text
    assert await state() == ("delivered", ["delivered"])


async def test_a_delivery_is_prepared_saved_and_shipped_later(shop: httpx.AsyncClient) -> None:
    ada = await fetch_value("SELECT id FROM users WHERE username = 'ada'")
    await told_after(shop, await press(shop, "prepare", assigned_to=str(ada)))
    assert await state() == ("placed", ["pending"])
    assert "Saved." in await told_after(shop, await press(shop, "save", carrier="UPS", assigned_to=str(ada)))
    await told_after(shop, await press(shop, "ship", carrier="UPS", assigned_to=str(ada)))
    assert await state() == ("shipped", ["shipped"])
    assert await fetch_value("SELECT assigned_to FROM delivery") == ada


async def test_a_delivery_that_is_given_up_may_be_followed_by_another(shop: httpx.AsyncClient) -> None:
    await press(shop, "prepare-and-ship", carrier="Lost Ltd")
    await told_after(shop, await press(shop, "give-up", confirmed="yes"))
    assert await state() == ("placed", ["cancelled"])
    assert "A delivery by Lost Ltd was cancelled" in text_of(await shop.get(f"{SITE}/{PAGE}"))
    await told_after(shop, await press(shop, "prepare-and-ship"))
    assert await state() == ("shipped", ["cancelled", "shipped"])


async def test_a_delivery_that_somebody_else_gave_up_is_told_of_on_the_page(shop: httpx.AsyncClient) -> None:
    await press(shop, "prepare", carrier="Lost Ltd")
    stale = FORM_ID.findall((await shop.get(f"{SITE}/{PAGE}")).text)[0]
    await press(shop, "give-up", confirmed="yes")
    refused = await submit(shop, PAGE, form_id=stale, step="ship", carrier="Lost Ltd")
    assert refused.status_code == 409
    assert "This delivery is cancelled." in text_of(refused)
    assert "Order SO-000001" in text_of(refused)
    assert await state() == ("placed", ["cancelled"])


async def test_a_cancelled_order_returns_its_stock_once(shop: httpx.AsyncClient) -> None:
    page = await shop.get(f"{SITE}/{PAGE}")
    form = {"form_id": FORM_ID.findall(page.text)[0], "step": "cancel", "confirmed": "yes", "note": "By phone"}
    answers = await asyncio.gather(*(submit(shop, PAGE, **form) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {303}
    text = await told_after(shop, await submit(shop, PAGE, **form))
    assert "The order is cancelled." in text
    assert "cancellation order 1 By phone ada" in text
    assert await stock() == 10
    assert await fetch_value("SELECT count(*) FROM stock_movement WHERE reason = 'cancellation'") == 1
    assert "Cancel the order" not in text


@pytest.mark.parametrize("step", ["cancel", "give-up"])
async def test_what_cannot_be_taken_back_asks_for_a_tick(shop: httpx.AsyncClient, step: str) -> None:
    await press(shop, "prepare")
    refused = await press(shop, step, note="Kept")
    assert refused.status_code == 400
    assert "Tick the box to confirm." in text_of(refused)
    assert await state() == ("placed", ["pending"])


async def test_a_shipped_order_is_not_cancelled(shop: httpx.AsyncClient) -> None:
    await press(shop, "prepare-and-ship")
    refused = await press(shop, "cancel", confirmed="yes")
    assert refused.status_code == 409
    assert "This order is shipped" in text_of(refused)
    assert await stock() == 7


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"cost": "dear"}, 400, "Cost"),
        ({"cost": "-1"}, 400, "Cost"),
        ({"tracking_number": "x" * 101}, 400, "Tracking number"),
        ({"assigned_to": "99"}, 400, "Who brings it"),
        ({"assigned_to": "nobody"}, 400, "Who brings it"),
        ({"step": "explode"}, 400, "Press one of the buttons"),
        ({"form_id": ""}, 409, "This form was sent before"),
    ],
)
async def test_what_is_wrong_is_told_and_leaves_no_delivery(
    shop: httpx.AsyncClient, fields: dict[str, str], status: int, told: str
) -> None:
    wanted = {"step": "prepare-and-ship", "carrier": "Kept"} | fields
    refused = await press(shop, wanted.pop("step"), **wanted)
    assert (refused.status_code, told in text_of(refused)) == (status, True), text_of(refused)
    assert await state() == ("placed", [])


async def test_a_refused_form_keeps_what_was_typed(shop: httpx.AsyncClient) -> None:
    await execute("INSERT INTO sales_order (number, currency, total, source) VALUES ('X', 'USD', 0, 'api')")
    await execute(
        "INSERT INTO delivery (sales_order, tracking_number) SELECT id, 'jd-1' FROM sales_order WHERE number = 'X'"
    )
    refused = await press(shop, "prepare-and-ship", carrier="DHL", tracking_number="JD-1", notes="Kept")
    assert refused.status_code == 409
    assert "Another delivery already has this tracking number." in text_of(refused)
    assert 'value="DHL"' in refused.text
    assert ">Kept</textarea>" in refused.text


@pytest.mark.parametrize("order", ["7", "0", "x", "9" * 30])
async def test_an_order_that_is_not_there_is_not_found(site: httpx.AsyncClient, order: str) -> None:
    assert (await site.get(f"{SITE}/pages/orders/{order}/")).status_code == 404
    assert (await submit(site, f"pages/orders/{order}/", step="cancel", confirmed="yes")).status_code in {404, 409}
