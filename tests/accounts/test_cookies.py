"""Sessions of browsers: what their cookie opens, what proof it needs, and when it ends."""

import asyncio
import contextvars
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from domains.accounts import cookies, csrf, management, sessions, users
from domains.accounts.account_schemas import UserPatch
from domains.accounts.cookies import SESSION
from domains.accounts.schemas import Device
from domains.accounts.sessions import Proven, WrongCredentials
from domains.accounts.tables import Role
from lib import clock
from piccolo_conf import execute, fetch_row, fetch_value, transaction
from tests.conftest import make_client, make_user

DEVICE = Device("Browser/1.0", "203.0.113.7")
OURS = {"Origin": "http://testserver"}
PRODUCT = {"sku": "A", "name": "A"}


@pytest.fixture
async def user_id(database: None) -> int:
    return await make_user(Role.STAFF, "stan")


@pytest.fixture
async def cookie(user_id: int) -> str:
    return await cookies.start(Proven(user_id, ""), DEVICE)


@pytest.fixture
async def browser(cookie: str) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client() as client:
        client.cookies.set(SESSION, cookie)
        yield client


async def is_in(cookie: str) -> bool:
    async with make_client(Cookie=f"{SESSION}={cookie}") as client:
        answer = await client.get("/auth/check/")
        assert answer.status_code == 200
        return bool(answer.json()["authenticated"])


class TestSession:
    async def test_a_cookie_opens_what_its_user_may(self, browser: httpx.AsyncClient) -> None:
        assert (await browser.get("/auth/check/")).json()["username"] == "stan"
        assert (await browser.get("/api/jobs/")).status_code == 200

    @pytest.mark.parametrize("path", ["/api/products/", "/api/products/export", "/api/jobs/"])
    async def test_no_cache_on_the_way_keeps_what_a_cookie_opened(self, browser: httpx.AsyncClient, path: str) -> None:
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers.get_list("cache-control")) == (200, ["private, no-cache"])

    async def test_a_page_keeps_its_own_word_about_caches(self, browser: httpx.AsyncClient) -> None:
        assert (await browser.get("/auth/check/")).headers.get_list("cache-control") == ["no-store"]

    async def test_it_counts_also_where_a_proxy_has_split_the_cookies(self, cookie: str) -> None:
        async with make_client() as client:
            headers = [("Cookie", f"{SESSION}={cookie}"), ("Cookie", "other=1")]
            assert (await client.get("/auth/check/", headers=headers)).json()["authenticated"]

    async def test_only_a_digest_is_stored_with_the_device(self, cookie: str) -> None:
        row = await fetch_row("SELECT is_cookie, family = id AS own, ip, user_agent, s::text AS t FROM user_session s")
        assert row is not None
        assert (row["is_cookie"], row["own"], row["ip"], row["user_agent"]) == (True, True, DEVICE.ip, "Browser/1.0")
        assert cookie not in row["t"]

    async def test_a_changed_password_starts_nothing(self, user_id: int) -> None:
        with pytest.raises(WrongCredentials):
            await cookies.start(Proven(user_id, "another hash"), DEVICE)

    async def test_somebody_deactivated_starts_nothing(self, user_id: int) -> None:
        await users.deactivate(user_id)
        with pytest.raises(WrongCredentials):
            await cookies.start(Proven(user_id, ""), DEVICE)

    @pytest.mark.parametrize("value", ["", "x", "a" * 43, "a" * 44, "é", "a" * 4000, "%00" * 43])
    async def test_a_bad_cookie_is_nobody(self, database: None, value: str) -> None:
        async with make_client() as client:
            answer = await client.get("/auth/check/", headers={b"Cookie": f"{SESSION}={value}".encode()})
        assert (answer.status_code, answer.json()["authenticated"]) == (200, False)

    async def test_what_cannot_be_a_cookie_asks_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cookies, "fetch_row", None)
        assert await cookies.find("x" * 42) is None

    async def test_an_expired_session_is_nobody(self, cookie: str) -> None:
        await execute("UPDATE user_session SET expires_at = now()")
        assert not await is_in(cookie)

    async def test_a_session_is_extended_once_a_day(self, browser: httpx.AsyncClient) -> None:
        assert "set-cookie" not in (await browser.get("/auth/check/")).headers
        await execute("UPDATE user_session SET expires_at = $1", clock.now() + timedelta(days=12, hours=23))
        told = (await browser.get("/auth/check/")).headers["set-cookie"]
        assert "Max-Age=1209600" in told
        assert "HttpOnly" in told
        assert await fetch_value("SELECT expires_at FROM user_session") > clock.now() + timedelta(days=13, hours=23)
        assert "set-cookie" not in (await browser.get("/auth/check/")).headers

    async def test_an_authorization_header_goes_before_the_cookie(self, browser: httpx.AsyncClient) -> None:
        started = await sessions.start_session(await make_user(Role.ADMIN, "ada"))
        answer = await browser.get("/auth/check/", headers={"Authorization": f"Bearer {started.access}"})
        assert answer.json()["username"] == "ada"
        assert (await browser.get("/auth/check/", headers={"Authorization": "Bearer x"})).status_code == 401

    async def test_health_looks_no_cookie_up(self, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cookies, "fetch_row", None)
        assert (await browser.get("/health/live")).status_code == 200

    async def test_a_cookie_is_no_bearer_token_and_no_refresh_token(self, cookie: str) -> None:
        async with make_client() as client:
            bearer = await client.get("/auth/check/", headers={"Authorization": f"Bearer {cookie}"})
            refresh = await client.post("/auth/jwt/refresh/", json={"refresh": cookie})
        assert (bearer.status_code, refresh.status_code) == (401, 401)
        assert await is_in(cookie)

    async def test_a_refresh_token_is_no_cookie(self, user_id: int) -> None:
        assert not await is_in((await sessions.start_session(user_id)).refresh)


def test_in_production_a_cookie_needs_https_and_this_very_host() -> None:
    """Asked of another process, because names are made when the module is imported."""
    show = "from domains.accounts import cookies, csrf; print(cookies.session_cookie('x').to_header(), csrf.VISIT)"
    environment = {**os.environ, "DEBUG": "false", "SECRET_KEY": "s" * 40}
    said = subprocess.run([sys.executable, "-c", show], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.startswith("Set-Cookie: __Host-stockroom=x;")
    assert "; Secure" in said.stdout
    assert "omain" not in said.stdout
    assert said.stdout.strip().endswith(" __Host-stockroom_visit")


class TestEnd:
    async def test_signing_out_everywhere_ends_the_cookie_at_once(self, user_id: int, cookie: str) -> None:
        started = await sessions.start_session(user_id)
        async with make_client(Authorization=f"Bearer {started.access}") as client:
            assert (await client.post("/auth/logout/", json={"everywhere": True})).status_code == 204
        assert not await is_in(cookie)

    async def test_a_browser_signs_itself_out(self, browser: httpx.AsyncClient, cookie: str) -> None:
        answer = await browser.post("/auth/logout/", headers={"X-CSRF-Token": csrf.make_token(cookie)})
        assert answer.status_code == 204
        assert not await is_in(cookie)

    async def test_deactivation_and_a_new_role_end_it(self, user_id: int, cookie: str) -> None:
        await management.change_user(user_id, UserPatch(role=Role.CUSTOMER))
        assert not await is_in(cookie)
        another = await cookies.start(Proven(user_id, ""), DEVICE)
        await users.deactivate(user_id)
        assert not await is_in(another)

    async def test_somebody_deactivated_in_sql_is_out_although_no_session_was_ended(
        self, user_id: int, cookie: str
    ) -> None:
        await execute("UPDATE users SET active = false WHERE id = $1", user_id)
        assert not await is_in(cookie)

    async def test_a_sign_in_beside_a_change_of_password_slips_nothing_past_it(self, user_id: int) -> None:
        async with transaction():
            await execute("UPDATE users SET password = 'another hash' WHERE id = $1", user_id)
            await sessions.end_sessions(user_id)
            starting = contextvars.Context().run(asyncio.create_task, cookies.start(Proven(user_id, ""), DEVICE))
            await asyncio.wait([starting], timeout=0.1)
            assert not starting.done()
        with pytest.raises(WrongCredentials):
            await starting

    async def test_an_ended_session_is_not_extended(self, user_id: int, cookie: str) -> None:
        await execute("UPDATE user_session SET expires_at = now() + interval '1 day'")
        await sessions.end_sessions(user_id)
        assert not await is_in(cookie)
        assert await fetch_value("SELECT expires_at < now() + interval '2 days' FROM user_session")
