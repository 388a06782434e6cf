"""The feed on Litestar's channels: everybody in this process who follows gets each line once, and nobody waits."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

from litestar.channels import ChannelsPlugin, Subscriber
from litestar.channels.subscriber import BacklogStrategy

from domains.realtime.feed import CHANNEL, Line
from domains.realtime.following import Following

MOST_WAITING = 5_000
LONGEST_BEGINNING_SECONDS = 5
SPREAD_SECONDS = 0.0005
LONGEST_SPREAD_SECONDS = 0.25


class Listener(Subscriber):
    """What waits to be sent to one client. `is_overrun`: it was too slow, and something is missing here."""

    is_overrun = False

    def __init__(
        self, plugin: ChannelsPlugin, max_backlog: int | None = None, backlog_strategy: BacklogStrategy = "backoff"
    ) -> None:
        super().__init__(plugin, max_backlog, backlog_strategy)
        self.news = asyncio.Event()

    async def has_news(self) -> None:
        """Returns once something waits; it stays there."""
        while self._queue.empty():
            self.news.clear()
            await self.news.wait()

    def take(self, most: int) -> list[Line]:
        """What waits, oldest first."""
        lines = [self._queue.get_nowait() for _ in range(min(most, self._queue.qsize()))]
        return [line for line in lines if line]

    async def put(self, item: Line | None) -> None:
        """Litestar's waits for room, also for the last goodbye to a client that takes nothing any more."""
        self.put_nowait(item)

    def put_nowait(self, item: Line | None) -> bool:
        has_room = super().put_nowait(item)
        self.news.set()
        self.is_overrun = self.is_overrun or not has_room
        return has_room


class Feed(ChannelsPlugin):
    """One for each application."""

    def __init__(self) -> None:
        self.following = Following()
        self.listeners = 0
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
            self.listeners += 1
            try:
                yield listener
            finally:
                self.listeners -= 1

    def spread(self) -> float:
        """Seconds over which hundreds of listeners share out what all of them hear at the same moment.

        Requests get their turn in between, and several events in a row cost each client little more than one.
        """
        return random.uniform(0, min(LONGEST_SPREAD_SECONDS, self.listeners * SPREAD_SECONDS))  # noqa: S311 - No secret.
