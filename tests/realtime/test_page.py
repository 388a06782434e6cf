"""The page of the live feed, as it is before any script moves it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from domains.accounts.tables import Role
from domains.events import services as events
from tests.catalog.making import make_product
from tests.realtime.sockets import relay
from tests.web.browsing import Browser, register

PAGE = "/dashboard/products/"


@pytest.fixture
async def steve(database: None) -> AsyncIterator[Browser]:
    """A member of staff at a browser."""
    async with Browser() as browser:
        await browser.be(await register("steve", Role.STAFF))
        yield browser


async def test_the_page_shows_what_happened_newest_first(steve: Browser, staff: httpx.AsyncClient):
    product = await make_product(staff, "L-1", name="Lamp", price="19.99")
    await staff.patch(f"/api/products/{product['id']}/", json={"price": "24.99"})
    ids = await relay()
    page = await steve.open(PAGE)
    assert [row["data-id"] for row in page.all("li") if "data-id" in row] == [str(it) for it in reversed(ids)]
    assert "Lamp (L-1): price 19.99 → 24.99" in page.words
    [feed] = page.all("ol")
    assert feed["data-since"] == str(ids[-1])


async def test_a_page_without_history_starts_from_the_beginning(steve: Browser):
    page = await steve.open(PAGE)
    assert page.all("ol")[0]["data-since"] == "0"
    assert "Nothing has happened yet" in page.words


async def test_names_are_text_and_never_markup(steve: Browser, staff: httpx.AsyncClient):
    await make_product(staff, "X-1", name="<script>alert(1)</script>")
    await relay()
    page = await steve.open(PAGE)
    assert "<script>alert(1)</script> (X-1) created" in page.words
    assert "&lt;script&gt;alert(1)" in page.answer.text


async def test_an_event_that_cannot_be_read_is_left_out(steve: Browser, staff: httpx.AsyncClient):
    await events.record("inventory.low", subject="product:1", data=["written", "by", "hand"])
    await make_product(staff, "L-1")
    await relay()
    page = await steve.open(PAGE)
    assert [row["data-action"] for row in page.all("li") if "data-id" in row] == ["created"]


async def test_only_an_administrator_is_shown_the_way_to_the_admin_site(steve: Browser, admin: httpx.AsyncClient):
    product = await make_product(admin, "L-1")
    await relay()
    link = f"/admin/#/product/{product['id']}"
    assert link not in (await steve.open(PAGE)).links
    async with Browser() as browser:
        await browser.be(await register("adele", Role.ADMIN))
        assert link in (await browser.open(PAGE)).links


async def test_the_page_is_for_staff(client: httpx.AsyncClient, customer: httpx.AsyncClient, staff: httpx.AsyncClient):
    key = await staff.post("/auth/api-keys/", json={"name": "till", "scopes": ["dashboard:read"]})
    by_key = await client.get(PAGE, headers={"Authorization": f"Bearer {key.json()['secret']}"})
    answers = [await customer.get(PAGE), await staff.get(PAGE), by_key]
    assert [answer.status_code for answer in answers] == [403, 200, 403]
    visitor = Browser()
    async with visitor:
        sent_on = await visitor.ask("GET", PAGE)
    assert sent_on.headers["location"].startswith("/accounts/login/")


async def test_what_is_no_websocket_is_no_server_error(staff: httpx.AsyncClient):
    assert (await staff.get("/ws/products/")).status_code in {404, 405}
