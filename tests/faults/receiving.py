"""A server of somebody else, in a process of its own: python -m tests.faults.receiving LOG.

The first part of a path says how it answers, see BEHAVIOURS; what follows is an argument, or a name to tell endpoints
apart. Each request is in the log before it is answered. Prints its port, and ends with its standard input.
"""

import asyncio
import contextlib
import gzip
import os
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

import msgspec
import uvloop

LARGE_BYTES = 1 << 30
PIECE = b"x" * (1 << 16)
DRIP_SECONDS = 1.0
MORE_THAN_ANYBODY_WAITS = 10**9
ENOUGH_CONNECTIONS = 4096
# Closing so tells the client with a reset.
LINGER_NOT = struct.pack("ii", 1, 0)


class Line(msgspec.Struct, omit_defaults=True):
    """Of the log: a request that came at `at` (unix seconds) or, with `seconds`, a client that left after so long
    because it was not answered to the end."""

    path: str
    headers: dict[str, str]
    at: float
    body: bytes = b""
    seconds: float | None = None


class Visit(msgspec.Struct):
    """One request, and how to answer it. `words` are what follows the first part of the path."""

    line: Line
    words: list[str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{told}\r\n".encode() + body)
        await self.writer.drain()

    def begin(self, length: int, **headers: str) -> None:
        """The head of an answer whose body follows, perhaps."""
        told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{told}\r\n".encode())


async def ok(visit: Visit) -> None:
    await visit.answer(200, b"thank you")


async def slow(visit: Visit) -> None:
    """/slow/0.2: after so many seconds."""
    await asyncio.sleep(float(visit.words[0]))
    await ok(visit)


async def status(visit: Visit) -> None:
    """/status/503."""
    await visit.answer(int(visit.words[0]), b"no")


async def busy(visit: Visit) -> None:
    """/busy/7200: not before so many seconds have passed."""
    await visit.answer(429, b"later", retry_after=visit.words[0])


async def moved(visit: Visit) -> None:
    """To where it would be received, were it followed."""
    await visit.answer(301, location=f"http://{visit.line.headers['host']}/ok/moved")


async def flaky(visit: Visit) -> None:
    """/flaky/2: fails the first two attempts at each message."""
    key = visit.line.path, visit.line.headers.get("webhook-id", "")
    _attempts[key] += 1
    await (visit.answer(503, b"not yet") if _attempts[key] <= int(visit.words[0]) else ok(visit))


async def hang(visit: Visit) -> None:
    """Until the client leaves."""
    while await visit.reader.read(1 << 16):
        pass
    raise ConnectionResetError


async def drip(visit: Visit) -> None:
    """A byte a second."""
    visit.begin(MORE_THAN_ANYBODY_WAITS)
    while True:
        visit.writer.write(b".")
        await visit.writer.drain()
        await asyncio.sleep(DRIP_SECONDS)


async def huge(visit: Visit) -> None:
    """1 GB."""
    visit.begin(LARGE_BYTES)
    for _ in range(LARGE_BYTES // len(PIECE)):
        visit.writer.write(PIECE)
        await visit.writer.drain()


async def bomb(visit: Visit) -> None:
    """1 MB, which is 1 GB for those who unpack it."""
    packed = make_bomb()
    visit.begin(len(packed), content_encoding="gzip", content_type="text/plain")
    for start in range(0, len(packed), len(PIECE)):
        visit.writer.write(packed[start : start + len(PIECE)])
        await visit.writer.drain()


@cache
def make_bomb() -> bytes:
    return gzip.compress(bytes(LARGE_BYTES // 100)) * 100


async def reset(visit: Visit) -> None:
    """Half a head of an answer, then a reset."""
    visit.writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
    await visit.writer.drain()
    connection: socket.socket = visit.writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    visit.writer.transport.abort()
    raise ConnectionAbortedError


BEHAVIOURS: dict[str, Callable[[Visit], Awaitable[None]]] = {
    behaviour.__name__: behaviour for behaviour in (ok, slow, status, busy, moved, flaky, hang, drip, huge, bomb, reset)
}
_attempts: Counter[tuple[str, str]] = Counter()


class Log:
    """A line for each thing that happened, written before anything else happens."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.encoder = msgspec.json.Encoder()

    def write(self, line: Line) -> None:
        os.write(self.file, self.encoder.encode(line) + b"\n")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await self.receive(Visit(await read(reader), [], reader, writer))
        writer.transport.abort()

    async def receive(self, visit: Visit) -> None:
        self.write(visit.line)
        behaviour, *visit.words = visit.line.path.strip("/").split("/")
        try:
            await BEHAVIOURS[behaviour](visit)
        except ConnectionResetError:
            line = msgspec.structs.replace(visit.line, body=b"", seconds=time.time() - visit.line.at)
            self.write(line)
            raise


async def read(reader: asyncio.StreamReader) -> Line:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    at = time.time()
    request, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Line(path=request.split(" ")[1], headers=headers, at=at, body=body)


async def main() -> None:
    log = Log(Path(sys.argv[1]))
    server = await asyncio.start_server(log.serve, "127.0.0.1", 0, backlog=ENOUGH_CONNECTIONS)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        # Nobody writes there: it ends when the process that started this one does, however that ends.
        await asyncio.to_thread(sys.stdin.buffer.read)
        os._exit(0)


if __name__ == "__main__":
    uvloop.run(main())
