"""What two web processes agree on: who has signed out, and how often somebody has tried."""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from domains.accounts import sessions, users
from domains.accounts.tables import Role
from tests.conftest import make_user
from tests.faults.harness import free_port, wait_for_port

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"
# Patient with a Redis that a busy machine makes wait, and counting apart from other servers of this run.
WEB = """
import sys
import uvicorn
from lib import redis_client, sliding_windows
redis_client.LONGEST_ANSWER_SECONDS = 5
sliding_windows.PREFIX = sys.argv[2]
uvicorn.run("app:app", port=int(sys.argv[1]), proxy_headers=False, log_level="warning")
"""

# Together on one worker: they share the processes.
pytestmark = pytest.mark.xdist_group("two processes")


@pytest.fixture(scope="module")
async def ports(running_app: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[int]]:
    ports, windows = [free_port(), free_port()], f"test:{uuid4().hex}:"
    with (tmp_path_factory.mktemp("webs") / "processes.log").open("wb") as log:
        processes = [await start_web(port, windows, log.fileno()) for port in ports]
    try:
        for port in ports:
            await asyncio.to_thread(wait_for_port, port, 60)
        yield ports
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            await process.wait()


async def start_web(port: int, windows: str, log: int) -> asyncio.subprocess.Process:
    environment = os.environ | {"ALLOWED_HOSTS": "127.0.0.1"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", WEB, str(port), windows, cwd=ROOT, env=environment, stdout=log, stderr=log
    )


def client_of(port: int, access: str = "") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {access}"} if access else {}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers)


async def is_dead_within_a_second(client: httpx.AsyncClient) -> bool:
    began = asked = time.monotonic()
    while asked - began <= 1:
        if (await client.get("/auth/check/")).status_code == 401:
            return True
        await asyncio.sleep(0.02)
        asked = time.monotonic()
    return (await client.get("/auth/check/")).status_code == 401


@pytest.mark.parametrize("everywhere", [False, True])
async def test_a_token_revoked_in_one_is_dead_in_the_other_within_a_second(
    database: None, ports: list[int], everywhere: bool
):
    started = await sessions.start_session(await make_user(Role.STAFF, "stan"))
    async with client_of(ports[0], started.access) as here, client_of(ports[1], started.access) as there:
        assert [(await client.get("/auth/check/")).status_code for client in (here, there)] == [200, 200]
        ended = await here.post("/auth/logout/", json={"everywhere": everywhere})
        assert ended.status_code == 204
        assert (await here.get("/auth/check/")).status_code == 401
        assert await is_dead_within_a_second(there)


async def test_a_reused_refresh_token_ends_its_session_in_the_other_within_a_second(database: None, ports: list[int]):
    started = await sessions.start_session(await make_user(Role.STAFF, "stan"))
    async with client_of(ports[0]) as here, client_of(ports[1], started.access) as there:
        answers = [await here.post("/auth/jwt/refresh/", json={"refresh": started.refresh}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 401]
        assert await is_dead_within_a_second(there)


async def test_of_twenty_clients_of_both_exactly_one_gets_new_tokens(database: None, ports: list[int]):
    started = await sessions.start_session(await make_user(Role.STAFF, "stan"))
    async with client_of(ports[0]) as here, client_of(ports[1]) as there:
        race = [client.post("/auth/jwt/refresh/", json={"refresh": started.refresh}) for client in [here, there] * 10]
        answers = await asyncio.gather(*race)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 19}


async def test_failures_in_both_add_up(database: None, ports: list[int]):
    await users.create_user(email="ada@example.com", username="ada", password=PASSWORD, is_verified=True)
    async with client_of(ports[0]) as here, client_of(ports[1]) as there:
        wrong = {"username": "ada", "password": "wrong"}
        crowd = [client.post("/auth/jwt/create/", json=wrong) for client in [here, there] * 10]
        answers = await asyncio.gather(*crowd)
        refused = await there.post("/auth/jwt/create/", json={"username": "ada", "password": PASSWORD})
    assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 15}
    assert 890 <= int(refused.headers["retry-after"]) <= 900
