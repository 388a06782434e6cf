"""The feed behind the server that is really used, with its real flags."""

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import httpx
import msgspec
import pytest

from domains.realtime import connections, feed
from domains.realtime.schemas import Message
from lib.redis_client import line
from lib.websocket_server import LONGEST_FLUSH_SECONDS
from queues.up import web_command
from tests.catalog.making import make_product
from tests.faults.harness import HANGS_SECONDS, free_port, until, wait_for_port
from tests.realtime.sockets import PATH, authorization, relay

ROOT = Path(__file__).parents[2]
MEGABYTE = 1 << 20


class Web:
    def __init__(self, port: int, process: asyncio.subprocess.Process) -> None:
        self.port = port
        self.process = process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"


@pytest.fixture(scope="module")
async def web(running_app: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Web]:
    async with serving(tmp_path_factory.mktemp("web")) as started:
        yield started


@contextlib.asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[Web]:
    port = free_port()
    command = web_command()
    command[command.index("--port") + 1] = str(port)
    environment = os.environ | {"ALLOWED_HOSTS": "127.0.0.1"}
    with (directory / "web.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, stdout=log.fileno(), stderr=log.fileno()
        )
    try:
        await asyncio.to_thread(wait_for_port, port, 60)
        yield Web(port, process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_a_change_is_told_and_the_address_works_without_its_slash(web: Web, staff: httpx.AsyncClient):
    async with (
        aiohttp.ClientSession(headers=authorization(staff)) as session,
        session.ws_connect(web.url) as first,
        session.ws_connect(web.url.rstrip("/")) as second,
    ):
        await make_product(staff, "L-1", name="Lamp")
        await relay()
        for told in (first, second):
            while (message := await told.receive_json(timeout=HANGS_SECONDS))["action"] == "heartbeat":
                pass
            assert message["message"] == "Lamp (L-1) created"


async def test_who_may_not_follow_is_refused_before_the_connection_opens(web: Web, customer: httpx.AsyncClient):
    for headers in ({}, authorization(customer), {"authorization": "Bearer nonsense"}):
        async with aiohttp.ClientSession(headers=headers) as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(web.url)
            assert refused.value.status == 403


async def test_a_long_message_from_a_client_ends_the_connection(web: Web, staff: httpx.AsyncClient):
    async with aiohttp.ClientSession(headers=authorization(staff)) as session, session.ws_connect(web.url) as told:
        await told.send_str("x" * 5000)
        while (await told.receive(timeout=HANGS_SECONDS)).type != aiohttp.WSMsgType.CLOSE:
            pass
        assert told.close_code == 1009


async def test_the_server_stops_in_time_whoever_follows(running_app: None, tmp_path: Path, staff: httpx.AsyncClient):
    """Also with a client that takes nothing any more while there is much to take."""
    async with serving(tmp_path) as web, aiohttp.ClientSession(headers=authorization(staff)) as session:
        sockets = [await session.ws_connect(web.url) for _ in range(20)]
        _reader, writer = await hang(web, staff)
        told = feed.write_line(feed.NO_EVENT, Message(action="import", message="x" * MEGABYTE))
        await until(lambda: line.ask(lambda redis: redis.publish(feed.CHANNEL, told)), HANGS_SECONDS)
        for _ in range(12):
            await line.ask(lambda redis: redis.publish(feed.CHANNEL, told))
        for socket in sockets:
            while (await socket.receive_json(timeout=HANGS_SECONDS))["action"] == "heartbeat":
                pass
        web.process.terminate()
        await asyncio.wait_for(web.process.wait(), LONGEST_FLUSH_SECONDS + HANGS_SECONDS)
        writer.close()


def test_the_container_starts_the_server_as_litestar_up_does():
    [told] = re.findall(r"^CMD (\[.*?\])$", (ROOT / "Dockerfile").read_text().replace("\\\n", ""), re.MULTILINE)
    command = web_command()
    here = [*command[2 : command.index("--host")], *command[command.index("--loop") :]]
    there = msgspec.json.decode(told, type=list[str])
    assert [*there[:2], *there[there.index("--loop") :]] == here


@pytest.mark.faults
async def test_a_client_that_reads_nothing_is_given_up(web: Web, staff: httpx.AsyncClient):
    """Messages of a megabyte fill every buffer on the way; then the server waits for ten seconds."""
    reader, writer = await hang(web, staff)
    told = feed.write_line(feed.NO_EVENT, Message(action="import", message="x" * MEGABYTE))
    for _ in range(50):
        await line.ask(lambda redis: redis.publish(feed.CHANNEL, told))
        await asyncio.sleep(0.05)
    await asyncio.sleep(connections.LONGEST_SEND_SECONDS + 3)
    async with asyncio.timeout(20):
        received = len(await reader.read())
    print(f"{received / MEGABYTE:.1f} of 50 MB were on the way when the server hung up")
    assert received < 25 * MEGABYTE
    writer.close()


async def hang(web: Web, staff: httpx.AsyncClient) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that opens a connection and takes nothing from it."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", web.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    lines = [
        f"GET {PATH} HTTP/1.1",
        f"Host: 127.0.0.1:{web.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Authorization: {staff.headers['authorization']}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 101")
    return reader, writer
