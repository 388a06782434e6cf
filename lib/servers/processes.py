"""Processes of a server, told by /proc: each works in the directory of its data."""

import contextlib
import os
from pathlib import Path
from signal import SIGKILL


def works_in(directory: Path, pid: str) -> bool:
    """False also for a process that has ended or that we may not look at."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == directory.resolve()
    except OSError:
        return False


def end_orphans(directory: Path, program: Path, main_pid: str) -> None:
    """A busy backend of PostgreSQL can miss for minutes that its main process was killed, and blocks the next start."""
    if works_in(directory, main_pid):
        return
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and works_in(directory, entry.name) and _runs(program, entry):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(entry.name), SIGKILL)


def _runs(program: Path, process: Path) -> bool:
    """By name only: the file may have been replaced since. A shell that somebody left in the directory stays."""
    try:
        return (process / "exe").readlink().name.removesuffix(" (deleted)") == program.name
    except OSError:
        return False
