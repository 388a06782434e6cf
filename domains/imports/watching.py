"""Live progress: an import's row, told again whenever it moved and at least once a second, until it has ended.

The row is asked, not a message bus: what is told survives a lost Redis, and any web process can tell it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID

from domains.imports.listing import get_import
from domains.imports.schemas import JobOut

LOOK_SECONDS = 0.25
LONGEST_SILENCE_SECONDS = 0.75


async def watch(import_id: UUID) -> AsyncIterator[JobOut]:
    """The present state first, the final one last."""
    told, told_at = "", 0.0
    while True:
        job = await get_import(import_id)
        if job.state != told or time.monotonic() - told_at >= LONGEST_SILENCE_SECONDS:
            told, told_at = job.state, time.monotonic()
            yield job
        if job.is_final:
            return
        await asyncio.sleep(LOOK_SECONDS)
