"""An import in the live feed: one line that moves."""

import time
from uuid import UUID

import msgspec

from domains.imports.listing import get_import
from domains.realtime import feed
from domains.realtime.schemas import ImportProgress
from lib import log

logger = log.get("imports.telling")

SECONDS_BETWEEN = 0.5


class Teller:
    """Of one import, in the worker that has it."""

    def __init__(self, import_id: UUID) -> None:
        self.import_id = import_id
        self.told_at = float("-inf")

    async def tell(self) -> None:
        """How far it is, twice a second at most. Never raises: nothing depends on it."""
        if time.monotonic() - self.told_at < SECONDS_BETWEEN:
            return
        self.told_at = time.monotonic()
        try:
            job = await get_import(self.import_id)
        except Exception as error:  # Whatever it is, the import itself will find out.
            logger.warning("progress_not_told", import_id=str(self.import_id), error=type(error).__name__)
        else:
            await feed.tell_import(msgspec.convert(job, ImportProgress, from_attributes=True))
