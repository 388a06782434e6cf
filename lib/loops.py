"""Loops that a process runs for as long as it lives, whatever its servers do meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable

from lib import log

logger = log.get("lib.loops")

PAUSE_AFTER_ERROR_SECONDS = 2.0


async def repeat(turn: Callable[[], Awaitable[bool]], name: str, idle_seconds: float) -> None:
    """A turn says whether nothing more waits; then the next one comes after a while.

    An error is told once, until all is well again. Each turn is its own task: a connection that dies in one cannot
    trouble the next.
    """
    is_away = False
    while True:
        try:
            is_idle = await asyncio.create_task(_run(turn))
        except Exception as error:  # The loop must outlive PostgreSQL.
            if not is_away:
                logger.warning(f"{name}_failed", error=type(error).__name__)
            is_away = True
            await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)
            continue
        is_away = False
        if is_idle:
            await asyncio.sleep(idle_seconds)


async def _run(turn: Callable[[], Awaitable[bool]]) -> bool:
    return await turn()
