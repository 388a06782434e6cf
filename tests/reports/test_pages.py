"""The page of the dashboard: who sees what on it, and that it is fit for screen readers and the strict policy."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from domains.accounts.tables import Role
from tests.catalog.making import make_product
from tests.reports.making import make_delivery, make_endpoint, make_import, make_sale, make_tally
from tests.web.browsing import Browser, Page, register
from tests.web.test_pages import check

DASHBOARD = "/dashboard/"
NUMBERS = "/dashboard/numbers/"
HTML = {"Accept": "text/html"}
LONG_AGO = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
async def visitor(database: None) -> AsyncIterator[Browser]:
    async with Browser() as browser:
        yield browser


@pytest.fixture
async def sam(database: None) -> AsyncIterator[Browser]:
    """Of the staff, signed in."""
    async with Browser() as browser:
        await browser.be(await register("sam", Role.STAFF))
        yield browser


def sections(page: Page) -> list[str]:
    return [found["id"] for found in page.all("section")]


async def fill(staff: httpx.AsyncClient) -> None:
    await make_product(staff, "A-1", name="<b>Anvil</b>", price="12.50", cost_price="8.01", stock=2000)
    await make_product(staff, "A-2", price="3.00", stock=1, currency="EUR")
    await make_sale("42.00")
    await make_sale("7.00", days=1)
    await make_import(1200, 7)
    await make_import(5, status="failed")
    await make_tally(90, 3)
    endpoint = await make_endpoint("https://till.example/<hook>")
    await make_delivery(endpoint, "pending")


@pytest.mark.parametrize("path", [DASHBOARD, NUMBERS])
async def test_a_visitor_signs_in_first(visitor: Browser, path: str) -> None:
    answer = await visitor.ask("GET", path)
    assert (answer.status_code, answer.headers["location"][:21]) == (303, "/accounts/login/?next")


@pytest.mark.parametrize("path", [DASHBOARD, NUMBERS])
async def test_a_customer_may_not_open_it(customer: httpx.AsyncClient, path: str) -> None:
    assert (await customer.get(path, headers=HTML)).status_code == 403


async def test_an_empty_shop_is_told_that_there_is_nothing_yet(sam: Browser) -> None:
    page = await sam.open(DASHBOARD)
    check(page)
    for words in ("Nothing was imported yet.", "Nothing is low.", "Nothing is in stock.", "No other system is told"):
        assert words in page.words
    assert page.all("svg") == []


async def test_numbers_plots_and_lists_are_there_and_escaped(sam: Browser, staff: httpx.AsyncClient) -> None:
    await fill(staff)
    page = await sam.open(DASHBOARD)
    check(page)
    assert sections(page) == ["figures", "plots", "imports", "low", "webhooks"]
    for words in ("42.00 USD", "25,000.00 USD", "Cost 16,020.00 USD", "1,205", "7 rejected", "90", "1 waiting", "A-2"):
        assert words in page.words, words
    assert "<hook>" not in page.answer.text


async def test_what_is_drawn_is_told_in_words(sam: Browser, staff: httpx.AsyncClient) -> None:
    await fill(staff)
    page = await sam.open(DASHBOARD)
    ids = {found["id"] for _, found in page.tags if "id" in found}
    drawn = page.all("svg")
    assert len(drawn) == 5
    assert all(found["role"] == "img" for found in drawn)
    assert {found[name] for found in drawn for name in ("aria-labelledby", "aria-describedby")} <= ids
    assert re.search(r"49\.00 USD since \d+ \w{3}; the most on \d+ \w{3}: 42\.00 USD", page.words)
    assert re.search(r"\d+ \w{3}: 90 delivered, 3 failed", page.words)


async def test_the_numbers_alone_are_those_of_the_page(sam: Browser, staff: httpx.AsyncClient) -> None:
    await fill(staff)
    whole, numbers = (await sam.open(DASHBOARD)).answer, (await sam.open(NUMBERS)).answer
    assert numbers.text.strip() in whole.text
    assert numbers.headers["cache-control"] == "no-store"
    assert "<html" not in numbers.text


async def test_asking_for_numbers_takes_no_flash_from_the_next_page(sam: Browser) -> None:
    page = await sam.open("/accounts/profile/")
    await sam.send(page, "/accounts/profile/", first_name="Sam")
    await sam.open(NUMBERS)
    assert 'role="status"><p>' in (await sam.open("/accounts/profile/")).answer.text


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (["dashboard:read"], ["figures", "plots"]),
        (["dashboard:read", "imports:write"], ["figures", "plots", "imports"]),
        (["dashboard:read", "inventory:read"], ["figures", "plots", "low"]),
        (["dashboard:read", "webhooks:read"], ["figures", "plots", "webhooks"]),
    ],
)
async def test_a_key_sees_no_more_than_it_could_read_elsewhere(
    staff: httpx.AsyncClient, scopes: list[str], expected: list[str]
) -> None:
    await fill(staff)
    made = await staff.post("/auth/api-keys/", json={"name": "Wall", "scopes": scopes})
    async with Browser() as machine:
        machine.client.headers["Authorization"] = f"Bearer {made.json()['secret']}"
        page = await machine.open(DASHBOARD)
    assert sections(page) == expected
    assert "16,020" not in page.words
    assert "Cost" not in page.words


async def test_endpoints_with_trouble_are_shown_with_the_reason(sam: Browser) -> None:
    for reason in ("gone", "failing", "by_hand"):
        url = f"https://{reason}.example/"
        await make_endpoint(url, is_enabled=False, disabled_reason=reason, disabled_at=LONG_AGO)
    await make_endpoint("https://ill.example/", failing_since=LONG_AGO)
    page = await sam.open(DASHBOARD)
    assert "Disabled: it answered that it is gone (410)." in page.words
    assert "Disabled after five days without a success." in page.words
    assert "Failing since 3 Feb, 04:05." in page.words
    assert "by_hand.example" not in page.words
    assert "3 with trouble" in page.words
    assert "/webhooks/1/" in page.links


async def test_of_many_endpoints_with_trouble_it_tells_how_many_are_not_shown(sam: Browser) -> None:
    for number in range(10):
        await make_endpoint(f"https://{number}.example/", failing_since=LONG_AGO)
    page = await sam.open(DASHBOARD)
    assert "10 with trouble" in page.words
    assert "8 of 10 that have trouble." in page.words


async def test_revenue_is_told_in_the_currency_of_the_shop_first(sam: Browser, staff: httpx.AsyncClient) -> None:
    await make_product(staff, price="1.00", stock=1)
    for currency, total in (("EUR", "5.00"), ("USD", "7.00"), ("USD", "1.00")):
        await make_sale(total, currency=currency)
    await make_sale("2.00", currency="EUR", days=1)
    page = await sam.open(DASHBOARD)
    assert "8.00 USDand 5.00 EURYesterday 2.00 EUR" in page.words
