"""Real servers, workers and web processes of a fault run's own, to be killed by their pid."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg

from lib.embedded import database_url, redis_url, run
from lib.servers.postgres import Postgres
from lib.servers.valkey import Valkey

REPOSITORY = Path(__file__).parents[2]
SECRET = "f" * 40
# For what takes a second or two: whoever waits so long waits for ever.
HANGS_SECONDS = 30
_held: list[socket.socket] = []


def make_seed() -> random.Random:
    """Printed, and taken from SEED, so that a run can be repeated."""
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    print(f"SEED={seed}")
    return random.Random(seed)


class House:
    """One installation in a directory: PostgreSQL, Valkey, and as many processes as a test starts."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory = directory
        self.postgres = Postgres(directory, throwaway=False)
        self.valkey = Valkey(directory, throwaway=False)
        self.environment = {
            **os.environ,
            "DEBUG": "true",
            "DATA_DIR": str(directory),
            "SECRET_KEY": SECRET,
            "DATABASE_URL": database_url(directory),
            "REDIS_URL": redis_url(directory),
            "ALLOWED_HOSTS": "127.0.0.1",
            "IMPORT_LEASE_SECONDS": "3",
            "LOG_LEVEL": "WARNING",
            **settings,
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    @contextlib.contextmanager
    def running(self) -> Iterator["House"]:
        with run([self.postgres, self.valkey]):
            subprocess.run(
                [sys.executable, "-m", "litestar", "migrate"], env=self.environment, cwd=REPOSITORY, check=True
            )
            try:
                yield self
            finally:
                for process in self.processes:
                    end(process)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.directory / "processes.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], env=self.environment, cwd=REPOSITORY, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.start("litestar", "worker")

    def start_web(self, port: int, app: str = "app:app") -> subprocess.Popen[bytes]:
        options = ("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", "--no-proxy-headers")
        web = self.start("uvicorn", app, *options)
        wait_for_port(port)
        return web

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        connection = await asyncpg.connect(self.environment["DATABASE_URL"])
        try:
            yield connection
        finally:
            await connection.close()

    async def ask(self, sql: str, *values: object) -> object:
        async with self.database() as connection:
            return await connection.fetchval(sql, *values)

    async def order_import(self, content: str) -> uuid.UUID:
        """A pending import, found by the sweep of the next worker."""
        import_id, key = uuid.uuid4(), uuid.uuid4().hex
        folder = self.directory / "files"
        folder.mkdir(exist_ok=True)
        (folder / key).write_text(content)
        await self.ask(
            "INSERT INTO import_job (id, filename, file_key) VALUES ($1, 'f.csv', $2) RETURNING id", import_id, key
        )
        return import_id


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9, by its own pid."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            kill(process)


def free_port() -> int:
    """Of 127.0.0.1, and ours until this process ends, also while its server is down: the system gives a port that is
    bound to nobody else, and whoever asks for it by its number, as servers do with SO_REUSEADDR, gets it."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _held.append(held)
    return int(held.getsockname()[1])


def wait_for_port(port: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on {port}")


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> float:
    """Wait until it holds; how long that took. Raises TimeoutError."""
    began = time.monotonic()
    while not await condition():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not within {seconds} s")
        await asyncio.sleep(0.05)
    return time.monotonic() - began
