"""A proxy between Stockroom and Valkey that a test can freeze: then bytes vanish, as behind a firewall that forgot."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from lib.embedded import redis_url
from tests.faults.harness import free_port

PIECE_BYTES = 1 << 16


class Proxy:
    """Takes connections at `url` also while it is frozen, so that nobody is told that anything is wrong.

    A connection that lost a byte is lost for good: TCP has no holes, so neither side ever hears of the other again.
    """

    def __init__(self, port: int, socket: Path) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self.port = port
        self.socket = socket
        self.is_frozen = False
        self.lost = 0

    async def run(self, is_listening: threading.Event) -> None:
        self.loop, self.ends = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self.serve, "127.0.0.1", self.port):
            is_listening.set()
            await self.ends.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(self.socket)
        link = Link(self)
        try:
            with contextlib.suppress(OSError):
                await asyncio.gather(link.carry(reader, there_writer), link.carry(there_reader, writer))
        finally:
            for end in (writer, there_writer):
                end.close()


class Link:
    """Both directions of a connection."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.is_lost = False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE_BYTES):
            if self.proxy.is_frozen and not self.is_lost:
                self.is_lost = True
                self.proxy.lost += 1
            if not self.is_lost:
                writer.write(piece)
                await writer.drain()
        writer.close()


@contextlib.contextmanager
def proxying(directory: Path) -> Iterator[Proxy]:
    """In front of the Valkey of a house in this directory; in a thread, so that nothing of the test holds it up."""
    proxy = Proxy(free_port(), Path(unquote(redis_url(directory).removeprefix("unix://"))))
    is_listening = threading.Event()
    thread = threading.Thread(target=asyncio.run, args=[proxy.run(is_listening)])
    thread.start()
    is_listening.wait()
    try:
        yield proxy
    finally:
        proxy.loop.call_soon_threadsafe(proxy.ends.set)
        thread.join()
