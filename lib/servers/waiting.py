"""Waiting for other processes: locks that the kernel releases when their holder dies, and polling."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lib.servers.user import follow_owner

POLL_SECONDS = 0.005


def wait_until(ready: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


@contextlib.contextmanager
def lock_file(path: Path) -> Iterator[int]:
    """Not locked yet; closing it gives the lock up, unless another process has inherited it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        follow_owner(path)
        yield file
    finally:
        os.close(file)


def try_lock(file: int) -> bool:
    """Processes that inherit the open file hold the lock too, until the last of them has ended."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
