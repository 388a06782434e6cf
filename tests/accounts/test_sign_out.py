import asyncio
import time

import httpx
import pytest

from domains.accounts import management, revocations, sessions, users
from domains.accounts.account_schemas import UserPatch
from domains.accounts.schemas import TokensOut
from domains.accounts.tables import Role
from lib.errors import NotFound
from piccolo_conf import execute, fetch_value
from tests.conftest import make_client, make_user
from tests.faults.harness import until


@pytest.fixture
async def user_id(database: None) -> int:
    return await make_user(Role.STAFF, "stan")


@pytest.fixture
async def started(user_id: int) -> TokensOut:
    return await sessions.start_session(user_id)


def bearer(tokens: TokensOut) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.access}"}


async def check(tokens: TokensOut) -> int:
    async with make_client() as client:
        return (await client.get("/auth/check/", headers=bearer(tokens))).status_code


async def test_signing_out_ends_both_tokens_at_once(client: httpx.AsyncClient, started: TokensOut) -> None:
    answer = await client.post("/auth/logout/", headers=bearer(started))
    assert (answer.status_code, answer.content) == (204, b"")
    assert await check(started) == 401
    refreshed = await client.post("/auth/jwt/refresh/", json={"refresh": started.refresh})
    assert refreshed.status_code == 401


async def test_signing_out_leaves_other_devices_signed_in(
    client: httpx.AsyncClient, user_id: int, started: TokensOut
) -> None:
    elsewhere = await sessions.start_session(user_id)
    await client.post("/auth/logout/", headers=bearer(started), json={})
    assert await check(elsewhere) == 200


async def test_signing_out_everywhere_ends_every_session(
    client: httpx.AsyncClient, user_id: int, started: TokensOut
) -> None:
    elsewhere, other = (
        await sessions.start_session(user_id),
        await sessions.start_session(await make_user(Role.ADMIN, "ada")),
    )
    answer = await client.post("/auth/logout/", headers=bearer(started), json={"everywhere": True})
    assert answer.status_code == 204
    assert [await check(tokens) for tokens in (started, elsewhere, other)] == [401, 401, 200]


async def test_a_refresh_token_is_enough_to_sign_out(client: httpx.AsyncClient, started: TokensOut) -> None:
    client.headers["Authorization"] = "Bearer expired"
    answer = await client.post("/auth/logout/", json={"refresh": started.refresh})
    assert answer.status_code == 204
    assert await check(started) == 401


async def test_a_refresh_token_is_enough_to_sign_out_everywhere(
    client: httpx.AsyncClient, user_id: int, started: TokensOut
) -> None:
    elsewhere = await sessions.start_session(user_id)
    await client.post("/auth/logout/", json={"refresh": started.refresh, "everywhere": True})
    assert await check(elsewhere) == 401


@pytest.mark.parametrize("everywhere", [True, False])
async def test_the_refresh_token_of_an_ended_session_signs_nobody_out(
    client: httpx.AsyncClient, user_id: int, started: TokensOut, everywhere: bool
) -> None:
    """Whoever stole it could sign the owner out again and again, until it expires."""
    await sessions.end_sessions(user_id)
    since = await sessions.start_session(user_id)
    answer = await client.post("/auth/logout/", json={"refresh": started.refresh, "everywhere": everywhere})
    assert answer.status_code == 401
    assert await check(since) == 200


@pytest.mark.parametrize("body", [None, {}, {"everywhere": True}, {"refresh": "unknown"}, {"refresh": "\u0661"}])
async def test_somebody_unknown_cannot_sign_out(client: httpx.AsyncClient, body: dict[str, object] | None) -> None:
    assert (await client.post("/auth/logout/", json=body)).status_code == 401


async def test_an_unknown_refresh_token_does_not_stop_a_sign_out(client: httpx.AsyncClient, started: TokensOut) -> None:
    answer = await client.post("/auth/logout/", headers=bearer(started), json={"refresh": "\u0661"})
    assert answer.status_code == 204
    assert await check(started) == 401


async def test_signing_out_twice_is_a_401(client: httpx.AsyncClient, started: TokensOut) -> None:
    await client.post("/auth/logout/", headers=bearer(started))
    assert (await client.post("/auth/logout/", headers=bearer(started))).status_code == 401


@pytest.mark.parametrize("late_seconds", [0, 3])
async def test_a_session_ended_by_another_process_ends_here_within_a_second(
    started: TokensOut, monkeypatch: pytest.MonkeyPatch, late_seconds: float
) -> None:
    """However late copies come."""
    renew = revocations.renew_copy

    async def renew_late() -> None:
        await asyncio.sleep(late_seconds)
        await renew()

    monkeypatch.setattr(revocations, "renew_copy", renew_late)
    assert await check(started) == 200
    await execute("UPDATE user_session SET revoked_at = now()")
    begun = asked = time.monotonic()
    while await check(started) == 200:
        assert asked - begun <= revocations.STALE_AFTER_SECONDS == 1
        await asyncio.sleep(0.02)
        asked = time.monotonic()


async def test_a_session_ended_by_another_process_ends_here_with_the_next_copy(
    started: TokensOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "STALE_AFTER_SECONDS", 3600)
    assert await check(started) == 200
    await execute("UPDATE user_session SET revoked_at = now()")

    async def has_ended() -> bool:
        return await check(started) != 200

    await until(has_ended, 15)


async def test_a_stale_copy_asks_the_database(started: TokensOut, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = revocations.Copy()
    monkeypatch.setattr(copy, "replace", lambda *_: None)
    monkeypatch.setattr(revocations, "copy", copy)
    assert not copy.is_fresh()
    assert await check(started) == 200
    await execute("UPDATE user_session SET revoked_at = now()")
    assert await check(started) == 401


async def test_a_copy_under_way_does_not_forget_what_ended_here() -> None:
    copy, asked_at = revocations.Copy(), time.monotonic()
    copy.add(["ended here"])
    copy.replace(["ended elsewhere"], asked_at)
    assert copy.families == {"ended here", "ended elsewhere"}
    copy.replace(["ended elsewhere"], time.monotonic() + revocations.STALE_AFTER_SECONDS + 1)
    assert copy.families == {"ended elsewhere"}


async def test_the_watch_outlives_a_database_that_does_not_answer(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    is_asked_again = asyncio.Event()

    async def refuse() -> None:
        asked.append(True)
        if len(asked) in {2, 3}:
            raise OSError("gone")
        if len(asked) > 4:
            is_asked_again.set()

    monkeypatch.setattr(revocations, "SECONDS_BETWEEN_COPIES", 0.01)
    monkeypatch.setattr(revocations, "renew_copy", refuse)
    async with revocations.watched():
        await asyncio.wait_for(is_asked_again.wait(), 10)


async def test_a_deactivated_user_is_out_at_once(user_id: int, started: TokensOut) -> None:
    await users.deactivate(user_id)
    assert await check(started) == 401
    with pytest.raises(sessions.WrongCredentials):
        await sessions.start_session(user_id)


async def test_a_changed_role_ends_the_sessions_that_tell_of_the_old_one(user_id: int, started: TokensOut) -> None:
    await management.change_user(user_id, UserPatch(role=Role.ADMIN))
    assert await check(started) == 401
    assert await fetch_value("SELECT admin FROM users WHERE id = $1", user_id)


async def test_sessions_of_nobody_cannot_be_ended(database: None) -> None:
    changed = management.change_user(12345, UserPatch(role=Role.STAFF))
    for verb in (sessions.end_sessions(12345), users.deactivate(12345), changed):
        with pytest.raises(NotFound):
            await verb


async def test_verify_tells_whether_a_token_is_good(client: httpx.AsyncClient, started: TokensOut) -> None:
    answer = await client.post("/auth/jwt/verify/", json={"token": started.access})
    assert answer.status_code == 200
    assert answer.json()["valid"] is True
    assert 890 <= answer.json()["expires_in"] <= 900


async def test_verify_refuses_the_token_of_an_ended_session(client: httpx.AsyncClient, started: TokensOut) -> None:
    await client.post("/auth/logout/", headers=bearer(started))
    assert (await client.post("/auth/jwt/verify/", json={"token": started.access})).status_code == 401
