"""Bulk actions: what they would do, that they ask, what they did, and that history names who did it."""

import asyncio
import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from domains.catalog import changes
from domains.catalog.jobs import run_bulk_change
from piccolo_conf import execute, fetch, fetch_value
from tests.admin.visiting import SITE, submit, text_of

PRICE, PERCENT, ACTIVE = (f"pages/products/{action}/" for action in ("set-price", "change-price", "activate"))
CONFIRMED = {"run": "yes", "confirmed": "yes"}
HIDDEN = re.compile(r'type="hidden" name="(seen|change_id)" value="([^"]+)"')
CHANGE = re.compile(r"/admin/pages/changes/([0-9a-f-]{36})/")


@pytest.fixture
async def shop(site: httpx.AsyncClient) -> httpx.AsyncClient:
    await execute(
        "INSERT INTO product (sku, name, price, brand, product_type, is_active, inventory_quantity) "
        "SELECT 'P-' || n, 'Lamp ' || n, n + 0.05, CASE n % 2 WHEN 0 THEN 'Forge' END, 'Light', n <> 9, n "
        "FROM generate_series(1, 10) AS n"
    )
    return site


async def prices() -> list[str]:
    return [row["price"] for row in await fetch("SELECT price::text FROM product ORDER BY id")]


async def look(client: httpx.AsyncClient, path: str, **fields: Any) -> dict[str, Any]:
    """The form that asks to confirm, with its box ticked."""
    page = await submit(client, path, **fields)
    assert page.status_code == 200, text_of(page)
    return {**fields, **CONFIRMED, **dict(HIDDEN.findall(page.text))}


async def run(client: httpx.AsyncClient, path: str, **fields: Any) -> str:
    """The id of the change that was made."""
    return change_of(await submit(client, path, **await look(client, path, **fields)))


def change_of(response: httpx.Response) -> str:
    assert response.status_code == 303, text_of(response)
    found = CHANGE.fullmatch(response.headers["location"])
    assert found is not None
    return found[1]


async def test_looking_changes_nothing_and_shows_old_and_new(shop: httpx.AsyncClient) -> None:
    before = await prices()
    text = text_of(await submit(shop, PERCENT, brand="Forge", percent="10"))
    assert "5 of 5 chosen products would change" in text
    assert "2 P-2 price 2.05 → 2.26" in text
    assert "10 P-10 price 10.05 → 11.06" in text
    assert await prices() == before
    assert not await fetch_value("SELECT EXISTS (SELECT FROM event WHERE topic <> 'product.created')")


async def test_prices_rise_by_percent_exact_to_the_cent(shop: httpx.AsyncClient) -> None:
    """2.05 and ten percent is 2.255, of which binary numbers make 2.25."""
    await run(shop, PERCENT, brand="Forge", percent="10")
    assert (await prices())[1::2] == ["2.26", "4.46", "6.66", "8.86", "11.06"]
    assert (await prices())[0] == "1.05"


async def test_the_result_tells_count_and_history_with_who_did_it(shop: httpx.AsyncClient) -> None:
    change = await run(shop, PERCENT, brand="Forge", percent="10")
    text = text_of(await shop.get(f"{SITE}/pages/changes/{change}/"))
    assert "Done: 5 products changed." in text
    assert "2 P-2 price 2.05 → 2.26 ada (admin)" in text
    history = text_of(await shop.get(f"{SITE}/pages/history/2/"))
    assert f"updated ada admin bulk:{change} price 2.05 → 2.26" in history


async def test_the_api_history_names_who_changed_the_price(shop: httpx.AsyncClient, staff: httpx.AsyncClient) -> None:
    change = await run(shop, PRICE, ids="3", price="7")
    event = (await staff.get("/api/products/3/history/")).json()["results"][0]
    assert (event["actor"], event["source"], event["reference"]) == ("ada", "admin", f"bulk:{change}")
    assert (event["bulk"], event["changes"]) == (True, {"price": ["3.05", "7.00"]})


@pytest.mark.parametrize(
    ("chosen", "skus"),
    [
        ({"search": "lamp 3"}, ["P-3"]),
        ({"sku": "p-1"}, ["P-1", "P-10"]),
        ({"brand": "Forge", "price_to": "5"}, ["P-2", "P-4"]),
        ({"product_type": "Light", "active": "false"}, ["P-9"]),
        ({"price_from": "9.05"}, ["P-9", "P-10"]),
        ({"stock_from": "3", "stock_to": "4"}, ["P-3", "P-4"]),
        ({"ids": "1, 5;7"}, ["P-1", "P-5", "P-7"]),
        ({"everything": "yes"}, [f"P-{number}" for number in range(1, 11)]),
    ],
)
async def test_a_set_is_chosen(shop: httpx.AsyncClient, chosen: dict[str, str], skus: list[str]) -> None:
    await run(shop, PRICE, price="99", **chosen)
    rows = await fetch("SELECT sku FROM product WHERE price = 99 ORDER BY id")
    assert [row["sku"] for row in rows] == skus


async def test_products_leave_the_offer_and_come_back(shop: httpx.AsyncClient) -> None:
    await run(shop, ACTIVE, brand="Forge", to="inactive")
    assert await fetch_value("SELECT count(*) FROM product WHERE is_active") == 4
    text = text_of(await submit(shop, ACTIVE, everything="yes", to="active"))
    assert "6 of 10 chosen products would change; 4 would stay as they are" in text
    assert "is_active no → yes" in text


@pytest.mark.parametrize(
    ("path", "fields", "told"),
    [
        (PRICE, {"price": "5"}, "choose by filters, or by ids, or tick all products"),
        (PRICE, {"price": "5", "everything": "yes", "brand": "Forge"}, "one of the three"),
        (PRICE, {"price": "", "everything": "yes"}, "price: expected a number like 29.99"),
        (PRICE, {"price": "-1", "everything": "yes"}, "price: must not be negative"),
        (PRICE, {"price": "1.999", "everything": "yes"}, "price: must have at most two decimals"),
        (PERCENT, {"percent": "1001", "everything": "yes"}, "By percent: must be from -100 to 1000"),
        (PERCENT, {"percent": "ten", "everything": "yes"}, "By percent: expected a number"),
        (PRICE, {"price": "5", "price_from": "cheap"}, "Price from: expected a number like 29.99"),
        (PRICE, {"price": "5", "stock_to": "many"}, "Stock to: expected a whole number"),
        (PRICE, {"price": "5", "ids": "1, x"}, "x is no id"),
        (PRICE, {"price": "5", "ids": "9999999999"}, "2147483647"),
    ],
)
async def test_what_is_unclear_is_told_and_changes_nothing(
    shop: httpx.AsyncClient, path: str, fields: dict[str, str], told: str
) -> None:
    before = await prices()
    for extra in ({}, {"seen": "x", "change_id": str(uuid4()), **CONFIRMED}):
        response = await submit(shop, path, **fields, **extra)
        assert response.status_code == 400
        assert told in text_of(response)
    assert await prices() == before


async def test_a_refused_form_keeps_what_was_typed_and_runs_none_of_it(shop: httpx.AsyncClient) -> None:
    response = await submit(shop, PRICE, search='"><script>x</script>', price="dear")
    assert 'value="&#34;&gt;&lt;script&gt;x&lt;/script&gt;"' in response.text
    assert "<script" not in response.text


async def test_without_the_tick_nothing_changes(shop: httpx.AsyncClient) -> None:
    before = await prices()
    fields = await look(shop, PRICE, everything="yes", price="5")
    response = await submit(shop, PRICE, **fields | {"confirmed": ""})
    assert response.status_code == 400
    assert "Tick the box" in text_of(response)
    assert "Really change 10 products" in text_of(response)
    assert await prices() == before


@pytest.mark.parametrize(
    "others",
    [
        "INSERT INTO product (sku, name, brand) VALUES ('P-11', 'Lamp', 'Forge')",
        "UPDATE product SET brand = CASE WHEN brand IS NULL THEN 'Forge' END",
        "UPDATE product SET price = price + 1 WHERE id = 2",
    ],
    ids=["one more", "as many others", "another price"],
)
async def test_what_changed_since_it_was_looked_at_is_shown_again(shop: httpx.AsyncClient, others: str) -> None:
    fields = await look(shop, PERCENT, brand="Forge", percent="10")
    await execute(others)
    before = await prices()
    response = await submit(shop, PERCENT, **fields)
    assert response.status_code == 400
    assert "Look at the numbers again" in text_of(response)
    assert await prices() == before
    again = fields | dict(HIDDEN.findall(response.text))
    assert (await submit(shop, PERCENT, **again)).status_code == 303


async def test_what_others_do_to_the_rest_of_a_product_does_not_stand_in_the_way(shop: httpx.AsyncClient) -> None:
    fields = await look(shop, PERCENT, brand="Forge", percent="10")
    await execute("UPDATE product SET name = 'Lantern', inventory_quantity = 5 WHERE id = 2")
    assert (await submit(shop, PERCENT, **fields)).status_code == 303


@pytest.mark.parametrize("other", [{"percent": "100"}, {"brand": "", "everything": "yes"}, {"change_id": "x"}])
async def test_only_what_was_looked_at_is_confirmed(shop: httpx.AsyncClient, other: dict[str, str]) -> None:
    fields = await look(shop, PERCENT, brand="Forge", percent="10")
    before = await prices()
    response = await submit(shop, PERCENT, **fields | other)
    assert response.status_code == 400
    assert "Look at the numbers again" in text_of(response)
    assert await prices() == before


async def test_a_second_click_changes_nothing_more(shop: httpx.AsyncClient) -> None:
    fields = await look(shop, PERCENT, brand="Forge", percent="10")
    both = await asyncio.gather(*[submit(shop, PERCENT, **fields) for _ in range(2)])
    later = await submit(shop, PERCENT, **fields)
    assert len({change_of(response) for response in (*both, later)}) == 1
    assert (await prices())[1] == "2.26"
    assert await fetch_value("SELECT count(*) FROM event WHERE topic = 'products.bulk_updated'") == 1


async def test_a_second_click_orders_no_second_job(shop: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "PIECE", 4)
    fields = await look(shop, PERCENT, everything="yes", percent="10")
    both = await asyncio.gather(*[submit(shop, PERCENT, **fields) for _ in range(2)])
    assert len({change_of(response) for response in both}) == 1
    assert await fetch_value("SELECT count(*) FROM bulk_job") == 1


async def test_a_large_change_goes_on_in_the_background_in_the_same_name(
    shop: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "PIECE", 4)
    change = await run(shop, PERCENT, everything="yes", percent="100")
    page = await shop.get(f"{SITE}/pages/changes/{change}/")
    assert "pending" in text_of(page)
    assert 'http-equiv="refresh"' in page.text
    monkeypatch.undo()
    await run_bulk_change(UUID(change))
    page = await shop.get(f"{SITE}/pages/changes/{change}/")
    assert "completed , 10 products looked at, 10 changed" in text_of(page)
    assert 'http-equiv="refresh"' not in page.text
    rows = await fetch("SELECT DISTINCT actor, source, reference FROM event WHERE topic = 'product.updated'")
    assert [tuple(row) for row in rows] == [("ada", "admin", f"bulk:{change}")]


async def test_a_price_beyond_all_is_told_and_nothing_is_done(shop: httpx.AsyncClient) -> None:
    await execute("UPDATE product SET price = 9999999999 WHERE id = 1")
    response = await submit(shop, PERCENT, everything="yes", percent="1000")
    assert response.status_code == 400
    assert "A price would get too large" in text_of(response)
    assert 'name="percent" inputmode="decimal" required value="1000"' in response.text
    assert "Change now" not in response.text
    assert (await prices())[1] == "2.05"


async def test_a_change_that_never_was_is_not_found(shop: httpx.AsyncClient) -> None:
    assert (await shop.get(f"{SITE}/pages/changes/{uuid4()}/")).status_code == 404
    assert (await shop.get(f"{SITE}/pages/changes/x/")).status_code == 404
    assert (await shop.get(f"{SITE}/pages/products/burn/")).status_code == 404


async def test_a_search_leads_into_the_list_and_into_the_actions(shop: httpx.AsyncClient) -> None:
    query = {"sku": "P-1", "brand": "Forge", "price_from": "5", "stock_to": "", "ids": "3 4"}
    found = await shop.get(f"{SITE}/pages/products/list/", params=query)
    assert found.headers["location"] == (
        "/admin/#/product?sku__istartswith=P-1&brand=Forge&price__gte=5&id__in=3%2C4&brand__match=exact"
    )
    page = await shop.get(f"{SITE}/{PRICE}", params=query)
    assert 'name="sku" value="P-1"' in page.text
    assert (await shop.get(f"{SITE}/pages/products/")).status_code == 200
