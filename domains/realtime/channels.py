"""The feed on Litestar's channels: everybody in this process who follows gets each line once, and nobody waits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from litestar.channels import ChannelsPlugin, Subscriber

from domains.realtime.feed import CHANNEL, Line
from domains.realtime.following import Following

MOST_WAITING = 1_000
LONGEST_BEGINNING_SECONDS = 5


class Listener(Subscriber):
    """What waits to be sent to one client. `is_overrun`: it was too slow, and something is missing here."""

    is_overrun = False

    async def next(self) -> Line:
        line = await self._queue.get()
        return line or b""

    async def put(self, item: Line | None) -> None:
        """Litestar's waits for room, also for the last goodbye to a client that takes nothing any more."""
        self.put_nowait(item)

    def put_nowait(self, item: Line | None) -> bool:
        has_room = super().put_nowait(item)
        self.is_overrun = self.is_overrun or not has_room
        return has_room


class Feed(ChannelsPlugin):
    """One for each application."""

    def __init__(self) -> None:
        self.following = Following()
        super().__init__(
            self.following,
            arbitrary_channels_allowed=True,
            subscriber_max_backlog=MOST_WAITING,
            subscriber_class=Listener,
        )

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener]:
        """From here on nothing that is relayed is missed. Raises TimeoutError when PostgreSQL does not answer."""
        async with self.start_subscription(CHANNEL) as listener:
            async with asyncio.timeout(LONGEST_BEGINNING_SECONDS):
                await self.following.has_begun.wait()
            if not isinstance(listener, Listener):
                raise TypeError
            yield listener
