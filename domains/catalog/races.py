"""What two writers of many products can do to each other, and how they go on."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from lib.errors import Unavailable

T = TypeVar("T")

TRIES = 10
LONGEST_PAUSE_SECONDS = 0.2


class Raced(Unavailable):
    """Others are changing the same products; try again."""


# The transaction is lost, and all of it may simply be done again.
RACES = (
    Raced,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    asyncpg.ForeignKeyViolationError,
)


async def despite_races(act: Callable[[], Awaitable[T]]) -> T:
    """What `act` returns, tried again after a short while when somebody came between; at last raises one of RACES."""
    for turn in range(1, TRIES):
        with contextlib.suppress(*RACES):
            return await act()
        await asyncio.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS * turn / TRIES))  # noqa: S311 - No secret.
    return await act()
