"""Which processes run where: the measured server alone on one core, PostgreSQL and the client on the others."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from bench.servers import Place

ALL = sorted(os.sched_getaffinity(0))
SERVER = ALL[:1]
OTHERS = ALL[1:] or ALL


@contextlib.contextmanager
def postgres_apart(place: Place) -> Iterator[None]:
    """Keep PostgreSQL, with the backends that it has and will have, off the server's core."""
    pin_postgres(place, OTHERS)
    try:
        yield
    finally:
        pin_postgres(place, ALL)


def pin_postgres(place: Place, cores: list[int]) -> None:
    for pid in _postgres(place):
        pin(pid, cores)


def _postgres(place: Place) -> list[int]:
    postmaster = int((place.directory / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
    return [postmaster, *_children(postmaster)]


def pin(pid: int, cores: list[int]) -> None:
    """Every thread of it. A machine that forbids this is measured without."""
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(int(task.name), cores)


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, in user and system mode together."""
    return _seconds(pid, 11)


def ended_seconds(pid: int) -> float:
    """The same of its children that have ended."""
    return _seconds(pid, 13)


def _seconds(pid: int, field: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[field]) + int(fields[field + 1])) / os.sysconf("SC_CLK_TCK")


def postgres_seconds(place: Place) -> float:
    """The same of PostgreSQL, with all backends that it has and ever had."""
    postmaster, *backends = _postgres(place)
    used = cpu_seconds(postmaster) + ended_seconds(postmaster)
    for pid in backends:
        with contextlib.suppress(OSError):
            used += cpu_seconds(pid)
    return used


def peak_mb(pid: int) -> float:
    """The most memory that a process has held so far (VmHWM); 0 when it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
