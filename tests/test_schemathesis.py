"""X10: thousands of generated requests find no server error and no answer that the document does not promise."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from lib.embedded import Urls

ROOT = Path(__file__).parent.parent
CONFIG = Path(__file__).with_name("schemathesis.toml")
SEED = os.environ.get("SEED", "20261120")
# For each operation. The nightly run asks for 200 or more, which makes over ten thousand cases.
EXAMPLES = int(os.environ.get("STOCKROOM_SCHEMATHESIS_EXAMPLES", "5"))
LONGEST_RUN_SECONDS = 100 if EXAMPLES <= 5 else 4 * 3600
# They end the session that the run needs.
ENDING = ["/auth/logout"]


@contextlib.asynccontextmanager
async def serve(urls: Urls, log: Path) -> AsyncIterator[str]:
    """The application behind its real server, on a port of its own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = {"DATABASE_URL": urls.database_url, "REDIS_URL": urls.redis_url, "ALLOWED_HOSTS": "127.0.0.1"}
    command = ["-m", "uvicorn", "app:app", "--port", str(port), "--no-access-log", "--no-server-header"]
    with log.open("wb") as output:
        server = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=ROOT, env=os.environ | environment, stdout=output, stderr=output
        )
    try:
        await wait_for(f"http://127.0.0.1:{port}/health/live")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        await server.wait()


async def wait_for(url: str) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(20):
        while True:
            with contextlib.suppress(httpx.TransportError):
                await client.get(url)
                return
            await asyncio.sleep(0.1)


async def attack(url: str, folder: Path, *options: str) -> tuple[int | None, str]:
    """Exit code and report of one run."""
    command = ["-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", f"{url}/api/schema", "--no-color"]
    run = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *("--seed", SEED, "--max-examples", str(EXAMPLES)),
        *options,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    report, _ = await run.communicate()
    return run.returncode, report.decode()


def excluding(paths: list[str]) -> list[str]:
    return [part for path in paths for part in ("--exclude-path", path)]


@pytest.mark.timeout(LONGEST_RUN_SECONDS)
async def test_no_request_of_an_administrator_breaks_a_promise(servers: Urls, admin: httpx.AsyncClient, tmp_path: Path):
    token = admin.headers["authorization"]
    async with serve(servers, tmp_path / "server.log") as url:
        code, report = await attack(url, tmp_path, "--header", f"Authorization: {token}", *excluding(ENDING))
    assert code == 0, report
    assert "request_failed" not in (tmp_path / "server.log").read_text()


@pytest.mark.timeout(LONGEST_RUN_SECONDS)
async def test_no_request_of_a_stranger_breaks_a_promise(servers: Urls, database: None, tmp_path: Path):
    async with serve(servers, tmp_path / "server.log") as url:
        code, report = await attack(url, tmp_path, "--phases", "fuzzing")
    assert code == 0, report
    assert "request_failed" not in (tmp_path / "server.log").read_text()
