"""Whom a connection may be made to: every address is judged when it is dialled, however it was come by."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult

from lib.addresses import is_refused
from lib.egress_errors import BlockedAddress

TLS = ssl.create_default_context()
# Servers close idle connections after two to five seconds, and a request that meets that close is lost.
IDLE_SECONDS = 1.5
# A look-up cannot be stopped and may hang for half a minute. Threads of its own keep others' work out of its way.
RESOLVING = ThreadPoolExecutor(max_workers=32, thread_name_prefix="resolve")


class Rules(msgspec.Struct, frozen=True):
    """What is allowed beyond https to public addresses. Both are for development and tests."""

    allow_http: bool = False
    allow_private: bool = False


def connector(rules: Rules) -> aiohttp.TCPConnector:
    """Without a limit: where servers hang, others would wait for their connections. Callers limit themselves.

    Look-ups of one name under way at once are shared; none is remembered.
    """
    return aiohttp.TCPConnector(
        resolver=Resolver(rules),
        socket_factory=_socket_maker(rules),
        ssl=TLS,
        limit=0,
        keepalive_timeout=IDLE_SECONDS,
        use_dns_cache=True,
        ttl_dns_cache=0,
    )


class Resolver(AbstractResolver):
    """Refuses a name when any of its addresses is refused. It is not asked about hosts that are addresses."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await look_up(host)
        if not self.rules.allow_private and any(is_refused(address) for address in found):
            raise BlockedAddress
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
            for address in found
        ]

    async def close(self) -> None:
        """There is nothing to close."""


async def look_up(host: str) -> list[str]:
    """Every address of a name, in the order to try them; raises OSError when there is none."""
    return await asyncio.get_running_loop().run_in_executor(RESOLVING, _addresses_of, host)


def _addresses_of(host: str) -> list[str]:
    # As bytes, because Python's own encoding of names raises errors for odd ones.
    found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _socket_maker(rules: Rules) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """The last gate: whatever way an address came, this is the one about to be dialled."""

    def make_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not rules.allow_private and is_refused(str(address[0])):
            raise BlockedAddress
        return socket.socket(family, kind, protocol)

    return make_socket
