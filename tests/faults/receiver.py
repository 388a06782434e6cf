"""A receiver of webhooks beside a test: a real HTTP server in a process of its own, and the log of what came to it."""

import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import msgspec

from tests.faults.receiving import Line

REPOSITORY = Path(__file__).parents[2]
# What a House has to be told so that anything comes here.
SETTINGS = {"WEBHOOK_ALLOW_HTTP": "true", "WEBHOOK_ALLOW_PRIVATE": "true"}


class Received(NamedTuple):
    """A request: `timestamp` is the one that it was signed with, `at` when it came, both in unix seconds."""

    path: str
    webhook_id: str
    timestamp: int
    body: bytes
    at: float
    headers: dict[str, str]


class Left(NamedTuple):
    """A client that gave up waiting for its answer, and after how many seconds."""

    path: str
    webhook_id: str
    seconds: float


class Receiver:
    """Which behaviours there are: tests/faults/receiving.py. `url("flaky/2/b")` is the endpoint b that fails twice."""

    def __init__(self, log: Path, port: int) -> None:
        self.log = log
        self.port = port
        self._read_bytes = 0
        self._received: list[Received] = []
        self._left: list[Left] = []

    def url(self, path: str = "ok") -> str:
        return f"http://127.0.0.1:{self.port}/{path.lstrip('/')}"

    @property
    def received(self) -> list[Received]:
        """In the order in which they came, up to now."""
        self._read()
        return self._received

    @property
    def left(self) -> list[Left]:
        self._read()
        return self._left

    def at(self, path: str) -> list[Received]:
        """What came to one endpoint, named as for `url`."""
        return [request for request in self.received if request.path == f"/{path.lstrip('/')}"]

    def counted(self) -> Counter[tuple[str, str]]:
        """How often each message came to each path: (path, webhook-id)."""
        return Counter((request.path, request.webhook_id) for request in self.received)

    def _read(self) -> None:
        with self.log.open("rb") as file:
            file.seek(self._read_bytes)
            whole, end, _ = file.read().rpartition(b"\n")
        self._read_bytes += len(whole) + len(end)
        for line in whole.splitlines():
            self._take(msgspec.json.decode(line, type=Line))

    def _take(self, line: Line) -> None:
        webhook_id = line.headers.get("webhook-id", "")
        if line.seconds is None:
            timestamp = int(line.headers.get("webhook-timestamp", 0))
            self._received.append(Received(line.path, webhook_id, timestamp, line.body, line.at, line.headers))
        else:
            self._left.append(Left(line.path, webhook_id, line.seconds))


@contextlib.contextmanager
def receiving(directory: Path) -> Iterator[Receiver]:
    """Its log is in `directory`. It ends with the block, or with this process."""
    log = directory / f"received-{uuid4().hex[:8]}.log"
    log.touch()
    command = [sys.executable, "-m", "tests.faults.receiving", str(log)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Receiver(log, int(process.stdout.readline()))
        finally:
            process.kill()
