"""An administrator adds an endpoint in a browser, tries it out, and watches a change arrive there."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.browser import Page, browser, needs_chromium
from tests.faults.harness import REPOSITORY, House, free_port, until
from tests.faults.receiver import SETTINGS, Receiver, receiving

pytestmark = [needs_chromium, pytest.mark.timeout(180), pytest.mark.xdist_group("browser")]

DOUBLE_CLICK = """() => {
    const button = document.querySelector("main form button");
    button.click();
    setTimeout(() => button.click(), 30);
}"""
EMAIL, PASSWORD = "ada@example.com", "correct horse battery"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path, **SETTINGS).running() as made:
        account = ["--email", EMAIL, "--username", "ada", "--password", PASSWORD]
        command = [sys.executable, "-m", "litestar", "create-admin", *account]
        subprocess.run(command, env=made.environment, cwd=REPOSITORY, check=True)
        yield made


@pytest.fixture
def url(house: House) -> str:
    port = free_port()
    house.start_web(port)
    house.start_worker()
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path) as made:
        yield made


@pytest.fixture
async def page(url: str) -> AsyncIterator[Page]:
    async with browser() as page:
        await page.open(f"{url}/accounts/login/?next=/webhooks/")
        await page.fill("#identifier", EMAIL)
        await page.fill("#password", PASSWORD)
        await page.submit("Sign in")
        yield page


async def test_an_endpoint_is_added_tried_out_and_told(url: str, page: Page, receiver: Receiver) -> None:
    await add(page, receiver.url("ok"))
    await page.press("Send a test")
    await page.sees("It heard. The server answered 200 in ")
    assert await page.run("() => window.stays"), "the page was loaded anew"
    assert [request.webhook_id[:9] for request in receiver.received] == ["msg_test_"]
    make_product(url)
    await page.open(f"{url}/webhooks/1/")
    await page.sees("product:1")
    await page.sees("Answered 200")
    await page.click("a[href='/webhooks/1/deliveries/1/']")
    await page.sees('"sku": "L-1"')
    assert page.complaints == []


async def test_what_is_under_way_is_seen_to_arrive(url: str, page: Page, receiver: Receiver) -> None:
    """The second attempt comes five seconds after the first."""
    await add(page, receiver.url("flaky/1"))
    make_product(url)
    await until(partial(has_heard, receiver), 20)
    await page.open(f"{url}/webhooks/1/deliveries/1/")
    await page.sees("The receiver has confirmed it.")
    await page.sees("2. Answered 200")
    assert page.complaints == []


async def test_a_second_click_makes_no_second_endpoint(url: str, page: Page, house: House) -> None:
    await page.open(f"{url}/webhooks/create/")
    await page.fill("#url", "https://till.example/hook")
    await page.click("#type-every")
    await page.run(DOUBLE_CLICK)
    await page.sees("Copy it now.")
    assert await house.ask("SELECT count(*) FROM webhook_endpoint") == 1


async def has_heard(receiver: Receiver) -> bool:
    return bool(receiver.received)


async def add(page: Page, target: str) -> None:
    await page.press("Add an endpoint")
    await page.fill("#url", target)
    await page.click("#type-every")
    await page.submit("Add endpoint")
    await page.sees("whsec_")
    await page.press("Copy")
    await page.until("() => document.querySelector('[data-copies]').textContent !== 'Copy'")
    await page.press("I have copied it")
    await page.sees("Try it")
    await page.run("() => { window.stays = true; return true; }")


def make_product(url: str) -> None:
    signed_in = httpx.post(f"{url}/auth/jwt/create/", json={"email": EMAIL, "password": PASSWORD}).json()
    headers = {"Authorization": f"Bearer {signed_in['access']}"}
    made = httpx.post(f"{url}/api/products/", json={"sku": "L-1", "name": "Lamp", "price": "19.99"}, headers=headers)
    assert made.status_code == 201
