"""The only way out over HTTP: an address check at every connect, one deadline, a short reply, nothing followed.

Whom a request reaches may be chosen by a stranger, so their server is not trusted with anything: not with the address
its name resolves to, not with time, not with memory. Reasons: `docs/decisions/0013-egress-client.md`.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Mapping

import aiohttp
import msgspec
from yarl import URL

from lib import log
from lib.addresses import is_refused_host
from lib.dialling import Rules, connector
from lib.egress_errors import EXPECTED, BadHeader, BadUrl, BlockedAddress, EgressError, explain
from settings import settings

logger = log.get("lib.egress")

DEADLINE_SECONDS = 15.0
LARGEST_REPLY_BYTES = 16 * 1024
MOST_REPLY_HEADERS = 64
LONGEST_HEADER_BYTES = 8 * 1024
LONGEST_URL = 8 * 1024
# As they travel: international names are in their xn-- form by then, and IPv6 addresses without their brackets.
NAME = re.compile(r"(?=.{1,254}\Z)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
IPV6 = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._~-]+)?")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")
# Whose server is asked, and where a message ends on a connection that the next request uses too, is not for callers.
OURS = {"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer"}
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "Stockroom"}
NO_DEADLINE = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
CONFIGURED = Rules(allow_http=settings.webhook_allow_http, allow_private=settings.webhook_allow_private)
FIRST_FINAL_STATUS = 200


class Reply(msgspec.Struct, frozen=True):
    """Whatever the status: a redirect is a reply too. Header names are in lower case; the body is cut at 16 KiB, unless
    the caller takes more."""

    status: int
    headers: dict[str, str]
    body: bytes
    milliseconds: int


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[None]:
    """Around everything that sends: connections are kept for the next request, and closed at its end."""
    try:
        yield
    finally:
        while _sessions:
            await _sessions.popitem()[1].close()


async def get(
    url: str, headers: Mapping[str, str] | None = None, *, rules: Rules = CONFIGURED, deadline: float = DEADLINE_SECONDS
) -> Reply:
    """As `send`."""
    return await send("GET", url, b"", headers or {}, rules=rules, deadline=deadline)


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    rules: Rules = CONFIGURED,
    deadline: float = DEADLINE_SECONDS,
    largest: int = LARGEST_REPLY_BYTES,
) -> Reply:
    """As `send`."""
    return await send("POST", url, body, headers, rules=rules, deadline=deadline, largest=largest)


def check(url: str, *, rules: Rules = CONFIGURED) -> None:
    """Whether a URL can be used at all, before anything is sent. Raises BadUrl or BlockedAddress; resolves no name."""
    try:
        _target(url, rules)
    except EXPECTED as error:
        raise explain(error) from None


async def send(
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    rules: Rules,
    deadline: float,
    largest: int = LARGEST_REPLY_BYTES,
) -> Reply:
    """One deadline, in seconds, over resolving, connecting, TLS, headers and body. Raises EgressError only.

    Of the body no more is read than the `largest` number of bytes: the rest is cut off.
    """
    started = time.perf_counter()
    try:
        target = _target(url, rules)
        _check(headers)
        async with asyncio.timeout(deadline):
            status, found, read = await _exchange(_session(rules), method, target, body, headers, largest)
    except EXPECTED as error:
        raise _logged(explain(error), url) from None
    return Reply(status, found, read, round((time.perf_counter() - started) * 1000))


def _target(url: str, rules: Rules) -> URL:
    target = _parse(url)
    host = target.raw_host or ""
    if not rules.allow_private and is_refused_host(host):
        raise BlockedAddress
    if target.scheme != "https" and not (target.scheme == "http" and rules.allow_http):
        raise BadUrl("The URL must begin with https://.")
    if not NAME.fullmatch(host) and not IPV6.fullmatch(host):
        raise BadUrl("The URL names no server.")
    return target


def _parse(url: str) -> URL:
    if len(url) > LONGEST_URL:
        raise BadUrl(f"The URL is longer than {LONGEST_URL} characters.")
    try:
        return URL(url)
    except Exception:
        # Not all that a stranger can provoke in a parser is a ValueError: "http://[]@" ends in an IndexError.
        raise BadUrl from None


def _check(headers: Mapping[str, str]) -> None:
    """aiohttp refuses line breaks alone."""
    for name, value in headers.items():
        if name.lower() in OURS or not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
            raise BadHeader


async def _exchange(
    session: aiohttp.ClientSession, method: str, target: URL, body: bytes, headers: Mapping[str, str], largest: int
) -> tuple[int, dict[str, str], bytes]:
    response = await session.request(method, target, data=body or None, headers=headers, allow_redirects=False)
    try:
        # What follows a 101 is not HTTP any more.
        read = await _read(response.content, largest) if response.status >= FIRST_FINAL_STATUS else b""
    finally:
        # A connection whose reply was read to its end has gone back to the pool by now; any other one is closed.
        response.close()
    return response.status, {name.lower(): _plain(value) for name, value in response.headers.items()}, read


async def _read(content: aiohttp.StreamReader, largest: int) -> bytes:
    body = bytearray()
    while len(body) < largest and (chunk := await content.readany()):
        body += chunk
    return bytes(body[:largest])


def _plain(value: str) -> str:
    """Bytes that are not UTF-8 arrive as lone surrogates, which nothing can store."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _logged(error: EgressError, url: str) -> EgressError:
    """The log gets to know neither credentials nor path nor query."""
    if isinstance(error, BlockedAddress):
        logger.warning(error.code, host=URL(url).raw_host)
    return error


_sessions: dict[Rules, aiohttp.ClientSession] = {}


def _session(rules: Rules) -> aiohttp.ClientSession:
    """One per set of rules, so that no connection is used under stricter rules than it was made under."""
    if rules not in _sessions:
        _sessions[rules] = aiohttp.ClientSession(
            connector=connector(rules),
            headers=HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=NO_DEADLINE,
            trust_env=False,
            auto_decompress=False,
            read_bufsize=LARGEST_REPLY_BYTES,
            max_line_size=LONGEST_HEADER_BYTES,
            max_field_size=LONGEST_HEADER_BYTES,
            max_headers=MOST_REPLY_HEADERS,
        )
    return _sessions[rules]
