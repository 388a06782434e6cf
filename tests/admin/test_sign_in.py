"""Who gets into the admin site, and for how long."""

import re
from datetime import timedelta
from html import unescape

import httpx
import pytest

from admin import sessions
from domains.accounts import users
from domains.accounts.schemas import Profile
from domains.accounts.sessions import end_sessions
from domains.accounts.tables import Role
from lib import clock
from lib.signing import digest_of
from piccolo_conf import execute, fetch, fetch_value
from tests.admin.visiting import CSRF, SITE, TABLES, submit, text_of
from tests.conftest import make_client

PASSWORD = "correct horse battery"
NEXT = re.compile('name="next" value="([^"]*)"')


async def make(role: Role = Role.ADMIN, *, verified: bool = True) -> Profile:
    return await users.create_user(
        email="grace@example.com", username="grace", password=PASSWORD, role=role, is_verified=verified
    )


async def sign_in(client: httpx.AsyncClient, username: str = "grace", password: str = PASSWORD) -> httpx.Response:
    return await submit(client, "sign-in/", username=username, password=password)


@pytest.mark.parametrize("name", ["grace", "GRACE", "grace@example.com"])
async def test_an_admin_signs_in_by_username_or_email(visitor: httpx.AsyncClient, name: str) -> None:
    await make()
    response = await sign_in(visitor, name)
    assert (response.status_code, response.headers["location"]) == (303, "/admin/")
    assert (await visitor.get(f"{SITE}/api/user/")).json() == {"username": "grace", "user_id": "1"}


async def test_the_cookie_is_for_this_browser_only(visitor: httpx.AsyncClient) -> None:
    await make()
    cookie = (await sign_in(visitor)).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


async def test_only_a_digest_of_the_token_is_stored(visitor: httpx.AsyncClient) -> None:
    await make()
    await sign_in(visitor)
    token = visitor.cookies[sessions.COOKIE]
    assert await fetch_value("SELECT token FROM admin_session") == digest_of(token).hex()


async def test_signing_in_is_remembered_with_its_time(visitor: httpx.AsyncClient) -> None:
    await make()
    await sign_in(visitor)
    assert await fetch_value("SELECT last_login_at FROM users") is not None


@pytest.mark.parametrize(("name", "password"), [("grace", "wrong"), ("nobody", PASSWORD), ("grace", ""), ("", "")])
async def test_wrong_credentials_are_told_alike(visitor: httpx.AsyncClient, name: str, password: str) -> None:
    await make()
    response = await sign_in(visitor, name, password)
    assert response.status_code == 401
    assert "do not belong together" in text_of(response)
    assert sessions.COOKIE not in visitor.cookies


async def test_an_inactive_admin_is_told_what_a_stranger_is(visitor: httpx.AsyncClient) -> None:
    await make()
    await execute("UPDATE users SET active = false")
    response = await sign_in(visitor)
    assert response.status_code == 401
    assert "do not belong together" in text_of(response)


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.STAFF])
async def test_others_may_not_use_the_site(visitor: httpx.AsyncClient, role: Role) -> None:
    await make(role)
    response = await sign_in(visitor)
    assert response.status_code == 403
    assert "may not use the admin site" in text_of(response)
    assert await fetch("SELECT FROM admin_session") == []


async def test_who_tries_too_often_reads_when_to_come_back(visitor: httpx.AsyncClient) -> None:
    await make()
    for _ in range(5):
        await sign_in(visitor, password="wrong")
    response = await sign_in(visitor)
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) > 0
    assert "Too many attempts. Try again in" in text_of(response)


async def test_forty_good_sign_ins_from_one_address_are_no_attack(visitor: httpx.AsyncClient) -> None:
    """Piccolo's own limit would block the address at the twenty-first until the next start."""
    await make()
    for _ in range(21):
        visitor.cookies.delete(sessions.COOKIE) if sessions.COOKIE in visitor.cookies else None
        assert (await sign_in(visitor)).status_code == 303


async def test_what_was_typed_is_not_run(visitor: httpx.AsyncClient) -> None:
    response = await sign_in(visitor, '"><script>alert(1)</script>')
    assert "<script" not in response.text


async def test_half_a_pair_in_a_charset_of_its_own_is_only_wrong(visitor: httpx.AsyncClient) -> None:
    part = '--a\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = part.format("csrftoken", CSRF) + part.format("username", "\\ud800") + part.format("password", "x") + "--a--"
    headers = {"Content-Type": "multipart/form-data; boundary=a; charset=unicode_escape"}
    response = await visitor.post(f"{SITE}/sign-in/", content=body, headers=headers)
    assert response.status_code == 401


async def test_who_is_signed_in_needs_no_form(site: httpx.AsyncClient) -> None:
    response = await site.get(f"{SITE}/sign-in/")
    assert (response.status_code, response.headers["location"]) == (303, "/admin/")


@pytest.mark.parametrize("page", ["pages/stock/", "pages/stock/adjust/?sku=A%26B&x=%C3%A4", "pages/history/7/"])
async def test_signing_in_leads_back_to_the_page_that_was_asked_for(visitor: httpx.AsyncClient, page: str) -> None:
    """A link in a mail, say."""
    await make()
    led = await visitor.get(f"{SITE}/{page}")
    form = await visitor.get(led.headers["location"])
    wanted = unescape(NEXT.findall(form.text)[0])
    wrong = await submit(visitor, "sign-in/", username="grace", password="wrong", next=wanted)
    assert unescape(NEXT.findall(wrong.text)[0]) == wanted
    response = await submit(visitor, "sign-in/", username="grace", password=PASSWORD, next=wanted)
    assert (response.status_code, response.headers["location"]) == (303, f"{SITE}/{page}")
    assert (await visitor.get(led.headers["location"])).headers["location"] == f"{SITE}/{page}"


@pytest.mark.parametrize(
    "page", ["//evil.example", "https://evil.example", "/", "public/logout/", "pages\\x", "pages/\r\nx", 'pages/"é']
)
async def test_signing_in_leads_nowhere_else(visitor: httpx.AsyncClient, page: str) -> None:
    await make()
    assert NEXT.findall((await visitor.get(f"{SITE}/sign-in/", params={"next": page})).text) == [""]
    response = await submit(visitor, "sign-in/", username="grace", password=PASSWORD, next=page)
    assert (response.status_code, response.headers["location"]) == (303, "/admin/")
    assert (await visitor.get(f"{SITE}/sign-in/", params={"next": page})).headers["location"] == "/admin/"


async def test_what_is_sent_without_a_session_is_told_to_be_lost(visitor: httpx.AsyncClient) -> None:
    led = await submit(visitor, "pages/stock/adjust/", sku="A")
    assert led.status_code == 303
    assert "what you have just sent was not done" in text_of(await visitor.get(led.headers["location"]))
    assert "was not done" not in text_of(await visitor.get(f"{SITE}/sign-in/"))


async def test_signing_out_ends_the_session(site: httpx.AsyncClient) -> None:
    token = site.cookies[sessions.COOKIE]
    assert (await site.post(f"{SITE}/public/logout/")).status_code == 200
    site.cookies.set(sessions.COOKIE, token)
    assert (await site.get(f"{TABLES}/")).status_code == 401


async def test_the_button_of_a_page_signs_out_too(site: httpx.AsyncClient) -> None:
    assert "Sign out" in text_of(await site.get(f"{SITE}/pages/queues/"))
    response = await submit(site, "public/logout/", page="yes")
    assert (response.status_code, response.headers["location"]) == (303, f"{SITE}/sign-in/")
    assert (await site.get(f"{TABLES}/")).status_code == 401


@pytest.mark.parametrize(
    "change",
    ["UPDATE users SET active = false", "UPDATE users SET role = 'staff', admin = false", "DELETE FROM admin_session"],
)
async def test_a_session_ends_at_once_with_what_it_stands_on(site: httpx.AsyncClient, change: str) -> None:
    assert (await site.get(f"{TABLES}/")).status_code == 200
    await execute(change)
    assert (await site.get(f"{TABLES}/")).status_code == 401


async def test_ending_all_sessions_of_a_user_ends_these(site: httpx.AsyncClient) -> None:
    await end_sessions(await fetch_value("SELECT id FROM users"))
    assert (await site.get(f"{TABLES}/")).status_code == 401


@pytest.mark.parametrize("column", ["expiry_date", "max_expiry_date"])
async def test_a_session_ends_in_its_time(site: httpx.AsyncClient, column: str) -> None:
    past = (clock.now() - timedelta(seconds=1)).replace(tzinfo=None)
    await execute(f"UPDATE admin_session SET {column} = $1", past)
    assert (await site.get(f"{TABLES}/")).status_code == 401


async def test_a_session_lasts_an_hour_from_its_last_use_and_eight_in_all(site: httpx.AsyncClient) -> None:
    soon, latest = ((clock.now() + timedelta(minutes=minutes)).replace(tzinfo=None) for minutes in (10, 40))
    await execute("UPDATE admin_session SET expiry_date = $1", soon)
    await site.get(f"{TABLES}/")
    left = await fetch_value("SELECT expiry_date FROM admin_session") - soon
    assert timedelta(minutes=49) < left <= timedelta(minutes=51)
    await execute("UPDATE admin_session SET expiry_date = $1, max_expiry_date = $2", soon, latest)
    await site.get(f"{TABLES}/")
    assert await fetch_value("SELECT expiry_date FROM admin_session") == latest


@pytest.mark.parametrize("token", ["", "x", "ü" * 43, "A" * 43])
async def test_an_invented_token_opens_nothing(database: None, token: str) -> None:
    async with make_client(Cookie=f"{sessions.COOKIE}={token}".encode()) as client:
        assert (await client.get(f"{TABLES}/")).status_code == 401
