"""Somebody signs up, forgets their password and signs out, in a browser: with real mail, real processes, real pages."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.browser import Page, browser, needs_chromium
from tests.faults.harness import House, free_port
from tests.mail.smtp import Inbox, smtp_server

pytestmark = [needs_chromium, pytest.mark.timeout(180), pytest.mark.xdist_group("browser")]

FIRST_PASSWORD, NEXT_PASSWORD = "correct horse battery", "a better staple still"
EMAIL = "ada@example.com"
LONGEST_MAIL_SECONDS = 30


class Shop(NamedTuple):
    url: str
    inbox: Inbox


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with smtp_server() as inbox, House(tmp_path, PUBLIC_URL=url, **inbox.environment()).running() as house:
        house.start_web(port)
        house.start_worker()
        yield Shop(url, inbox)


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with browser() as page:
        yield page


async def test_somebody_signs_up_verifies_forgets_the_password_and_signs_out(shop: Shop, page: Page) -> None:
    await sign_up(page, shop)
    await page.open(link_in(await mail(shop, 1)))
    await page.submit("Confirm address")
    await mail(shop, 2)
    await sign_in(page, shop, FIRST_PASSWORD)
    await page.submit("Sign out")
    await page.sees("Sign in")
    await set_a_new_password(page, shop)
    await sign_in(page, shop, NEXT_PASSWORD)
    await page.submit("Sign out")
    await page.open(f"{shop.url}/accounts/profile/")
    assert await page.run("() => location.pathname") == "/accounts/login/"
    assert page.complaints == []


async def test_a_code_typed_in_serves_as_well_as_the_link(shop: Shop, page: Page) -> None:
    await sign_up(page, shop)
    code = re.search(r"^\s*([A-Z0-9]{6})\s*$", text_of(await mail(shop, 1)), re.MULTILINE)
    assert code is not None
    await page.open(f"{shop.url}/accounts/verify/")
    await page.fill("#email", EMAIL)
    await page.fill("#code", code[1].lower())
    await page.submit("Confirm address")
    await sign_in(page, shop, FIRST_PASSWORD)


async def sign_up(page: Page, shop: Shop) -> None:
    await page.open(f"{shop.url}/accounts/register/")
    typed = {"email": EMAIL, "first_name": "Ada", "last_name": "<b>Lovelace</b>", "username": "ada"}
    for name, value in (typed | {"password": FIRST_PASSWORD, "re_password": FIRST_PASSWORD}).items():
        await page.fill(f"#{name}", value)
    await page.submit("Create account")
    await page.sees(f"We have sent a mail to {EMAIL}")


async def sign_in(page: Page, shop: Shop, password: str) -> None:
    await page.open(f"{shop.url}/accounts/login/")
    await page.fill("#identifier", EMAIL)
    await page.fill("#password", password)
    await page.submit("Sign in")
    await page.sees("Hello, Ada")


async def set_a_new_password(page: Page, shop: Shop) -> None:
    await page.open(f"{shop.url}/accounts/reset/")
    await page.fill("#email", EMAIL)
    await page.submit("Send mail")
    await page.open(link_in(await mail(shop, 3)))
    await page.fill("#new_password", NEXT_PASSWORD)
    await page.fill("#re_new_password", NEXT_PASSWORD)
    await page.submit("Set password")
    told = await mail(shop, 4)
    assert "password" in told["Subject"].lower()


async def mail(shop: Shop, number: int) -> EmailMessage:
    """The mail of this number, from 1, once it has come."""
    await asyncio.to_thread(shop.inbox.wait_for, number, LONGEST_MAIL_SECONDS)
    assert shop.inbox.messages[number - 1]["To"] == EMAIL
    return shop.inbox.messages[number - 1]


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def link_in(message: EmailMessage) -> str:
    found = re.search(r"http://\S+", text_of(message))
    assert found is not None
    return found[0]
