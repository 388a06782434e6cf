"""Sessions that have ended while their access tokens still run: each process keeps a copy, renewed twice a second."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta

from domains.accounts import tokens
from lib import clock, log
from piccolo_conf import fetch, fetch_value

logger = log.get("accounts.revocations")

SECONDS_BETWEEN_COPIES = 0.5
LONGEST_COPY_SECONDS = 2
# What is promised: whatever ended longer ago is known, also while copies come late.
STALE_AFTER_SECONDS = 1
MEMORY = timedelta(seconds=tokens.LIFETIME_SECONDS + tokens.LARGEST_SKEW_SECONDS)

# Relies on user_session_recently_revoked.
RECENTLY_ENDED = "SELECT DISTINCT family::text AS family FROM user_session WHERE revoked_at > $1"
IS_LIVE = "SELECT EXISTS (SELECT FROM user_session WHERE family = $1 AND revoked_at IS NULL)"


class Copy:
    """What this process knows: families ended anywhere, as of `taken_at`, and those that it ended itself."""

    def __init__(self) -> None:
        self.families: frozenset[str] = frozenset()
        self.taken_at = float("-inf")
        self.ended_here: dict[str, float] = {}

    def is_fresh(self) -> bool:
        return time.monotonic() - self.taken_at <= STALE_AFTER_SECONDS

    def add(self, families: Iterable[str]) -> None:
        """Takes effect at once, and outlives a query for a new copy that is under way and does not know them yet."""
        self.ended_here |= dict.fromkeys(families, time.monotonic())
        self.families |= self.ended_here.keys()

    def replace(self, families: Iterable[str], taken_at: float) -> None:
        self.ended_here = {
            family: ended for family, ended in self.ended_here.items() if taken_at - ended < STALE_AFTER_SECONDS
        }
        self.families = frozenset(families) | self.ended_here.keys()
        self.taken_at = taken_at


copy = Copy()


async def has_ended(family: str) -> bool:
    """From the copy in memory; from PostgreSQL when the copy is too old or this process keeps none."""
    if family in copy.families:
        return True
    return not copy.is_fresh() and not await is_live(family)


async def is_live(family: str) -> bool:
    """From PostgreSQL, for what must not rest on a copy."""
    return bool(await fetch_value(IS_LIVE, family))


async def renew_copy() -> None:
    """Raises TimeoutError, OSError or an error of asyncpg when PostgreSQL does not answer."""
    asked_at = time.monotonic()
    async with asyncio.timeout(LONGEST_COPY_SECONDS):
        rows = await fetch(RECENTLY_ENDED, clock.now() - MEMORY)
    copy.replace((row["family"] for row in rows), asked_at)


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[None]:
    """For the length of a lifespan, keep the copy fresh. Needs the open pool."""
    await renew_copy()
    watch = asyncio.create_task(_watch())
    try:
        yield
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


async def _watch() -> None:
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_COPIES)
        try:
            await renew_copy()
        except Exception as error:  # The watch must outlive PostgreSQL; a stale copy makes requests ask for themselves.
            logger.warning("revocations_not_copied", error=type(error).__name__)
