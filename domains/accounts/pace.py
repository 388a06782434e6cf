"""The same time for whoever asks, so that it does not tell whether an account exists."""

import asyncio
from collections.abc import Awaitable

# Longer than the few rows take that are written for an account that exists.
STEADY_SECONDS = 0.05


async def steady(work: Awaitable[None]) -> None:
    """Do it, and take no less than the steady time for it, whatever comes of it."""
    _, done = await asyncio.gather(asyncio.sleep(STEADY_SECONDS), work, return_exceptions=True)
    if isinstance(done, BaseException):
        raise done
