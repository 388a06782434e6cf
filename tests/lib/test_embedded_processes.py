"""Several processes on one DATA_DIR, owners that are killed, other users; every process ended here was started here."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import msgspec
import psutil
import pytest

from lib.embedded import database_url, embedded
from lib.servers.errors import EmbeddedFailed
from lib.servers.sockets import sockets_of

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"PYTHONPATH": f"{ROOT}:{Path(msgspec.__file__).parents[1]}", "PATH": os.defpath}
NOBODY = 65534
NAMELESS = 54321

# Runs servers until its standard input ends: argv is DATA_DIR and the names of embedded()'s arguments to be true. What
# was started in the background of a shell ignores SIGINT, and so would what it starts.
OWNER = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from lib.embedded import embedded
with embedded(Path(sys.argv[1]), **dict.fromkeys(sys.argv[2:], True)) as urls:
    print("ready", urls.database_url, flush=True)
    sys.stdin.read()
"""

# Becomes the root of a user namespace in which no further one may be made, and runs the program in argv.
WITHOUT_NAMESPACES = """
import ctypes, os, sys
asked, given = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    assert ctypes.CDLL(None).unshare(0x10000000) == 0
    os.write(asked[1], b".")
    os.read(given[0], 1)
    open("/proc/sys/user/max_user_namespaces", "w").write("0")
    os.execv(sys.argv[1], sys.argv[1:])
os.read(asked[0], 1)
for name in ("uid_map", "gid_map"):
    open(f"/proc/{child}/{name}", "w").write("0 0 65536")
os.write(given[1], b".")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

# setpriv still has root's rights when it starts a program, so that a program which starts is not yet in reach.
PROBE = "import os, sys, lib.embedded; sys.exit(not os.access(sys.executable, os.X_OK))"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="Only root can become other users.")


@contextlib.contextmanager
def owner(
    data_dir: Path, *options: str, python: tuple[str, ...] = (sys.executable,)
) -> Iterator[subprocess.Popen[str]]:
    """Another process inside `embedded`, once its servers are ready; ended by the end of its input."""
    command = [*python, "-c", OWNER, str(data_dir), *options]
    with subprocess.Popen(command, stdin=-1, stdout=-1, env=ENVIRONMENT, text=True) as process:
        assert process.stdout
        assert process.stdin
        yield process
        process.stdin.close()
    # Nobody is left to do this for an owner that was killed.
    for folder in ("postgres", "valkey"):
        with contextlib.suppress(OSError):
            sockets_of(data_dir / folder).rmdir()


def ready(process: subprocess.Popen[str]) -> bool:
    assert process.stdout
    return process.stdout.readline().startswith("ready")


def server_pids(data_dir: Path) -> list[int]:
    return [int((data_dir / name).read_text()) for name in ("postgres.alive", "valkey.alive")]


def runs(pid: int) -> bool:
    """False also for one that only waits for process 1 to take note of its end."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def server_uids(data_dir: Path) -> set[int]:
    return {psutil.Process(pid).uids().real for pid in server_pids(data_dir)}


def file_uids(data_dir: Path) -> set[int]:
    return {path.stat().st_uid for path in data_dir.rglob("*")}


def until(true: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


async def query(data_dir: Path, sql: str) -> object:
    connection = await asyncpg.connect(database_url(data_dir))
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_the_servers_end_with_an_owner_killed_with_9_and_start_again_at_once(tmp_path: Path) -> None:
    with owner(tmp_path) as first:
        assert ready(first)
        pids = server_pids(tmp_path)
        await query(tmp_path, "CREATE TABLE product AS SELECT 7 AS id")

        first.kill()
        first.wait()
        with embedded(tmp_path):
            assert not any(runs(pid) for pid in pids)
            assert await query(tmp_path, "SELECT id FROM product") == 7


@pytest.mark.parametrize("death", [signal.SIGTERM, signal.SIGINT])
def test_the_servers_shut_down_in_order_when_their_owner_is_asked_to_end(tmp_path: Path, death: signal.Signals) -> None:
    with owner(tmp_path) as first:
        assert ready(first)
        pids = server_pids(tmp_path)

        first.send_signal(death)
        first.wait()

        assert until(lambda: not any(runs(pid) for pid in pids))
    assert "database system is shut down" in (tmp_path / "postgres.log").read_text()
    assert "ready to exit" in (tmp_path / "valkey.log").read_text()


@pytest.mark.parametrize("delay", [0.02, 0.06, 0.15, 0.3, 0.5])
async def test_an_owner_may_be_killed_at_any_moment_of_its_first_start(tmp_path: Path, delay: float) -> None:
    with owner(tmp_path) as first:
        await asyncio.sleep(delay)
        first.kill()
        first.wait()

    with embedded(tmp_path):
        assert await query(tmp_path, "SELECT 1") == 1


async def test_a_second_process_uses_the_servers_and_leaves_them_running(tmp_path: Path) -> None:
    with embedded(tmp_path):
        with owner(tmp_path) as second:
            assert ready(second)
        assert second.returncode == 0
        assert await query(tmp_path, "SELECT 1") == 1


def test_of_processes_that_start_together_one_owns_and_all_are_served(tmp_path: Path) -> None:
    with owner(tmp_path) as first, owner(tmp_path) as second, owner(tmp_path) as third:
        assert ready(first)
        assert ready(second)
        assert ready(third)


def test_one_that_wants_to_own_says_that_it_waits_and_then_starts(tmp_path: Path) -> None:
    with owner(tmp_path) as first:
        assert ready(first)
        pids = server_pids(tmp_path)
        with owner(tmp_path, "own") as second:
            assert second.stdout
            assert second.stdout.readline() == f"Process {first.pid} runs on {tmp_path}: waiting until it ends.\n"

            first.kill()

            assert ready(second)
            assert not set(server_pids(tmp_path)) & set(pids)


def test_a_process_with_other_settings_is_told_so(tmp_path: Path) -> None:
    with (
        embedded(tmp_path, postgres=False),
        pytest.raises(EmbeddedFailed, match=f"Process {os.getpid()} runs on .* with other settings"),
        embedded(tmp_path),
    ):
        pass


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A directory that every user reaches (pytest's own are closed to others)."""
    path = Path(tempfile.mkdtemp(prefix="stockroom-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def python_of(uid: int) -> tuple[str, ...]:
    """Starts a Python as that user: this one where the user reaches it, or the system's of the same version."""
    system = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/local/bin:/usr/bin") or sys.executable
    for program in (sys.executable, system):
        command = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all", program)
        with contextlib.suppress(OSError):
            if subprocess.run([*command, "-c", PROBE], env=ENVIRONMENT, check=False).returncode == 0:
                return command
    pytest.skip("An ordinary user reaches no Python here.")


@as_root
@pytest.mark.parametrize("uid", [NOBODY, NAMELESS])
async def test_an_ordinary_user_runs_the_servers_and_root_leaves_them_theirs(open_dir: Path, uid: int) -> None:
    os.chown(open_dir, uid, uid)
    with owner(open_dir, python=python_of(uid)) as first:
        assert ready(first)
        assert server_uids(open_dir) == {uid}

    with embedded(open_dir):
        assert await query(open_dir, "SELECT 1") == 1
        assert server_uids(open_dir) == {uid}

    with owner(open_dir, python=python_of(uid)) as again:
        assert ready(again)
    assert file_uids(open_dir) == {uid}


@as_root
async def test_where_user_namespaces_are_forbidden_postgres_runs_as_nobody(tmp_path: Path) -> None:
    """pytest's own directories are closed to others, so it also has to get there."""
    for _ in range(2):
        with owner(tmp_path, python=(sys.executable, "-c", WITHOUT_NAMESPACES, sys.executable)) as process:
            assert ready(process)
            assert server_uids(tmp_path) == {NOBODY, 0}
            assert await query(tmp_path, "SELECT 1") == 1

    with embedded(tmp_path):
        assert await query(tmp_path, "SELECT 1") == 1


@as_root
def test_a_directory_that_may_not_be_used_is_named(open_dir: Path) -> None:
    command = [*python_of(NOBODY), "-c", OWNER, str(open_dir)]

    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)

    assert done.stderr.endswith(
        f"{open_dir} cannot be used (Permission denied): set DATA_DIR to a directory of your own.\n"
    )


@as_root
def test_sockets_of_somebody_else_are_refused(tmp_path: Path) -> None:
    sockets = sockets_of(tmp_path / "valkey")
    sockets.mkdir()
    os.chown(sockets, NAMELESS, NAMELESS)

    with pytest.raises(EmbeddedFailed, match="belongs to somebody else"), embedded(tmp_path, postgres=False):
        pass

    sockets.rmdir()
