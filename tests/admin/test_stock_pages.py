"""The pages of stock: the overview, adjusting and transferring, and what was booked."""

import asyncio
import re
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from domains.catalog.proof import find_differences
from piccolo_conf import execute, fetch, fetch_value
from tests.admin.visiting import SITE, submit, text_of
from tests.catalog.making import make_product

STOCK, ADJUST, TRANSFER = "pages/stock/", "pages/stock/adjust/", "pages/stock/transfer/"
HIDDEN = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')


@pytest.fixture
async def shop(site: httpx.AsyncClient, staff: httpx.AsyncClient) -> httpx.AsyncClient:
    """Ten lamps at the main location, and a second location."""
    await execute("INSERT INTO location (code, name) VALUES ('north', 'North')")
    await make_product(staff, "A-1", name="Oak lamp", inventory_quantity=10)
    return site


async def form_of(client: httpx.AsyncClient, path: str, **query: Any) -> dict[str, str]:
    """The hidden fields of the page's last form."""
    page = await client.get(f"{SITE}/{path}", params=query)
    assert page.status_code == 200, text_of(page)
    return dict(HIDDEN.findall(page.text))


async def adjust(client: httpx.AsyncClient, form: dict[str, str], **fields: Any) -> httpx.Response:
    """What a page is led to, or its refusal."""
    main = await fetch_value("SELECT id FROM location WHERE is_default")
    return await submit(client, ADJUST, **form | {"location": str(main)} | fields)


async def levels() -> list[tuple[str, int]]:
    rows = await fetch("SELECT code, on_hand FROM stock_level s JOIN location l ON l.id = s.location ORDER BY code")
    assert await find_differences() == []
    return [(row["code"], row["on_hand"]) for row in rows]


@pytest.mark.parametrize("query", [{"sku": "a-1"}, {"sku": " A-1 "}, {"product": "1"}])
async def test_a_product_is_chosen_and_its_levels_shown(shop: httpx.AsyncClient, query: dict[str, str]) -> None:
    text = text_of(await shop.get(f"{SITE}/{ADJUST}", params=query))
    assert "Oak lamp" in text
    assert "Main location main 10 North north 0" in text
    assert "Together 10" in text


async def test_words_of_a_name_lead_to_products(shop: httpx.AsyncClient) -> None:
    page = await shop.get(f"{SITE}/{ADJUST}", params={"sku": "oak"})
    assert page.status_code == 200
    assert f"{SITE}/{ADJUST}?sku=A-1" in page.text


@pytest.mark.parametrize(
    "query",
    [{"sku": "%"}, {"sku": "nothing"}, {"product": "9"}, {"product": "9" * 30}, {"product": "x"}],
)
@pytest.mark.parametrize("path", [ADJUST, TRANSFER])
async def test_a_product_that_is_not_there_is_told(shop: httpx.AsyncClient, path: str, query: dict[str, str]) -> None:
    page = await shop.get(f"{SITE}/{path}", params=query)
    assert page.status_code == 404
    assert "No product has this SKU" in text_of(page)


@pytest.mark.parametrize(
    ("way", "units", "told", "reason", "on_hand"),
    [
        ("counted", "7", "10 → 7", "count", 7),
        ("counted", "0", "10 → 0", "count", 0),
        ("found", "5", "10 → 15", "adjustment", 15),
        ("lost", "2", "10 → 8", "adjustment", 8),
        ("returned", "1", "10 → 11", "return", 11),
    ],
)
async def test_stock_is_adjusted_and_old_and_new_are_told(
    shop: httpx.AsyncClient, way: str, units: str, told: str, reason: str, on_hand: int
) -> None:
    form = await form_of(shop, ADJUST, sku="A-1")
    done = await adjust(shop, form, way=way, units=units, note="Shelf 4")
    assert done.status_code == 303, text_of(done)
    text = text_of(await shop.get(done.headers["location"]))
    assert "Stock was adjusted" in text
    assert told in text
    assert f"{reason} all of it Shelf 4 ada" in text
    assert await levels() == [("main", on_hand)]


async def test_an_adjustment_is_of_the_chosen_location(shop: httpx.AsyncClient) -> None:
    north = await fetch_value("SELECT id FROM location WHERE code = 'north'")
    done = await adjust(shop, await form_of(shop, ADJUST, sku="A-1"), way="found", units="3", location=str(north))
    assert done.status_code == 303, text_of(done)
    assert await levels() == [("main", 10), ("north", 3)]


async def test_what_is_as_it_was_counted_needs_no_booking(shop: httpx.AsyncClient) -> None:
    done = await adjust(shop, await form_of(shop, ADJUST, sku="A-1"), way="counted", units="10")
    assert "Nothing to book" in text_of(await shop.get(done.headers["location"]))
    assert await fetch_value("SELECT count(*) FROM stock_movement") == 1


@pytest.mark.parametrize("way", ["counted", "lost"])
async def test_a_form_with_old_numbers_is_refused_and_shows_the_new_ones(shop: httpx.AsyncClient, way: str) -> None:
    form = await form_of(shop, ADJUST, sku="A-1")
    assert (await adjust(shop, await form_of(shop, ADJUST, sku="A-1"), way="lost", units="4")).status_code == 303
    refused = await adjust(shop, form, way=way, units="2", note="Kept")
    assert refused.status_code == 409
    text = text_of(refused)
    assert "6 of A-1 lie at main, 10 were expected." in text
    assert "Together 6" in text
    assert 'value="Kept"' in refused.text
    assert (await adjust(shop, dict(HIDDEN.findall(refused.text)), way=way, units="2")).status_code == 303
    assert await levels() == [("main", 2 if way == "counted" else 4)]


async def test_a_form_counts_once_however_often_it_is_sent(shop: httpx.AsyncClient) -> None:
    form = await form_of(shop, ADJUST, sku="A-1")
    answers = await asyncio.gather(*(adjust(shop, form, way="lost", units="1") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {303}
    again = await adjust(shop, form, way="lost", units="1")
    assert {answer.headers["location"] for answer in answers} == {again.headers["location"]}
    assert await levels() == [("main", 9)]


async def test_a_form_that_was_used_is_no_other_form(shop: httpx.AsyncClient) -> None:
    form = await form_of(shop, ADJUST, sku="A-1")
    await adjust(shop, form, way="lost", units="1")
    refused = await adjust(shop, form, way="lost", units="2")
    assert refused.status_code == 409
    assert "This form was sent before" in text_of(refused)
    assert await levels() == [("main", 9)]


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"way": "lost", "units": "11"}, 409, "10 of A-1"),
        ({"way": "lost", "units": "0"}, 400, "Units: type a whole number, 1 or more"),
        ({"way": "counted", "units": "-1"}, 400, "Units: type a whole number, 0 or more"),
        ({"way": "counted", "units": "9999999999"}, 400, "Units"),
        ({"way": "found", "units": "2147483640"}, 400, "Units: would make it more than 2147483647"),
        ({"way": "stolen", "units": "1"}, 400, "What happened: choose one"),
        ({"way": "found", "units": "1", "location": "99"}, 400, "Location: there is no active location"),
        ({"way": "found", "units": "1", "note": "x" * 1001}, 400, "Note"),
        ({"way": "found", "units": "1", "form_id": "x"}, 409, "This form was sent before"),
    ],
)
async def test_what_cannot_be_booked_is_told(
    shop: httpx.AsyncClient, fields: dict[str, str], status: int, told: str
) -> None:
    refused = await adjust(shop, await form_of(shop, ADJUST, sku="A-1"), **fields)
    assert (refused.status_code, told in text_of(refused)) == (status, True), text_of(refused)
    assert await levels() == [("main", 10)]


async def test_stock_is_transferred(shop: httpx.AsyncClient) -> None:
    main, north = [row["id"] for row in await fetch("SELECT id FROM location ORDER BY id")]
    form = await form_of(shop, TRANSFER, sku="A-1") | {"from_location": str(main), "to_location": str(north)}
    done = await submit(shop, TRANSFER, **form, units="4", note="")
    text = text_of(await shop.get(done.headers["location"]))
    assert "Stock was transferred" in text
    assert "10 → 6" in text
    assert "0 → 4" in text
    assert await levels() == [("main", 6), ("north", 4)]
    again = await submit(shop, TRANSFER, **form, units="4", note="")
    assert again.headers["location"] == done.headers["location"]
    assert await levels() == [("main", 6), ("north", 4)]


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"units": "11"}, 409, "10 of A-1"),
        ({"units": "1", "to_location": "main"}, 400, "To"),
        ({"units": "1", "to_location": "99"}, 400, "To: there is no active location"),
        ({"units": "none"}, 400, "Units: type a whole number"),
    ],
)
async def test_a_transfer_that_cannot_be_is_told(
    shop: httpx.AsyncClient, fields: dict[str, str], status: int, told: str
) -> None:
    form = await form_of(shop, TRANSFER, sku="A-1") | {"from_location": "main", "to_location": "north"}
    refused = await submit(shop, TRANSFER, **form | fields)
    assert (refused.status_code, told in text_of(refused)) == (status, True), text_of(refused)
    assert await levels() == [("main", 10)]


@pytest.mark.parametrize("reference", ["adjustment:x", "x" * 300, "order:1"])
async def test_moves_that_are_not_there_are_not_found(shop: httpx.AsyncClient, reference: str) -> None:
    assert (await shop.get(f"{SITE}/pages/moves/{reference}/")).status_code == 404


async def test_the_overview_tells_what_is_low_and_puts_it_away(shop: httpx.AsyncClient) -> None:
    await adjust(shop, await form_of(shop, ADJUST, sku="A-1"), way="lost", units="8")
    page = await shop.get(f"{SITE}/{STOCK}")
    assert "1 product is low" in text_of(page)
    assert "A-1 new Oak lamp 2 5" in text_of(page)
    notification = dict(HIDDEN.findall(page.text))["notification"]
    read = await submit(shop, STOCK, notification=notification, step="read")
    assert "A-1 Oak lamp 2 5" in text_of(await shop.get(read.headers["location"]))
    await submit(shop, STOCK, notification=notification, step="dismiss")
    assert "Nothing is low." in text_of(await shop.get(f"{SITE}/{STOCK}"))


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"step": "read", "notification": "9"}, 404), ({"step": "x", "notification": "9"}, 400), ({"step": "read"}, 404)],
)
async def test_a_button_that_is_none_does_nothing(shop: httpx.AsyncClient, fields: dict[str, str], status: int) -> None:
    assert (await submit(shop, STOCK, **fields)).status_code == status


@pytest.mark.parametrize("path", [STOCK, ADJUST, TRANSFER, "pages/moves/x/", "pages/orders/1/", "pages/schedules/"])
async def test_a_stranger_is_sent_to_sign_in(visitor: httpx.AsyncClient, staff: httpx.AsyncClient, path: str) -> None:
    """The site is for administrators: a token of the API, whosever it is, opens nothing here."""
    for client in (visitor, staff):
        answer = await client.get(f"{SITE}/{path}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{SITE}/sign-in/?{urlencode({'next': path})}")


async def test_a_form_of_another_site_is_refused(shop: httpx.AsyncClient) -> None:
    form = await form_of(shop, ADJUST, sku="A-1")
    shop.headers.pop("X-CSRFToken")
    forged = await shop.post(f"{SITE}/{ADJUST}", data=form | {"csrftoken": "x", "way": "lost", "units": "1"})
    assert forged.status_code == 403
    assert await levels() == [("main", 10)]
