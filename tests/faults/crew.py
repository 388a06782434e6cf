"""Workers of a House that are easily replaced, and die where a test wants them to."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

from tests.faults.delivering import NEVER
from tests.faults.harness import REPOSITORY, House, until


class Crew:
    """Workers are known by their pids."""

    def __init__(self, nursery: subprocess.Popen[bytes]) -> None:
        self.nursery = nursery

    def start(self, point: str = NEVER, passes: int = 0) -> int:
        """The points are those of tests/faults/delivering.py."""
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(f"{point} {passes}\n".encode())
        self.nursery.stdin.flush()
        return int(self.nursery.stdout.readline())

    async def kill(self, pid: int) -> None:
        """kill -9."""
        os.kill(pid, signal.SIGKILL)
        await self.until_dead(pid, 30)

    async def until_dead(self, pid: int, seconds: float) -> None:
        """Raises TimeoutError."""

        async def is_dead() -> bool:
            return not is_alive(pid)

        await until(is_dead, seconds)


def is_alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@contextlib.contextmanager
def hired(house: House) -> Iterator[Crew]:
    """All of them end with the block."""
    command = [sys.executable, "-m", "tests.faults.delivering"]
    with (
        (house.directory / "processes.log").open("ab") as log,
        subprocess.Popen(
            command,
            env=house.environment,
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as nursery,
    ):
        try:
            yield Crew(nursery)
        finally:
            nursery.kill()
