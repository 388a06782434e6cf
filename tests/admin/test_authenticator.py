"""Signing in with a second factor: set up, used, mistaken, lost and given up."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pyotp
import pytest
from cryptography.fernet import Fernet

from admin import authenticator, sessions
from domains.accounts import users
from domains.accounts.tables import Role
from lib import clock
from piccolo_conf import execute, fetch_row, fetch_value
from tests.admin.visiting import CSRF, SITE, TABLES, submit, text_of
from tests.conftest import make_client

PAGE = "pages/authenticator/"
PASSWORD = "correct horse battery"
SECRET = re.compile(r"<code>([A-Z2-7]{32})</code>")
RECOVERY = re.compile(r"<code>([a-z0-9]{6}-[a-z0-9]{6})</code>")
SEALED = re.compile(r'name="(?:enrolment|halfway)" value="([^"]+)"')


class Phone:
    """An authenticator app, and a clock that it and the site share."""

    def __init__(self, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.secret = SECRET.findall(page)[0]
        self.recovery_codes = RECOVERY.findall(page)
        self.sealed = SEALED.findall(page)[0]
        self.now = clock.now()
        monkeypatch.setattr(clock, "now", lambda: self.now)

    def code(self, seconds: int = 0) -> str:
        """The code of then; the clock stays."""
        return pyotp.TOTP(self.secret).at(self.now + timedelta(seconds=seconds))

    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
async def grace(visitor: httpx.AsyncClient) -> httpx.AsyncClient:
    """Signed in with her password."""
    await users.create_user(
        email="grace@example.com", username="grace", password=PASSWORD, role=Role.ADMIN, is_verified=True
    )
    assert (await first_step(visitor)).status_code == 303
    return visitor


@pytest.fixture
async def phone(grace: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> Phone:
    """Enrolled a while ago: its codes are asked for."""
    page = await submit(grace, PAGE, step="begin", password=PASSWORD)
    phone = Phone(page.text, monkeypatch)
    done = await submit(grace, PAGE, step="finish", enrolment=phone.sealed, code=phone.code())
    assert "signing in here asks for a code too" in text_of(done)
    phone.wait(120)
    return phone


@pytest.fixture
async def browser(phone: Phone) -> AsyncIterator[httpx.AsyncClient]:
    """Another browser of hers, before she signs in there."""
    async with make_client() as client:
        client.cookies.set("csrftoken", CSRF)
        yield client


async def first_step(client: httpx.AsyncClient, password: str = PASSWORD) -> httpx.Response:
    return await submit(client, "sign-in/", username="grace", password=password)


async def ask(client: httpx.AsyncClient) -> str:
    """The sealed first step, whose code is still to come."""
    asked = await first_step(client)
    assert sessions.COOKIE not in client.cookies
    assert "Open your authenticator app" in text_of(asked)
    return SEALED.findall(asked.text)[0]


async def second_step(client: httpx.AsyncClient, code: str) -> httpx.Response:
    return await submit(client, "sign-in/", halfway=await ask(client), code=code)


async def test_a_code_signs_in_after_the_password(browser: httpx.AsyncClient, phone: Phone) -> None:
    code = f" {phone.code()[:3]} {phone.code()[3:]} "
    assert (await second_step(browser, code)).status_code == 303
    assert (await browser.get(f"{TABLES}/")).status_code == 200


async def test_the_page_that_was_asked_for_comes_after_the_code(browser: httpx.AsyncClient, phone: Phone) -> None:
    asked = await submit(browser, "sign-in/", username="grace", password=PASSWORD, next="pages/stock/")
    form = dict(re.findall(r'name="(halfway|next)" value="([^"]*)"', asked.text))
    assert "?next=pages%2Fstock%2F" in asked.text
    wrong = await submit(browser, "sign-in/", **form, code="x")
    assert 'name="next" value="pages/stock/"' in wrong.text
    response = await submit(browser, "sign-in/", **form, code=phone.code())
    assert (response.status_code, response.headers["location"]) == (303, "/admin/pages/stock/")


async def test_the_password_alone_opens_nothing(browser: httpx.AsyncClient) -> None:
    await ask(browser)
    assert (await browser.get(f"{TABLES}/")).status_code == 401


async def test_a_code_alone_opens_nothing(browser: httpx.AsyncClient, phone: Phone) -> None:
    for halfway in ("x", "ü", phone.sealed):
        response = await submit(browser, "sign-in/", halfway=halfway, code=phone.code())
        assert response.status_code == 400
    assert (await first_step(browser, "wrong")).status_code == 401


@pytest.mark.parametrize("seconds", [-30, 30])
async def test_clocks_may_differ_a_little(browser: httpx.AsyncClient, phone: Phone, seconds: int) -> None:
    assert (await second_step(browser, phone.code(seconds))).status_code == 303


@pytest.mark.parametrize("seconds", [-90, 90])
async def test_old_and_future_codes_do_not_count(browser: httpx.AsyncClient, phone: Phone, seconds: int) -> None:
    response = await second_step(browser, phone.code(seconds))
    assert response.status_code == 401
    assert "not right, or was used already" in text_of(response)


async def test_a_code_counts_once_also_when_used_twice_at_once(browser: httpx.AsyncClient, phone: Phone) -> None:
    halfway, code = await ask(browser), phone.code()
    both = [submit(browser, "sign-in/", halfway=halfway, code=code) for _ in range(2)]
    assert sorted(response.status_code for response in await asyncio.gather(*both)) == [303, 401]


async def test_a_code_before_the_last_used_one_is_over(browser: httpx.AsyncClient, phone: Phone) -> None:
    assert (await second_step(browser, phone.code(30))).status_code == 303
    browser.cookies.delete(sessions.COOKIE)
    assert (await second_step(browser, phone.code())).status_code == 401


async def test_a_recovery_code_works_once(browser: httpx.AsyncClient, phone: Phone) -> None:
    code = phone.recovery_codes[3]
    assert (await second_step(browser, code.upper())).status_code == 303
    browser.cookies.delete(sessions.COOKIE)
    assert (await second_step(browser, code)).status_code == 401
    row = await fetch_row(
        "SELECT cardinality(recovery_codes), cardinality(recovery_codes_used_at) FROM authenticator_secret"
    )
    assert row is not None
    assert tuple(row) == (7, 1)


async def test_wrong_codes_count_as_failed_sign_ins(browser: httpx.AsyncClient, phone: Phone) -> None:
    halfway = await ask(browser)
    for _ in range(5):
        assert (await submit(browser, "sign-in/", halfway=halfway, code="000000x")).status_code == 401
    response = await submit(browser, "sign-in/", halfway=halfway, code=phone.code())
    assert response.status_code == 429
    assert "Try again in" in text_of(response)
    assert int(response.headers["retry-after"]) > 0


async def test_a_password_changed_between_the_steps_ends_them(browser: httpx.AsyncClient, phone: Phone) -> None:
    halfway = await ask(browser)
    await execute("UPDATE users SET password = 'another'")
    assert (await submit(browser, "sign-in/", halfway=halfway, code=phone.code())).status_code == 403


async def test_nothing_is_stored_that_could_be_used(phone: Phone) -> None:
    row = await fetch_row("SELECT secret, recovery_codes FROM authenticator_secret")
    assert row is not None
    assert phone.secret not in row["secret"]
    assert len(row["recovery_codes"]) == len(phone.recovery_codes) == 8
    assert not set(phone.recovery_codes) & set(row["recovery_codes"])


async def test_setting_up_needs_the_password_and_a_right_code(grace: httpx.AsyncClient) -> None:
    assert (await submit(grace, PAGE, step="begin", password="wrong")).status_code == 400
    page = await submit(grace, PAGE, step="begin", password=PASSWORD)
    sealed = SEALED.findall(page.text)[0]
    again = await submit(grace, PAGE, step="finish", enrolment=sealed, code="000000x")
    assert again.status_code == 401
    assert SECRET.findall(again.text) == SECRET.findall(page.text)
    assert (await submit(grace, PAGE, step="finish", enrolment="x", code="1")).status_code == 400
    assert await fetch_value("SELECT count(*) FROM authenticator_secret") == 0


async def test_what_another_began_cannot_be_finished(grace: httpx.AsyncClient, site: httpx.AsyncClient) -> None:
    sealed = SEALED.findall((await submit(grace, PAGE, step="begin", password=PASSWORD)).text)[0]
    assert (await submit(site, PAGE, step="finish", enrolment=sealed, code="1")).status_code == 400


async def test_turning_on_ends_what_is_open_in_other_browsers(
    grace: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_client() as other:
        other.cookies.set("csrftoken", CSRF)
        await first_step(other)
        assert (await other.get(f"{TABLES}/")).status_code == 200
        phone = Phone((await submit(grace, PAGE, step="begin", password=PASSWORD)).text, monkeypatch)
        await submit(grace, PAGE, step="finish", enrolment=phone.sealed, code=phone.code())
        assert (await other.get(f"{TABLES}/")).status_code == 401
    assert (await grace.get(f"{TABLES}/")).status_code == 200


async def test_what_was_begun_before_does_not_take_the_place_of_what_is_on(
    grace: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever knew the password and had a session a little earlier has no code of hers."""
    pages = [await submit(grace, PAGE, step="begin", password=PASSWORD) for _ in range(2)]
    hers, another = (Phone(page.text, monkeypatch) for page in pages)
    await submit(grace, PAGE, step="finish", enrolment=hers.sealed, code=hers.code())
    response = await submit(grace, PAGE, step="finish", enrolment=another.sealed, code=another.code())
    assert response.status_code == 409
    assert "on already" in text_of(response)
    assert await fetch_value("SELECT count(*) FROM authenticator_secret") == 1


async def test_with_another_key_the_reason_is_told(
    browser: httpx.AsyncClient, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticator, "BOX", Fernet(Fernet.generate_key()))
    response = await second_step(browser, phone.code())
    assert response.status_code == 401
    assert "the key of this server was changed" in text_of(response)


async def test_turning_off_needs_password_and_code(grace: httpx.AsyncClient, phone: Phone) -> None:
    for password, code in (("wrong", phone.code()), (PASSWORD, "000000x")):
        assert (await submit(grace, PAGE, step="stop", password=password, code=code)).status_code in {400, 401}
    assert "is <b>on</b>" in (await grace.get(f"{SITE}/{PAGE}")).text
    assert "is <b>off</b>" in (await submit(grace, PAGE, step="stop", password=PASSWORD, code=phone.code())).text
    grace.cookies.delete(sessions.COOKIE)
    assert (await first_step(grace)).status_code == 303


async def test_a_second_set_up_does_not_replace_the_first(grace: httpx.AsyncClient, phone: Phone) -> None:
    page = await submit(grace, PAGE, step="begin", password=PASSWORD)
    assert not SECRET.findall(page.text)
    assert await fetch_value("SELECT count(*) FROM authenticator_secret") == 1


async def test_piccolos_menu_leads_to_our_page(grace: httpx.AsyncClient) -> None:
    assert (await grace.get(f"{SITE}/api/mfa-setup/")).headers["location"] == f"/admin/{PAGE}"


async def test_no_step_holds_up_the_others(grace: httpx.AsyncClient, phone: Phone) -> None:
    """Piccolo's own computes each recovery code with 600,000 rounds, on the event loop."""
    longest, stop = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        while not stop.is_set():
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            longest = max(longest, time.perf_counter() - before - 0.005)

    watching = asyncio.create_task(watch())
    await submit(grace, PAGE, step="stop", password=PASSWORD, code=phone.recovery_codes[0])
    await submit(grace, PAGE, step="begin", password=PASSWORD)
    stop.set()
    await watching
    # Eight codes of Piccolo's take seconds.
    assert longest < 1.5
