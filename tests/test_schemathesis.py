"""X10: thousands of generated requests find no server error and no answer that the document does not promise."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from lib.embedded import Urls

ROOT = Path(__file__).parent.parent
CONFIG = Path(__file__).with_name("schemathesis.toml")
SEED = int(os.environ.get("SEED", "20261120"))
# For each operation. The nightly run asks for 100, in four rounds.
EXAMPLES = int(os.environ.get("STOCKROOM_SCHEMATHESIS_EXAMPLES", "3"))
# A round has to end before its access token does: after that every answer would be a 401 that promises allow.
MOST_EXAMPLES_A_ROUND = 25
ROUNDS = range(-(-EXAMPLES // MOST_EXAMPLES_A_ROUND))
LONGEST_ROUND_SECONDS = 600 if EXAMPLES <= 3 else 900
# They end the session that the run needs.
ENDING = ["/auth/logout"]

# Together on one worker: they share a server.
pytestmark = [pytest.mark.timeout(LONGEST_ROUND_SECONDS), pytest.mark.xdist_group("schemathesis")]


class Served(msgspec.Struct, frozen=True):
    url: str
    log: Path


@pytest.fixture(scope="module")
async def served(servers: Urls, running_app: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """The application behind its real server, on a port of its own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url, "ALLOWED_HOSTS": "127.0.0.1"}
    command = ["-m", "uvicorn", "app:app", "--port", str(port), "--no-access-log", "--no-server-header"]
    command += ["--no-proxy-headers"]
    log = tmp_path_factory.mktemp("served") / "server.log"
    with log.open("wb") as output:
        server = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=ROOT, env=os.environ | environment, stdout=output, stderr=output
        )
    try:
        await wait_for(f"http://127.0.0.1:{port}/health/live")
        yield Served(f"http://127.0.0.1:{port}", log)
    finally:
        server.terminate()
        await server.wait()


async def wait_for(url: str) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.TransportError):
                await client.get(url)
                return
            await asyncio.sleep(0.1)


async def attack(url: str, folder: Path, number: int, *options: str) -> tuple[int | None, str]:
    """Exit code and report of one round."""
    command = ["-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", f"{url}/api/schema", "--no-color"]
    run = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *("--seed", str(SEED + number), "--max-examples", str(min(EXAMPLES, MOST_EXAMPLES_A_ROUND))),
        *options,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    report, _ = await run.communicate()
    # Shown by `pytest -rP`: how many cases a run that found nothing consisted of.
    print(report.decode())
    return run.returncode, report.decode()


def excluding(paths: list[str]) -> list[str]:
    return [part for path in paths for part in ("--exclude-path", path)]


@pytest.mark.parametrize("number", ROUNDS)
async def test_no_request_of_an_administrator_breaks_a_promise(
    served: Served, admin: httpx.AsyncClient, tmp_path: Path, number: int
):
    token = admin.headers["authorization"]
    options = ["--header", f"Authorization: {token}", *excluding(ENDING)]
    code, report = await attack(served.url, tmp_path, number, *options)
    assert code == 0, report
    assert "request_failed" not in served.log.read_text()
    assert (await admin.get("/auth/check")).json()["authenticated"], "The session ended: most answers were a 401."


@pytest.mark.parametrize("number", ROUNDS)
async def test_no_request_of_a_stranger_breaks_a_promise(served: Served, database: None, tmp_path: Path, number: int):
    code, report = await attack(served.url, tmp_path, number, "--phases", "fuzzing")
    assert code == 0, report
    assert "request_failed" not in served.log.read_text()
