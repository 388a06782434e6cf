"""A server that lives no longer than this process, over data that outlives both: what PostgreSQL and Valkey share."""

import contextlib
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from signal import SIGKILL, Signals
from typing import ClassVar

from lib.servers.child import Child
from lib.servers.errors import EmbeddedFailed, EmbeddedUnavailable
from lib.servers.launch import CANNOT_RUN
from lib.servers.processes import end_orphans
from lib.servers.sockets import make_sockets, sockets_of
from lib.servers.user import ServerUser, give, possible_users
from lib.servers.waiting import lock_file, try_lock, wait_until

LONGEST_START_SECONDS = 120.0  # A crash recovery may have 2 GB of log to read.
LONGEST_STOP_SECONDS = 20.0


class Server(ABC):
    """`start`, `stop`, `kill` and `erase` may follow each other in any order, called by one thread at a time."""

    name: ClassVar[str]
    folder: ClassVar[str]
    setting: ClassVar[str]
    may_be_root: ClassVar[bool]
    socket_names: ClassVar[tuple[str, ...]]
    # Sent one after the other, each with LONGEST_STOP_SECONDS; the first also by the kernel when our process dies.
    stop_signals: ClassVar[tuple[Signals, ...]]

    def __init__(self, data_dir: Path, program: Path, *, throwaway: bool) -> None:
        self.data_dir = data_dir.resolve()
        self.directory = self.data_dir / self.folder
        self.sockets = sockets_of(self.directory)
        self.program = program
        self.throwaway = throwaway
        self._child: Child | None = None

    @abstractmethod
    def _prepare(self, alive: int) -> None:
        """Make `directory`; a program that runs for this inherits `alive`."""

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _answers(self) -> bool: ...

    @property
    def pid(self) -> int:
        if self._child is None:
            raise EmbeddedFailed(f"{self.name} does not run here.")
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.exit_code is None

    def start(self) -> None:
        """Returns when clients can be served."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """The first half of `start`, so that two servers can start side by side."""
        if self.is_running:
            raise EmbeddedFailed(f"{self.name} already runs (process {self.pid}).")
        try:
            self._launch()
        except OSError as error:
            raise EmbeddedFailed(f"{self.name} cannot use {self.data_dir}: {error}") from error

    def await_ready(self) -> None:
        ended_or_ready = wait_until(lambda: not self.is_running or self._answers(), LONGEST_START_SECONDS)
        if not ended_or_ready or not self.is_running:
            self._fail()

    def stop(self) -> None:
        """Asks, asks more firmly, then kills; nothing when it was not started here."""
        if self._child is None:
            return
        for signal in (*self.stop_signals, SIGKILL):
            if self._ended_by(signal):
                break
        self._child = None
        self._remove_own_sockets()
        # What somebody else may have put there is no reason to fail now.
        with contextlib.suppress(OSError):
            self.sockets.rmdir()

    def kill(self) -> None:
        """kill -9, for tests of what happens then."""
        self._ended_by(SIGKILL)

    def erase(self) -> None:
        """Lose all data; the server must have ended."""
        if self.is_running:
            raise EmbeddedFailed(f"{self.name} still runs (process {self.pid}).")
        with self._alone():
            shutil.rmtree(self.directory)

    @property
    def _user(self) -> ServerUser:
        return self._user_and_version[0]

    @property
    def _version(self) -> str:
        return self._user_and_version[1]

    @cached_property
    def _user_and_version(self) -> tuple[ServerUser, str]:
        complaint = ""
        for user in possible_users(self.directory, may_be_root=self.may_be_root):
            done = user.version(self.program, self.data_dir)
            if done.returncode == 0:
                return user, done.stdout.strip()
            complaint = done.stderr.strip()
        raise EmbeddedUnavailable(self.name, self.setting, complaint)

    def _launch(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._alone() as alive:
            self._prepare(alive)
            give(self.directory, self._user)
            make_sockets(self.sockets, self._user)
            self._remove_own_sockets()
            command = self._user.command(self._command(), self.directory, self.stop_signals[0])
            self._child = Child(command, self.directory.with_suffix(".log"), alive)
            os.pwrite(alive, f"{self.pid}\n".encode(), 0)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[int]:
        """A locked file that every process of the server inherits: it is free only when the last of them has ended.

        After kill -9 the children of PostgreSQL live on for a while; a second server beside them would harm the data.
        """
        with lock_file(self.directory.with_suffix(".alive")) as alive:
            if not wait_until(lambda: try_lock(alive) or self._clear_the_way(alive), LONGEST_STOP_SECONDS):
                sentence = f"Another {self.name} (process {_pid_in(alive)}) still runs on {self.directory}: end it."
                raise EmbeddedFailed(sentence)
            os.ftruncate(alive, 0)
            yield alive

    def _clear_the_way(self, alive: int) -> bool:
        """Never when no process is named: then another one is about to start the server."""
        if pid := _pid_in(alive):
            end_orphans(self.directory, self.program, pid)
        return False

    def _remove_own_sockets(self) -> None:
        """What kill -9 leaves; a file with the number of a process that is now another would forbid the start."""
        for name in self.socket_names:
            (self.sockets / name).unlink(missing_ok=True)

    def _ended_by(self, signal: Signals) -> bool:
        return self._child is None or self._child.ends_with(signal, LONGEST_STOP_SECONDS)

    def _fail(self) -> None:
        code = None if self._child is None else self._child.exit_code
        told = "" if self._child is None else self._child.last_lines()
        self.kill()
        if code == CANNOT_RUN:
            raise EmbeddedUnavailable(self.name, self.setting, told)
        raise EmbeddedFailed(f"{self.name} did not start; {self.directory}.log ends with:\n{told}")


def _pid_in(alive: int) -> str:
    return os.pread(alive, 20, 0).decode().strip()
