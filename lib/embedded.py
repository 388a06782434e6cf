"""Real PostgreSQL and Valkey from wheels, under a small supervisor of our own: for one-command start and for tests.

Several commands may run on one DATA_DIR: the first owns the servers, which end with it however it ends; the others use
them. Both listen on unix sockets only. Linux only; elsewhere set DATABASE_URL and REDIS_URL. A process that the owner
forks without exec keeps the directory taken for as long as it lives.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lib.servers.errors import EmbeddedFailed
from lib.servers.postgres import Postgres, postgres_answers, postgres_url
from lib.servers.server import LONGEST_START_SECONDS, Server
from lib.servers.valkey import Valkey, valkey_answers, valkey_url
from lib.servers.waiting import lock_file, try_lock, wait_until


class Urls(msgspec.Struct, frozen=True):
    """Empty for a server that was not asked for."""

    database_url: str = ""
    redis_url: str = ""


class Owner(msgspec.Struct, frozen=True):
    """What the process that runs the servers tells the others, in `data_dir/owner`, which it holds locked."""

    pid: int
    urls: Urls


@contextlib.contextmanager
def embedded(
    data_dir: Path,
    *,
    postgres: bool = True,
    valkey: bool = True,
    throwaway: bool = False,
    own: bool = False,
    postgres_bin: Path | None = None,
) -> Iterator[Urls]:
    """Run the servers, or use those that another process runs on `data_dir`; with `own` wait until that one has ended.

    Raises EmbeddedUnavailable or EmbeddedFailed, each with a sentence for the user.
    """
    if not postgres and not valkey:
        yield Urls()
        return
    urls = Urls(database_url(data_dir) if postgres else "", redis_url(data_dir) if valkey else "")
    with _owner_file(data_dir) as file:
        servers: list[Server] = []
        if _take(file, data_dir.resolve(), urls, own=own):
            servers += [Postgres(data_dir, throwaway=throwaway, postgres_bin=postgres_bin)] if postgres else []
            servers += [Valkey(data_dir, throwaway=throwaway)] if valkey else []
        with run(servers):
            yield urls


def database_url(data_dir: Path) -> str:
    """Where the PostgreSQL of `data_dir` listens when it runs, for asyncpg and for libpq (psql)."""
    return postgres_url(data_dir)


def redis_url(data_dir: Path) -> str:
    return valkey_url(data_dir)


@contextlib.contextmanager
def run(servers: list[Server]) -> Iterator[None]:
    """Start them side by side, and stop them at the end."""
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.launch()
        for server in servers:
            server.await_ready()
        yield


@contextlib.contextmanager
def _owner_file(data_dir: Path) -> Iterator[int]:
    with contextlib.ExitStack() as stack:
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(lock_file(data_dir / "owner"))
        except OSError as error:
            sentence = f"{data_dir} cannot be used ({error.strerror}): set DATA_DIR to a directory of your own."
            raise EmbeddedFailed(sentence) from error
        yield file


def _take(file: int, data_dir: Path, urls: Urls, *, own: bool) -> bool:
    """Whether the servers are ours to run; when not, they are there."""
    if own and not try_lock(file):
        print(f"{_who(file)} runs on {data_dir}: waiting until it ends.", flush=True)  # noqa: T201 - the user waits.
        fcntl.flock(file, fcntl.LOCK_EX)
    if not wait_until(lambda: try_lock(file) or _is_served(file, data_dir, urls), LONGEST_START_SECONDS):
        raise EmbeddedFailed(f"{_who(file)} runs on {data_dir}, but its servers do not answer.")
    if not try_lock(file):
        return False
    os.ftruncate(file, 0)
    os.pwrite(file, msgspec.json.encode(Owner(os.getpid(), urls)), 0)
    return True


def _is_served(file: int, data_dir: Path, wanted: Urls) -> bool:
    if (owner := _owner(file)) is None:
        return False
    if wanted.database_url not in {"", owner.urls.database_url} or wanted.redis_url not in {"", owner.urls.redis_url}:
        raise EmbeddedFailed(
            f"{_who(file)} runs on {data_dir} with other settings: give this one the same DATABASE_URL, REDIS_URL, "
            "TMPDIR and user, or end that one."
        )
    has_postgres = not wanted.database_url or postgres_answers(data_dir)
    return has_postgres and (not wanted.redis_url or valkey_answers(data_dir))


def _owner(file: int) -> Owner | None:
    """None while it is writing its lines."""
    try:
        return msgspec.json.decode(os.pread(file, 4096, 0), type=Owner)
    except msgspec.DecodeError:
        return None


def _who(file: int) -> str:
    owner = _owner(file)
    return f"Process {owner.pid}" if owner else "Another process"
