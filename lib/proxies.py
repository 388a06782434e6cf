"""Who really calls when reverse proxies stand between: X-Forwarded-For and -Proto, from those that are trusted alone.

Each proxy adds on the right whom it heard from; what stands further left anybody may have written. So the addresses
are walked from the right, past those that are trusted, and the first other one is the client.
"""

import functools
import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

from litestar.types import Scope

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# No address is longer, and what is kept of strangers' headers has to be small.
LONGEST_ADDRESS = 60
# Whoever may connect to our unix socket; the peer then has no address.
UNIX = "unix"
# As they are for requests and for WebSockets; some proxies tell the latter's.
PLAIN, SECURE = ("http", "ws"), ("https", "wss")
SCHEMES = {"http": PLAIN, "ws": PLAIN, "https": SECURE, "wss": SECURE}


def parse_networks(trusted: Sequence[str]) -> list[Network]:
    """Addresses and networks, without the word "unix". Raises ValueError, which tells of the one that is wrong."""
    return [ipaddress.ip_network(text) for text in trusted if text != UNIX]


class Proxies:
    """`trusted` are addresses, networks ("10.0.0.0/8") and "unix", as in TRUSTED_PROXIES."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self.networks = parse_networks(trusted)
        self.trusts_unix = UNIX in trusted
        self.is_trusted = functools.lru_cache(1024)(self._is_trusted)

    def uncover(self, scope: Scope) -> None:
        """Put the real client and scheme into `scope`, when it comes from a trusted proxy that names them."""
        client = scope.get("client")
        peer = client[0] if client else ""
        if not (self.is_trusted(peer) if peer else self.trusts_unix):
            return
        walked = self._walk(_values(scope, b"x-forwarded-for"))
        if walked:
            scope["client"] = (walked[-1], 0)
        if schemes := _values(scope, b"x-forwarded-proto"):
            # As many proxies wrote here, unless one of them keeps what it was told or replaces it.
            _tell_scheme(scope, schemes[-min(max(len(walked), 1), len(schemes))])

    def _walk(self, chain: Sequence[str]) -> list[str]:
        """From the right up to the first that is not trusted; what is no address ends it too."""
        walked: list[str] = []
        for text in reversed(chain):
            if len(text) > LONGEST_ADDRESS or (found := _address(text)) is None:
                break
            walked.append(found)
            if not self.is_trusted(found):
                break
        return walked

    def _is_trusted(self, peer: str) -> bool:
        found = _address(peer)
        return found is not None and any(ipaddress.ip_address(found) in network for network in self.networks)


def _values(scope: Scope, name: bytes) -> list[str]:
    """Of all headers of that name, in their order."""
    found = b",".join(value for header, value in scope["headers"] if header == name)
    return [text.strip() for text in found.decode("latin-1").split(",")] if found else []


@functools.lru_cache(1024)
def _address(text: str) -> str | None:
    """Also "192.0.2.1:4711", "[2001:db8::1]" and "[2001:db8::1]:4711"; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found: Address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if getattr(found, "scope_id", None) is not None:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


def _tell_scheme(scope: Scope, told: str) -> None:
    if (schemes := SCHEMES.get(told.lower())) is not None:
        scope["scheme"] = schemes[scope["scheme"] in {"ws", "wss"}]
