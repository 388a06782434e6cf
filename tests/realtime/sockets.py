"""A client of the WebSocket, at the app's front door and in its own event loop."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import msgspec

from app import app
from domains.realtime import feed
from domains.realtime.schemas import Message
from domains.webhooks.relay import relay_events
from lib.redis_client import line

PATH = "/ws/products/"
SOON_SECONDS = 20


class Socket:
    """One connection. `status` is "accepted", or "refused" where the server would answer 403."""

    status: str
    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outgoing: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.takes = asyncio.Event()
        self.takes.set()

    async def send(self, message: Any) -> None:
        await self.takes.wait()
        self.outgoing.put_nowait(message)

    async def say(self, text: str) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text": text})

    async def event(self) -> dict[str, Any]:
        """The next message about an event; heartbeats are left out."""
        return await self.message(lambda message: message["event"] is not None)

    async def message(self, wanted: Any = lambda message: message["action"] != "heartbeat") -> dict[str, Any]:
        async with asyncio.timeout(SOON_SECONDS):
            while True:
                told = await self.outgoing.get()
                assert told["type"] == "websocket.send", told
                message = msgspec.json.decode(told["text"])
                if wanted(message):
                    return message

    async def closed(self) -> int:
        """With which code, whatever was said before."""
        async with asyncio.timeout(SOON_SECONDS):
            while (told := await self.outgoing.get())["type"] != "websocket.close":
                pass
        return int(told["code"])

    async def ended(self) -> None:
        """The server has let go of it, whether it could say so or not."""
        await asyncio.wait_for(asyncio.shield(self.task), SOON_SECONDS)

    async def hears_nothing(self, seconds: float) -> None:
        """No event in that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                raise AssertionError(await self.event())


@contextlib.asynccontextmanager
async def connect(query: str = "", **headers: str) -> AsyncIterator[Socket]:
    """Waits until it was accepted or refused."""
    socket = Socket()
    socket.incoming.put_nowait({"type": "websocket.connect"})
    socket.task = task = asyncio.create_task(app(scope_of(query, headers), socket.incoming.get, socket.send))
    try:
        async with asyncio.timeout(SOON_SECONDS):
            first = await socket.outgoing.get()
        socket.status = {"websocket.accept": "accepted", "websocket.close": "refused"}[first["type"]]
        yield socket
    finally:
        socket.takes.set()
        socket.incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait([task], timeout=SOON_SECONDS)
        task.cancel()


def scope_of(query: str, headers: Mapping[str, str]) -> Any:
    sent = {"host": "testserver", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 40000),
        "root_path": "",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "subprotocols": [],
        "state": {},
        "extensions": {},
    }


def authorization(client: httpx.AsyncClient) -> dict[str, str]:
    return {"authorization": client.headers["authorization"]}


async def relay(*, told: bool = True) -> list[int]:
    """What the worker does: relay what waits, and tell of it, unless it dies in between. The ids of followed events."""
    ids: list[int] = []
    is_more = True
    while is_more:
        relayed = await relay_events()
        ids += [row["id"] for row in relayed.followed]
        is_more = relayed.was_full
        if told:
            await feed.tell(relayed.followed)
    return ids


async def publish(text: str) -> None:
    """Something that stands in no log."""
    told = feed.write_line(feed.NO_EVENT, Message(action="import", message=text))
    await line.ask(lambda redis: redis.publish(feed.CHANNEL, told))


async def heard(socket: Socket) -> bool:
    """Whether what is said again and again from now on is heard in time."""
    said = secrets.token_hex(8)
    began = time.monotonic()
    while time.monotonic() - began < SOON_SECONDS:
        await publish(said)
        while not socket.outgoing.empty():
            if (await socket.message(lambda _: True))["message"] == said:
                return True
        await asyncio.sleep(0.05)
    return False
