"""PostgreSQL and Valkey of a bench's own, durable and thrown away at the end, and the processes measured on them."""

import asyncio
import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import asyncpg
import msgspec

from lib.embedded import embedded

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
HOST = "127.0.0.1"
LONGEST_START_SECONDS = 60.0
LONGEST_STOP_SECONDS = 30.0
PR_SET_PDEATHSIG = 1
EMAIL, PASSWORD = "bench@example.com", secrets.token_urlsafe(16)
# Whatever this machine sets for its own Stockroom must not reach the measured one.
UNSET = ("ADMIN_EMAIL", "ADMIN_PASSWORD", "DOCS_ACCESS", "MAX_UPLOAD_MB", "IMPORT_CHUNK_ROWS", "DATABASE_POOL_SIZE")
# As `web_command` in queues/up.py starts it.
UVICORN_FLAGS = [
    *("--workers", "1", "--loop", "uvloop", "--http", "httptools"),
    *("--ws", "lib.websocket_server:WebSocketProtocol", "--ws-max-size", "4096", "--ws-per-message-deflate", "false"),
    *("--no-server-header", "--no-proxy-headers", "--no-access-log", "--log-level", "warning"),
]

libc = ctypes.CDLL(None, use_errno=True)


class BenchFailed(Exception):
    """Something could not be measured; the sentence says what."""


class Place(msgspec.Struct, frozen=True):
    """Where a bench works: its directory, its database, and the environment of the processes measured."""

    directory: Path
    database_url: str
    environment: dict[str, str]

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.out"


@contextlib.contextmanager
def servers() -> Iterator[Place]:
    """fsync stays on: what is measured is what survives."""
    directory = Path(tempfile.mkdtemp(prefix="stockroom-bench-"))
    try:
        with embedded(directory) as urls:
            environment = {
                **os.environ,
                **dict.fromkeys(UNSET, ""),
                "DEBUG": "true",
                "SECRET_KEY": secrets.token_urlsafe(48),
                "DATA_DIR": str(directory),
                "DATABASE_URL": urls.database_url,
                "REDIS_URL": urls.redis_url,
                "LOG_LEVEL": "WARNING",
                "PUBLIC_CATALOG": "true",
            }
            yield Place(directory, urls.database_url, environment)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.asynccontextmanager
async def running(place: Place, name: str, command: list[str], more: Mapping[str, str] = {}) -> AsyncIterator[int]:
    """A process that ends with this block, and with us; yields its pid."""
    with place.log(name).open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env={**place.environment, **more},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
        )
    try:
        yield process.pid
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), LONGEST_STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def serving(place: Place, app: str, more: Mapping[str, str] = {}) -> AsyncIterator[tuple[int, int]]:
    """One uvicorn process; yields its port and pid when it listens."""
    port = free_port()
    command = [PYTHON, "-m", "uvicorn", app, "--host", HOST, "--port", str(port), *UVICORN_FLAGS]
    async with running(place, app, command, more) as pid:
        await _until_listening(port, place.log(app))
        yield port, pid


async def run(place: Place, name: str, command: list[str], more: Mapping[str, str] = {}) -> bytes:
    """What a command prints; raises BenchFailed with its last lines when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**place.environment, **more},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    printed, complaint = await process.communicate()
    if process.returncode != 0:
        raise BenchFailed(f"{name} failed: {complaint.decode(errors='replace')[-2000:]}")
    return printed


async def prepare(place: Place) -> None:
    """Tables, and an administrator to sign in as."""
    account = ["--email", EMAIL, "--username", "bench", "--password", PASSWORD]
    await run(place, "create-admin", [PYTHON, "-m", "litestar", "create-admin", *account])


async def connect(place: Place) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(place.database_url, timeout=30, server_settings={"jit": "off", "timezone": "UTC"})


def die_with_parent() -> None:
    """Between fork and exec: should the bench be killed, nothing of it goes on."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


async def _until_listening(port: int, log: Path) -> None:
    try:
        async with asyncio.timeout(LONGEST_START_SECONDS):
            while True:
                try:
                    _, writer = await asyncio.open_connection(HOST, port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return
    except TimeoutError:
        raise BenchFailed(f"A server did not start: {last_lines(log)}") from None


def last_lines(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
