"""A request out ends in time and small, whatever the server does."""

import asyncio
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lib import dialling, egress
from lib.dialling import Rules
from lib.egress import Reply
from lib.egress_errors import EgressError, Failure, TimedOut, TlsFailed
from tests.lib.loopback import Loopback, certificate_for, repeat, reply, saying, serving

LOCAL = Rules(allow_http=True, allow_private=True)
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
async def egress_open() -> AsyncIterator[None]:
    async with egress.opened():
        yield


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """Of a server called "localhost", which nobody vouches for; its file is tmp_path/localhost.pem."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_for("localhost", tmp_path))
    return context


@pytest.fixture
def hung_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    ended = threading.Event()
    monkeypatch.setattr(dialling, "_addresses_of", lambda _host: ended.wait(60) and [])
    yield
    ended.set()


async def post(url: str, *, deadline: float = 5, **headers: str) -> Reply:
    return await egress.post(url, b"{}", headers, rules=LOCAL, deadline=deadline)


async def test_a_request_arrives_as_it_was_sent_and_the_reply_comes_back():
    async with serving(saying(reply("201 Created", b"thanks", "X-Number: 7"))) as server:
        answer = await egress.post(f"{server.url}/hook?a=b%20c", b'{"a": 1}', {"webhook-id": "m1"}, rules=LOCAL)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hook?a=b%20c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert {b"webhook-id: m1", b"Accept-Encoding: identity", b"User-Agent: Stockroom"} <= set(head.split(b"\r\n"))
    assert body == b'{"a": 1}'
    assert (answer.status, answer.body, answer.headers["x-number"]) == (201, b"thanks", "7")
    assert 0 <= answer.milliseconds < 5000


@pytest.mark.parametrize("status", [204, 302, 400, 404, 410, 429, 500, 503])
async def test_every_status_is_a_reply(status: int):
    async with serving(saying(reply(f"{status} Whatever", b""))) as server:
        assert (await post(server.url)).status == status


async def test_requests_share_a_connection():
    async with serving(saying(reply())) as server:
        for _ in range(5):
            await post(server.url)
    assert (server.connections, len(server.requests)) == (1, 5)


async def test_connections_are_closed_at_the_end():
    async with serving(saying(reply())) as server:
        async with egress.opened():
            await post(server.url)
        await post(server.url)
    assert server.connections == 2


async def test_no_cookie_is_kept():
    async with serving(saying(reply("200 OK", b"", "Set-Cookie: a=b; Path=/"))) as server:
        await post(server.url)
        await post(server.url)
    assert b"cookie" not in server.requests[1].lower()


async def test_hanging_servers_do_not_hold_up_another():
    all_hang = asyncio.Event()

    async def hang(server: Loopback, _request: bytes, _writer: asyncio.StreamWriter) -> None:
        if server.connections == 150:
            all_hang.set()

    async with serving(hang) as hanging, serving(saying(reply())) as healthy:
        waiting = [asyncio.create_task(post(hanging.url, deadline=60)) for _ in range(150)]
        await all_hang.wait()
        assert (await post(healthy.url, deadline=1)).status == 200
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 O", b"K"),
        (HEAD, b"X"),
        (HEAD + b"Content-Length: 1000\r\n\r\n", b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"1", b";x=y"),
        (HEAD + b"\r\n", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    ],
)
async def test_one_deadline_holds_for_a_server_that_drips(head: bytes, part: bytes):
    async def drip(_server: Loopback, _request: bytes, writer: asyncio.StreamWriter) -> None:
        await repeat(head, part, 0.02, writer)

    started = time.perf_counter()
    async with serving(drip) as server:
        with pytest.raises(TimedOut):
            await post(server.url, deadline=0.3)
    assert 0.25 < time.perf_counter() - started < 5


async def test_the_deadline_holds_while_a_name_is_looked_up(hung_resolver: None):
    async with asyncio.timeout(10):
        with pytest.raises(TimedOut):
            await post("https://slow.example/", deadline=0.2)


async def test_the_deadline_holds_for_a_server_that_never_finishes_tls():
    async with serving(saying(b"")) as server:
        with pytest.raises(TimedOut):
            await post(server.url.replace("http:", "https:"), deadline=0.2)


async def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: ssl.SSLContext):
    async with serving(saying(reply()), tls=certificate) as server:
        with pytest.raises(TlsFailed):
            await post(f"https://localhost:{server.port}/")
    assert server.requests == []


async def test_a_good_certificate_is_accepted_for_its_own_name_only(
    certificate: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trusting = ssl.create_default_context(cafile=tmp_path / "localhost.pem")
    monkeypatch.setattr(dialling, "TLS", trusting)
    names: list[str | None] = []
    certificate.sni_callback = lambda _socket, name, _context: names.append(name)
    async with serving(saying(reply()), tls=certificate) as server:
        assert (await post(f"https://localhost:{server.port}/")).status == 200
        with pytest.raises(TlsFailed):
            await post(f"https://127.0.0.1:{server.port}/")
    assert names == ["localhost", None]


async def test_a_server_without_tls_gets_no_request_for_https():
    async with serving(saying(reply())) as server:
        with pytest.raises(EgressError) as told:
            await asyncio.wait_for(post(f"https://localhost:{server.port}/", deadline=0.3), 10)
    assert told.value.code in {Failure.TLS_FAILED, Failure.TIMED_OUT}
    assert server.requests == []


async def test_errors_keep_what_the_url_holds_to_themselves():
    with pytest.raises(EgressError) as told:
        await post("http://user:secret@127.0.0.1:1/secret?secret=secret", Authorization="secret")
    assert "secret" not in f"{told.value!s} {told.value!r}"


def test_every_failure_has_an_error_and_every_error_its_own_code():
    assert {kind.code for kind in EgressError.__subclasses__()} == set(Failure)
    assert len(EgressError.__subclasses__()) == len(Failure)
