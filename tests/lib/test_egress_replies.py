"""A reply stays small and a broken one is told, whatever the server says."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator

import pytest

from lib import egress
from lib.dialling import Rules
from lib.egress import LARGEST_REPLY_BYTES, Reply
from lib.egress_errors import BadHeader, BadReply, ConnectFailed, ConnectionLost, Failure
from tests.lib.loopback import Loopback, repeat, reply, saying, serving

LOCAL = Rules(allow_http=True, allow_private=True)
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
async def egress_open() -> AsyncIterator[None]:
    async with egress.opened():
        yield


async def post(url: str, **headers: str) -> Reply:
    return await egress.post(url, b"{}", headers, rules=LOCAL, deadline=5)


async def ask(answer: bytes, *, then_close: bool = False) -> Reply:
    """The reply to a request of a server that says this."""
    async with serving(saying(answer, then_close=then_close)) as server:
        return await post(server.url)


@pytest.mark.parametrize(
    ("head", "part"), [(HEAD + b"\r\n", b"x" * 65536), (CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n")]
)
async def test_an_endless_body_is_cut(head: bytes, part: bytes):
    sent = 0

    async def pour(_server: Loopback, _request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            sent += len(part)

    async with serving(pour) as server:
        answer = await post(server.url)
    assert answer.body == b"x" * LARGEST_REPLY_BYTES
    # What the buffers of the system take, and no more.
    assert sent < 10_000_000


async def test_a_connection_with_a_cut_body_is_not_used_again():
    async with serving(saying(reply("200 OK", b"x" * 5_000_000))) as server:
        assert len((await post(server.url)).body) == LARGEST_REPLY_BYTES
        await post(server.url)
    assert server.connections == 2


@pytest.mark.parametrize("length", [0, 1, LARGEST_REPLY_BYTES - 1, LARGEST_REPLY_BYTES, LARGEST_REPLY_BYTES + 1])
async def test_a_body_is_whole_up_to_its_limit(length: int):
    assert (await ask(reply("200 OK", b"y" * length))).body == b"y" * min(length, LARGEST_REPLY_BYTES)


async def test_a_compressed_body_stays_compressed():
    bomb = gzip.compress(bytes(50_000_000))
    answer = await ask(reply("200 OK", bomb, "Content-Encoding: gzip"))
    assert answer.body == bomb[:LARGEST_REPLY_BYTES]


@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        b"x" * 100_000 + b": y\r\n\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(1000)) + b"\r\n",
        b"X: y\r\n" * 1000 + b"\r\n",
    ],
)
async def test_large_headers_are_a_bad_reply(headers: bytes):
    with pytest.raises(BadReply):
        await ask(HEAD + headers)


@pytest.mark.parametrize("part", [b"x", b"X: y\r\n", b"X: y\r\n y\r\n"])
async def test_endless_headers_are_a_bad_reply(part: bytes):
    async def pour(_server: Loopback, _request: bytes, writer: asyncio.StreamWriter) -> None:
        await repeat(HEAD, part * 1000, 0, writer)

    async with serving(pour) as server:
        with pytest.raises(BadReply):
            await post(server.url)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        CHUNKED + b"zz\r\n",
        bytes(range(256)),
    ],
)
async def test_what_is_not_http_is_a_bad_reply(answer: bytes):
    with pytest.raises(BadReply):
        await ask(answer)


async def test_a_body_that_ends_early_is_a_bad_reply():
    with pytest.raises(BadReply):
        await ask(HEAD + b"Content-Length: 10\r\n\r\nabc", then_close=True)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 20"])
async def test_a_connection_that_ends_early_is_lost(answer: bytes):
    with pytest.raises(ConnectionLost):
        await ask(answer, then_close=True)


async def test_a_reset_connection_is_lost():
    async def reset(_server: Loopback, _request: bytes, writer: asyncio.StreamWriter) -> None:
        linger = b"\1\0\0\0\0\0\0\0"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with serving(reset) as server:
        with pytest.raises(ConnectionLost):
            await post(server.url)


async def test_a_closed_port_takes_no_connection():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ConnectFailed):
        await post(f"http://127.0.0.1:{port}/")


async def test_after_switching_protocols_nothing_is_read():
    answer = await ask(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxyz")
    assert (answer.status, answer.body) == (101, b"")


async def test_header_bytes_that_are_no_text_are_replaced():
    answer = await ask(reply("200 OK", b"", "X-Odd: a\udcffb"))
    assert answer.headers["x-odd"] == "a\ufffdb"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "169.254.169.254"),
        ("content-length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "Upgrade"),
        ("X-Note", "a\r\nX-Evil: 1"),
        ("X-Note\r\nX-Evil", "1"),
        ("X-Note", "a\0b"),
        ("X-Note", "\ud800"),
        ("X Note", "1"),
        ("", "1"),
    ],
)
async def test_a_header_that_would_change_the_request_is_not_sent(name: str, value: str):
    async with serving(saying(reply())) as server:
        with pytest.raises(BadHeader) as caught:
            await post(server.url, **{name: value})
    assert (caught.value.code, server.requests) == (Failure.BAD_HEADER, [])


async def test_a_header_may_hold_letters_of_any_language():
    async with serving(saying(reply())) as server:
        await post(server.url, **{"X-Shop": "Käse\t& Co"})
    assert "X-Shop: Käse\t& Co".encode() in server.requests[0]
