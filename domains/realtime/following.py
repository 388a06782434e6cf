"""What a web process hears of the feed: by Redis at once, and from the event log whatever Redis did not bring.

A process listens and looks only while somebody here follows the feed. It starts and lives without Redis; a relay that
died between its commit and its publishing, and a Redis that is lost, cost two seconds and no message.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from datetime import datetime

import asyncpg
from litestar.channels.backends.base import ChannelsBackend

from domains.realtime import replay
from domains.realtime.feed import CHANNEL, NO_EVENT, Line, read_line
from domains.realtime.hearing import Ear
from lib import clock, log
from lib.redis_client import RedisAway, line

logger = log.get("realtime.following")

LOOK_SECONDS = 2
PIECE = 200
PATIENCE_SECONDS = 0.5
MOST_REMEMBERED = 50_000


class Following(ChannelsBackend):
    """The backend of the channels plugin: one stream of lines, each event in it once.

    Litestar's own for Redis asks Redis before the application has started, and is silent for good after the first
    error of a connection.
    """

    def __init__(self) -> None:
        self.lines: asyncio.Queue[Line] = asyncio.Queue()
        self.is_wanted = asyncio.Event()
        self.has_come = asyncio.Event()
        # From then on nothing that is relayed can be missed.
        self.has_begun = asyncio.Event()
        self.remembered: dict[int, None] = {}
        self.place: datetime | None = None
        self.ear = Ear(self.is_wanted, self._take)
        self.tasks: list[asyncio.Task[None]] = []

    async def on_startup(self) -> None:
        self.tasks = [asyncio.create_task(self.ear.listen()), asyncio.create_task(self._look_forever())]

    async def on_shutdown(self) -> None:
        waiting = set(self.tasks)
        while waiting:
            for task in waiting:
                task.cancel()
            # Now and then redis-py takes a cancellation for its own, and a process must not wait for that one for ever.
            _, waiting = await asyncio.wait(waiting, timeout=PATIENCE_SECONDS)

    async def subscribe(self, channels: Iterable[str]) -> None:  # noqa: ARG002 - There is one.
        """The first who follows has come."""
        self.is_wanted.set()
        self.has_come.set()

    async def unsubscribe(self, channels: Iterable[str]) -> None:  # noqa: ARG002 - There is one.
        """The last who followed has gone."""
        self.is_wanted.clear()
        self.has_begun.clear()
        self.place = None
        self.remembered.clear()

    async def publish(self, data: bytes, channels: Iterable[str]) -> None:
        """For what others publish through the plugin; the feed's own way is `feed.tell`."""
        for channel in channels:
            with contextlib.suppress(RedisAway):
                await line.ask(lambda redis, to=channel: redis.publish(to, data))  # type: ignore[misc] # Its default.

    async def stream_events(self) -> AsyncGenerator[tuple[str, Line], None]:
        while True:
            yield CHANNEL, await self.lines.get()

    async def get_history(self, channel: str, limit: int | None = None) -> list[bytes]:
        """Nothing: what was missed is asked of the log (`replay`)."""
        raise NotImplementedError

    def _take(self, found: Iterable[Line]) -> None:
        if not self.is_wanted.is_set():
            # The ear hears for up to a second longer; whoever comes next must not inherit what is remembered of it.
            return
        for one in found:
            try:
                event_id, _message = read_line(one)
            except ValueError:
                # Of another version, perhaps; what is an event is found in the log.
                logger.warning("line_not_read", characters=len(one))
                continue
            if event_id == NO_EVENT or self._is_new(event_id):
                self.lines.put_nowait(one)

    def _is_new(self, event_id: int) -> bool:
        if event_id in self.remembered:
            return False
        self.remembered[event_id] = None
        return True

    def _forget(self, looked_at: int) -> None:
        """All but the newest; never what the next look will find again, which would be told for new."""
        while len(self.remembered) > max(MOST_REMEMBERED, 2 * looked_at):
            del self.remembered[next(iter(self.remembered))]

    async def _look_forever(self) -> None:
        while True:
            await self.is_wanted.wait()
            self.has_come.clear()
            try:
                await (self._begin() if self.place is None else self._go_on(self.place))
            except Exception as error:  # Whatever it is, the log is still there for the next look.
                logger.warning("log_not_looked_at", error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self.has_come.wait()

    async def _begin(self) -> None:
        """What was there before anybody followed is not told; whoever wants it asks for a replay."""
        place = await replay.find_place()
        rows = await replay.ids_since(place)
        if self.is_wanted.is_set():
            # Beside what was heard while we asked.
            self.remembered |= dict.fromkeys(row["id"] for row in rows)
            self._move(place, rows)
            self.has_begun.set()

    async def _go_on(self, place: datetime) -> None:
        rows = await replay.ids_since(place)
        missing = [row["id"] for row in rows if row["id"] not in self.remembered]
        for start in range(0, len(missing), PIECE):
            found = await replay.read_lines(missing[start : start + PIECE])
            if self.place is not None:
                self._take(found)
        if self.place is not None:
            self._move(place, rows)

    def _move(self, place: datetime, rows: list[asyncpg.Record]) -> None:
        now = clock.now()
        # In a quiet hour the last busy minute is not read again and again.
        newest = max([place, now - replay.OVERLAP, *(row["relayed_at"] for row in rows)])
        # A worker whose clock is ahead must not make this process overlook the others.
        self.place = min(newest, now)
        self._forget(len(rows))
