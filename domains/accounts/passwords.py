"""Password hashes: argon2id with 19 MiB, two passes, one lane (OWASP), computed off the event loop.

A hash takes 20-50 ms of a core. Few threads, so that a crowd signing in can neither take all memory nor all cores.
"""

import asyncio
import base64
import contextlib
import os
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 8
LONGEST = 128
ARGON2ID = "$argon2id$"
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
NICENESS = 19


def _step_back() -> None:
    """Linux weighs threads apart: requests go before hashes, and a crowd that signs in slows itself alone."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


THREADS = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="argon2", initializer=_step_back)


def _hash_of_nothing() -> str:
    """A well-formed hash that no password has: comparing with it costs as much as with a real one."""
    salt, digest = (base64.b64encode(os.urandom(size)).decode().rstrip("=") for size in (16, 32))
    return f"{ARGON2ID}v=19$m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}${salt}${digest}"


NOBODY = _hash_of_nothing()


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(THREADS, HASHER.hash, _as_bytes(password))


async def is_password(password: str, stored: str | None) -> bool:
    """Whether `stored` is this password's hash, in the same time whatever it is: None stands for an unknown user."""
    is_usable = stored is not None and stored.startswith(ARGON2ID) and len(password) <= LONGEST
    compared = stored if stored is not None and is_usable else NOBODY
    matches = await asyncio.get_running_loop().run_in_executor(THREADS, _matches, compared, _as_bytes(password))
    return matches and is_usable


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return HASHER.check_needs_rehash(stored)


def _matches(stored: str, password: bytes) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _as_bytes(password: str) -> bytes:
    """Composed, because keyboards differ in how they write an accented letter; what is too long never counts."""
    return unicodedata.normalize("NFC", password[: LONGEST + 1]).encode("utf-8", "surrogatepass")
