"""X5: a refresh token works once; a second use ends the session."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from domains.accounts import sessions
from domains.accounts.schemas import TokensOut
from domains.accounts.tables import Role
from lib import clock
from piccolo_conf import execute, fetch_value
from tests.conftest import make_client, make_user


@pytest.fixture
async def user_id(database: None) -> int:
    return await make_user(Role.STAFF, "stan")


@pytest.fixture
async def started(user_id: int) -> TokensOut:
    return await sessions.start_session(user_id)


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/auth/jwt/refresh/", json={"refresh": token})


async def check(client: httpx.AsyncClient, access: str) -> int:
    return (await client.get("/auth/check/", headers={"Authorization": f"Bearer {access}"})).status_code


async def test_a_refresh_token_is_exchanged_for_new_tokens(client: httpx.AsyncClient, started: TokensOut) -> None:
    answer = await refresh(client, started.refresh)
    assert answer.status_code == 200
    assert answer.json()["refresh"] != started.refresh
    assert await check(client, answer.json()["access"]) == 200
    assert (await refresh(client, answer.json()["refresh"])).status_code == 200


async def test_a_refresh_token_has_256_bits(started: TokensOut) -> None:
    assert len(started.refresh) == 43


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "\u0661" * 43, "a.b.c"])
async def test_an_unknown_refresh_token_is_refused(client: httpx.AsyncClient, token: str) -> None:
    answer = await refresh(client, token)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_refresh_token")


async def test_reuse_ends_the_session_at_once(client: httpx.AsyncClient, started: TokensOut) -> None:
    newest = (await refresh(client, started.refresh)).json()
    assert (await refresh(client, started.refresh)).status_code == 401
    assert await check(client, started.access) == 401
    assert await check(client, newest["access"]) == 401
    assert (await refresh(client, newest["refresh"])).status_code == 401


async def test_reuse_leaves_other_sessions_of_the_user_alone(
    client: httpx.AsyncClient, user_id: int, started: TokensOut
) -> None:
    elsewhere = await sessions.start_session(user_id)
    await refresh(client, started.refresh)
    await refresh(client, started.refresh)
    assert await check(client, elsewhere.access) == 200


@pytest.mark.parametrize("_run", range(5))
async def test_of_twenty_clients_at_once_exactly_one_succeeds(database: None, started: TokensOut, _run: int) -> None:
    clients = [make_client() for _ in range(20)]
    answers = await asyncio.gather(*(refresh(client, started.refresh) for client in clients))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    winner = next(answer for answer in answers if answer.status_code == 200).json()
    assert await check(clients[0], winner["access"]) == 401
    assert (await refresh(clients[0], winner["refresh"])).status_code == 401


async def test_a_refresh_token_ends_after_14_days(
    client: httpx.AsyncClient, started: TokensOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=14, seconds=1))
    assert (await refresh(client, started.refresh)).status_code == 401


async def test_an_inactive_user_gets_no_new_tokens(client: httpx.AsyncClient, started: TokensOut) -> None:
    await execute("UPDATE users SET active = false")
    assert (await refresh(client, started.refresh)).status_code == 401


async def test_new_tokens_tell_of_the_present_role(client: httpx.AsyncClient, started: TokensOut) -> None:
    await execute("UPDATE users SET role = 'customer'")
    access = (await refresh(client, started.refresh)).json()["access"]
    who = await client.get("/auth/check/", headers={"Authorization": f"Bearer {access}"})
    assert who.json()["role"] == "customer"


async def test_an_expired_access_token_may_be_sent_along(client: httpx.AsyncClient, started: TokensOut) -> None:
    client.headers["Authorization"] = "Bearer expired"
    assert (await refresh(client, started.refresh)).status_code == 200


async def test_old_refresh_tokens_are_forgotten(started: TokensOut, user_id: int) -> None:
    await sessions.start_session(user_id)
    await execute("UPDATE user_session SET expires_at = now() WHERE id = (SELECT id FROM user_session LIMIT 1)")
    await sessions.forget_old_sessions()
    assert await fetch_value("SELECT count(*) FROM user_session") == 1
