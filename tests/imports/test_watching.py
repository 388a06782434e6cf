"""Live progress ends with the right to see it."""

import asyncio

import httpx
import pytest

from domains.accounts import api_keys, cookies, sessions
from domains.accounts.schemas import ApiKeyIn, Device
from domains.accounts.scopes import Scope
from domains.accounts.sessions import Proven
from domains.accounts.tables import Role
from tests.conftest import make_client, make_user
from tests.imports.uploads import upload

LONGEST_SECONDS = 30


@pytest.fixture
async def job_id(admin: httpx.AsyncClient) -> str:
    return str((await upload(admin, "sku,name\nA,Anvil\n")).json()["job_id"])


async def read_until_it_ends(client: httpx.AsyncClient, job_id: str) -> str:
    """Of an import that no worker takes on: left alone, its progress goes on for ever."""
    async with asyncio.timeout(LONGEST_SECONDS):
        return (await client.get(f"/api/jobs/{job_id}/events")).text


@pytest.mark.parametrize("kind", ["token", "cookie"])
async def test_who_is_signed_out_hears_no_more(job_id: str, kind: str) -> None:
    user_id = await make_user(Role.STAFF, "stan")
    if kind == "token":
        headers = {"Authorization": f"Bearer {(await sessions.start_session(user_id)).access}"}
    else:
        headers = {"Cookie": f"{cookies.SESSION}={await cookies.start(Proven(user_id, ''), Device())}"}
    async with make_client(**headers) as client:
        reading = asyncio.create_task(read_until_it_ends(client, job_id))
        await asyncio.sleep(0.5)
        await sessions.end_sessions(user_id)
        assert "event: progress" in await reading


async def test_a_revoked_key_hears_no_more(job_id: str) -> None:
    user_id = await make_user(Role.STAFF, "stan")
    key = await api_keys.create_key(user_id, ApiKeyIn(name="Till", scopes=[Scope.IMPORTS_WRITE]))
    async with make_client(Authorization=f"Bearer {key.secret}") as client:
        reading = asyncio.create_task(read_until_it_ends(client, job_id))
        await asyncio.sleep(0.5)
        await api_keys.revoke_key(user_id, key.id)
        assert "event: progress" in await reading
