"""Whoever ends sessions waits for tokens that are just being made, and ends those too."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest

from domains.accounts import sessions, users
from domains.accounts.schemas import Device, TokensOut
from domains.accounts.tables import Role
from piccolo_conf import fetch_value, transaction
from tests.conftest import make_user


@pytest.fixture
async def user_id(database: None) -> int:
    return await make_user(Role.STAFF, "stan")


@pytest.fixture
async def started(user_id: int) -> TokensOut:
    return await sessions.start_session(user_id)


@asynccontextmanager
async def not_yet_committed(act: Awaitable[object]) -> AsyncIterator[None]:
    """Inside, what `act` wrote is there but cannot be seen; it is committed a moment later."""
    written = asyncio.Event()

    async def hold() -> None:
        async with transaction():
            await act
            written.set()
            await asyncio.sleep(0.1)

    held = asyncio.create_task(hold())
    await written.wait()
    yield
    await held


async def live_tokens() -> int:
    count: int = await fetch_value("SELECT count(*) FROM user_session WHERE revoked_at IS NULL")
    return count


async def test_no_refresh_slips_past_the_end_of_all_sessions(user_id: int, started: TokensOut) -> None:
    async with not_yet_committed(sessions.refresh_session(started.refresh, Device())):
        await sessions.end_sessions(user_id)
    assert await live_tokens() == 0


async def test_no_refresh_slips_past_a_reuse(started: TokensOut) -> None:
    newest = await sessions.refresh_session(started.refresh, Device())
    async with not_yet_committed(sessions.refresh_session(newest.refresh, Device())):
        with pytest.raises(sessions.BadRefreshToken):
            await sessions.refresh_session(started.refresh, Device())
    assert await live_tokens() == 0


async def test_no_sign_in_slips_past_a_deactivation(user_id: int) -> None:
    async with not_yet_committed(sessions.start_session(user_id)):
        await users.deactivate(user_id)
    assert await live_tokens() == 0


async def test_no_refresh_slips_past_an_end_under_way(user_id: int, started: TokensOut) -> None:
    async with not_yet_committed(sessions.end_sessions(user_id)):
        with pytest.raises(sessions.BadRefreshToken):
            await sessions.refresh_session(started.refresh, Device())
    assert await live_tokens() == 0


async def test_no_sign_in_slips_past_a_deactivation_under_way(user_id: int) -> None:
    async with not_yet_committed(users.deactivate(user_id)):
        with pytest.raises(sessions.WrongCredentials):
            await sessions.start_session(user_id)
    assert await live_tokens() == 0
