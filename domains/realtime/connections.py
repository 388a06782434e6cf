"""One client that follows the feed: what it missed, then what happens, and a heartbeat."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

import asyncpg
import msgspec
from litestar import WebSocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect

from domains.accounts.auth import is_still_in
from domains.accounts.schemas import Caller
from domains.realtime.channels import Feed, Listener
from domains.realtime.feed import NO_EVENT, read_line
from domains.realtime.goodbyes import Goodbye, NoDatabase, SessionEnded, TimeIsUp, TooSlow, TooTalkative, WrongSince
from domains.realtime.replay import MOST_REPLAYED, UnknownEvent, replay
from domains.realtime.schemas import Message
from lib import log

logger = log.get("realtime.connections")

CallerSocket: TypeAlias = WebSocket[Caller, Any, State]

HEARTBEAT_SECONDS = 15
LONGEST_SEND_SECONDS = 10
LONGEST_GOODBYE_SECONDS = 1
# Then everybody's right to follow is asked for anew: a session may have run out, an owner's role may have changed.
LONGEST_CONNECTION_SECONDS = 3600
MOST_HEARD = 100
MOST_AT_ONCE = 200
SINCE = re.compile(r"[0-9]{1,18}")
HEARTBEAT = msgspec.json.encode(Message(action="heartbeat", message="")).decode()
GAP = msgspec.json.encode(
    Message(action="gap", message=f"More has happened meanwhile. These are the newest {MOST_REPLAYED:,} changes.")
).decode()
LOST_DATABASE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


async def follow(socket: CallerSocket, feed: Feed, since: str) -> None:
    """Accepts the connection, and tells until one of the two has had enough.

    Listening comes first: from the moment at which a client is accepted it misses nothing.
    """
    async with contextlib.AsyncExitStack() as stack:
        try:
            listener = await stack.enter_async_context(feed.listening())
        except TimeoutError:
            await socket.accept()
            await _say(socket, NoDatabase())
            return
        await socket.accept()
        await _follow(socket, Telling(socket, listener, feed), since)


async def _follow(socket: CallerSocket, telling: "Telling", since: str) -> None:
    tasks = {asyncio.create_task(_listen_to(socket)), asyncio.create_task(telling.tell(since))}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        error = task.exception()
        if isinstance(error, Goodbye):
            await _say(socket, error)
        elif error is not None and not isinstance(error, WebSocketDisconnect):
            raise error


async def _listen_to(socket: CallerSocket) -> None:
    """Ends when the client leaves. What it says is thrown away."""
    for _ in range(MOST_HEARD):
        if (await socket.receive())["type"] == "websocket.disconnect":
            return
    raise TooTalkative


async def _say(socket: CallerSocket, goodbye: Goodbye) -> None:
    logger.info("feed_ended", user_id=socket.user.user_id, code=goodbye.code, reason=goodbye.reason)
    # A client that takes nothing any more does not take this either.
    with contextlib.suppress(OSError, TimeoutError, WebSocketDisconnect):
        async with asyncio.timeout(LONGEST_GOODBYE_SECONDS):
            await socket.close(goodbye.code, goodbye.reason)


class Telling:
    """The half that speaks. `told` are the events of the replay, which may come again live."""

    def __init__(self, socket: CallerSocket, listener: Listener, feed: Feed) -> None:
        self.socket = socket
        self.feed = feed
        self.listener = listener
        self.told: set[int] = set()
        self.ends_at = time.monotonic() + LONGEST_CONNECTION_SECONDS
        self.beat_at = 0.0

    async def tell(self, since: str) -> None:
        """What is relayed during the replay waits in the listener: nothing falls between the two."""
        if since:
            async for event_id, message in _missed(since):
                await self._send([message])
                self.told |= {event_id} - {NO_EVENT}
        while True:
            await self._go_on()

    async def _go_on(self) -> None:
        now = time.monotonic()
        if now >= self.ends_at:
            raise TimeIsUp
        if now >= self.beat_at:
            self.beat_at = now + HEARTBEAT_SECONDS
            await self._send([HEARTBEAT])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.beat_at - now):
                await self.listener.has_news()
                await asyncio.sleep(self.feed.spread())
        lines = self.listener.take(MOST_AT_ONCE)
        if self.listener.is_overrun:
            raise TooSlow
        if lines:
            found = [read_line(line) for line in lines]
            await self._send([message for event_id, message in found if event_id not in self.told])

    async def _send(self, messages: Sequence[str]) -> None:
        """Whoever is signed out gets nothing more."""
        try:
            is_in = await is_still_in(self.socket)
        except LOST_DATABASE as error:
            raise NoDatabase from error
        if not is_in:
            raise SessionEnded
        try:
            async with asyncio.timeout(LONGEST_SEND_SECONDS):
                for message in messages:
                    await self.socket.send_text(message)
        except TimeoutError:
            raise TooSlow from None
        except OSError as error:
            raise WebSocketDisconnect(detail="the client has gone") from error


async def _missed(since: str) -> AsyncIterator[tuple[int, str]]:
    """Event ids and messages; raises WrongSince."""
    if not SINCE.fullmatch(since):
        raise WrongSince
    try:
        missed = await replay(int(since))
    except UnknownEvent:
        raise WrongSince from None
    except LOST_DATABASE as error:
        raise NoDatabase from error
    if missed.is_cut:
        yield NO_EVENT, GAP
    for line in missed.lines:
        yield read_line(line)
