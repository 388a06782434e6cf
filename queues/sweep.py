"""Rings again for rows that nobody works on, and for schedules that are due. Any number of these may run."""

import asyncio
from collections.abc import Awaitable, Callable

from domains.catalog.jobs import ring_waiting_changes
from domains.imports.jobs import ring_waiting
from domains.mail.jobs import ring_waiting_mail
from lib import log
from queues.runs import run_what_is_due
from settings import settings

logger = log.get("queues.sweep")

# Often enough that an import whose worker died is taken over soon after its lease has ended.
EVERY_SECONDS = min(10, settings.import_lease_seconds / 2)
RINGS: list[Callable[[], Awaitable[None]]] = [ring_waiting, ring_waiting_changes, ring_waiting_mail, run_what_is_due]


async def sweep_forever() -> None:
    while True:
        await _turn(RINGS)
        await asyncio.sleep(EVERY_SECONDS)


async def _turn(steps: list[Callable[[], Awaitable[None]]]) -> None:
    """Each step in a task of its own: a connection that dies in one cannot trouble the next."""
    results = await asyncio.gather(*(step() for step in steps), return_exceptions=True)
    for step, result in zip(steps, results, strict=True):
        if isinstance(result, Exception):
            logger.warning("sweep_failed", step=step.__name__, error=type(result).__name__)
