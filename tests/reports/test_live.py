"""The dashboard in a browser: it follows what happens, and says when it cannot."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.browser import Page, browser, needs_chromium
from tests.faults.harness import REPOSITORY, House, free_port

pytestmark = [needs_chromium, pytest.mark.timeout(180), pytest.mark.xdist_group("browser")]

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
# Coming back online is one of the moments at which the page asks at once.
ASK_NOW = "() => { dispatchEvent(new Event('online')); return true; }"
FIGURE = """(name) => {
    const tile = [...document.querySelectorAll('.tile')].find(tile => tile.querySelector('.name').innerText === name);
    return Number(tile.querySelector('.figure').innerText);
}"""
SHOWS = f"(name, figure) => ({FIGURE})(name) === figure"
ASKED = "() => performance.getEntriesByType('resource').filter(one => one.name.endsWith('/numbers/')).length"
# A request that is under way would come to its end behind it.
HIDE = """(hidden) => {
    if (isAsking) return false;
    Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
    document.dispatchEvent(new Event('visibilitychange'));
    return true;
}"""


class Shop:
    """A web process, and the same person by the API."""

    def __init__(self, house: House, port: int) -> None:
        self.house, self.port = house, port
        self.url = f"http://127.0.0.1:{port}"
        house.start_web(port)
        self.sign_in()

    def sign_in(self) -> None:
        found = httpx.post(f"{self.url}/auth/jwt/create/", json={"email": EMAIL, "password": PASSWORD}).json()
        self.headers = {"Authorization": f"Bearer {found['access']}"}

    def post(self, path: str, **body: Any) -> None:
        httpx.post(f"{self.url}{path}", json=body, headers=self.headers).raise_for_status()

    def make_product(self) -> None:
        sku = uuid4().hex
        self.post("/api/products/", sku=sku, name=sku, price="2.00", stock=3)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with House(tmp_path_factory.mktemp("shop")).running() as house:
        account = ["--email", EMAIL, "--username", "ada", "--password", PASSWORD]
        command = [sys.executable, "-m", "litestar", "create-admin", *account]
        subprocess.run(command, env=house.environment, cwd=REPOSITORY, check=True)
        yield Shop(house, free_port())


@pytest.fixture
async def page(shop: Shop) -> AsyncIterator[Page]:
    """The dashboard."""
    async with browser() as page:
        await page.open(f"{shop.url}/accounts/login/?next=/dashboard/")
        await page.fill("#identifier", "ada")
        await page.fill("#password", PASSWORD)
        await page.submit("Sign in")
        await page.sees("The last 30 days")
        yield page


async def test_it_follows_what_happens_without_being_asked(page: Page, shop: Shop) -> None:
    count = await page.run(FIGURE, "Products")
    shop.make_product()
    await page.until(SHOWS, "Products", count + 1)
    await page.sees("Live: as of")
    assert await page.run("() => document.querySelectorAll('#plots svg').length") == 1
    assert page.complaints == []


async def test_the_focus_stays_where_it_is(page: Page, shop: Shop) -> None:
    await page.run("() => { document.querySelector('#webhooks a').focus(); return true; }")
    shop.post("/api/webhooks/", url="https://example.com/", event_types=["*"])
    await page.run(ASK_NOW)
    await page.sees("No endpoint has trouble.")
    assert await page.run("() => document.activeElement.getAttribute('href')") == "/webhooks/"


async def test_what_somebody_selects_stays_until_they_let_go(page: Page, shop: Shop) -> None:
    count = await page.run(FIGURE, "Products")
    await page.run("() => { getSelection().selectAllChildren(document.getElementById('figures')); return true; }")
    shop.make_product()
    await page.run(ASK_NOW)
    await page.until(f"() => ({ASKED})() > 0")
    assert await page.run(FIGURE, "Products") == count
    await page.run("() => { getSelection().removeAllRanges(); return true; }")
    await page.until(SHOWS, "Products", count + 1)


async def test_nobody_is_asked_while_nobody_looks(page: Page, shop: Shop) -> None:
    await page.until(HIDE, True)
    count, asked = await page.run(FIGURE, "Products"), await page.run(ASKED)
    shop.make_product()
    await page.run(ASK_NOW)
    await asyncio.sleep(0.5)
    assert (await page.run(FIGURE, "Products"), await page.run(ASKED)) == (count, asked)
    await page.until(HIDE, False)
    await page.until(SHOWS, "Products", count + 1)


async def test_it_says_when_the_server_does_not_answer_and_goes_on_when_it_does(page: Page, shop: Shop) -> None:
    web = shop.house.processes[-1]
    os.kill(web.pid, signal.SIGKILL)
    web.wait()
    await page.run(ASK_NOW)
    await page.sees("The server does not answer")
    shop.house.start_web(shop.port)
    await page.run(ASK_NOW)
    await page.until("() => document.getElementById('trouble').hidden")


async def test_who_is_signed_out_is_told_and_led_back(page: Page, shop: Shop) -> None:
    shop.post("/auth/logout/", everywhere=True)
    await page.run(ASK_NOW)
    await page.sees("You are signed out.")
    address = await page.run("() => document.querySelector('#trouble a').getAttribute('href')")
    assert address == "/accounts/login/?next=%2Fdashboard%2F"
    shop.sign_in()
