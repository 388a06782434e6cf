"""Rings again for rows that nobody works on, and takes away what has had its time. Any number of these may run."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from domains.accounts.codes import forget_old_codes
from domains.accounts.idempotency import forget_old_records
from domains.accounts.limits import forget_old_addresses
from domains.accounts.sessions import forget_old_admin_sessions, forget_old_sessions
from domains.catalog.jobs import ring_waiting_changes
from domains.imports.jobs import ring_waiting
from domains.imports.services import remove_expired_files
from domains.mail.jobs import ring_waiting_mail
from domains.mail.services import forget_old_mail
from lib import log
from settings import settings

logger = log.get("queues.sweep")

# Often enough that an import whose worker died is taken over soon after its lease has ended.
EVERY_SECONDS = min(10, settings.import_lease_seconds / 2)
RINGS: list[Callable[[], Awaitable[None]]] = [ring_waiting, ring_waiting_changes, ring_waiting_mail]
CLEANINGS: list[Callable[[], Awaitable[None]]] = [
    forget_old_records,
    forget_old_sessions,
    forget_old_admin_sessions,
    forget_old_addresses,
    forget_old_codes,
    remove_expired_files,
    forget_old_mail,
]
CLEAN_EVERY_SECONDS = 3600


async def sweep_forever() -> None:
    cleaned_at = -float(CLEAN_EVERY_SECONDS)
    while True:
        await _turn(RINGS)
        if time.monotonic() - cleaned_at >= CLEAN_EVERY_SECONDS:
            cleaned_at = time.monotonic()
            await _turn(CLEANINGS)
        await asyncio.sleep(EVERY_SECONDS)


async def _turn(steps: list[Callable[[], Awaitable[None]]]) -> None:
    """Each step in a task of its own: a connection that dies in one cannot trouble the next."""
    results = await asyncio.gather(*(step() for step in steps), return_exceptions=True)
    for step, result in zip(steps, results, strict=True):
        if isinstance(result, Exception):
            logger.warning("sweep_failed", step=step.__name__, error=type(result).__name__)
