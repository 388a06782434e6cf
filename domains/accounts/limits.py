"""How often somebody may try: sign-ins, refreshes, mailed codes, mails to ask for.

An attempt is counted before it is made, so that a thousand at once are no more than one after the other, and taken back
when it succeeded, so that only failures add up. An owner is not locked out by strangers: where they have signed in
before, their attempts are counted apart. Who an account and an address are is hashed before it leaves this process.
"""

import asyncio
import functools
import hashlib
import ipaddress
import math
import uuid
from collections.abc import Iterator
from datetime import timedelta
from weakref import WeakValueDictionary

import msgspec

from lib import clock, sliding_windows
from lib.errors import TooManyRequests
from lib.signing import derive_key
from lib.sliding_windows import Slot
from piccolo_conf import execute
from settings import settings

KEY = derive_key("limits")
KNOWN_FOR = timedelta(days=90)
# A provider gives each customer of IPv6 at least this much: its addresses are one.
IPV6_CUSTOMER_BITS = 64

QUARTER = 15 * 60
HOUR = 60 * 60


class Window(msgspec.Struct, frozen=True):
    """At most so many within so many seconds; `failures`: what succeeds is taken back with `refund`."""

    most: int
    seconds: int
    failures: bool = False


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """`pair` is one account from one address, `account` from all addresses, `address` to all accounts."""

    name: str
    pair: Window | None = None
    account: Window | None = None
    address: Window | None = None


SIGN_IN = Limit(
    name="sign_in",
    pair=Window(5, QUARTER, failures=True),
    account=Window(10, QUARTER, failures=True),
    address=Window(settings.sign_in_failures_per_hour, HOUR, failures=True),
)
# At an address where this user has signed in before. Many users may share it: an office, a mobile network.
SIGN_IN_KNOWN = Limit(
    name="sign_in_known",
    pair=Window(5, QUARTER, failures=True),
    address=Window(4 * settings.sign_in_failures_per_hour, HOUR, failures=True),
)
# The current password, asked of somebody who is signed in.
PASSWORD = Limit(name="password", account=Window(10, QUARTER, failures=True))
# `account` is the session. Every refresh makes a row, so those that succeed are limited too. The address counts only
# for tokens of no session: nobody guesses one, so strangers' attempts must not stand in the way of who has one.
REFRESH = Limit(name="refresh", account=Window(120, QUARTER), address=Window(60, HOUR))
# Each code takes five tries anyway.
CODE = Limit(
    name="code",
    pair=Window(5, QUARTER, failures=True),
    account=Window(10, QUARTER, failures=True),
    address=Window(30, HOUR, failures=True),
)
# Nobody guesses a link's token, so strangers' attempts must not stand in the way of who has the link.
LINK = Limit(name="link", address=Window(30, HOUR, failures=True))
# The mails that strangers ask for reach the owner all the same, each with a link that works.
RESEND = Limit(name="resend", pair=Window(3, QUARTER), account=Window(10, HOUR), address=Window(15, HOUR))
RESET = Limit(name="reset", pair=Window(3, QUARTER), account=Window(10, HOUR), address=Window(15, HOUR))
SIGN_UP = Limit(name="sign_up", address=Window(15, HOUR))

# A lock is forgotten when nobody holds it or waits for it.
_turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

# Relies on known_address_user_network_key. One write a day is enough to know who still comes.
REMEMBER = """
    INSERT INTO known_address ("user", network, seen_at) SELECT id, $2, $3 FROM users WHERE id = $1
    ON CONFLICT ("user", network) DO UPDATE SET seen_at = excluded.seen_at
    WHERE known_address.seen_at < excluded.seen_at - interval '1 day'
"""


class TooManyAttempts(TooManyRequests):
    """Too many attempts. Try again later."""


class Counted(msgspec.Struct, frozen=True):
    """An attempt that was admitted: what to give back when it succeeds."""

    kind: str
    mark: str
    failures: list[Slot]


async def count(limit: Limit, *, account: str | None = None, address: str | None = None) -> Counted:
    """Count an attempt, before it is made. Raises TooManyAttempts, and counts nothing then.

    `account` is any text that names one, whatever the case of its letters; a window without its part is left out.
    """
    slots = list(_slots(limit, account, address))
    mark = uuid.uuid4().hex
    if wait := await sliding_windows.take(limit.name, [slot for slot, _ in slots], mark):
        seconds = max(1, math.ceil(wait))
        sentence = f"Too many attempts. Try again in {_in_words(seconds)}."
        raise TooManyAttempts(sentence, headers={"Retry-After": str(seconds)})
    return Counted(limit.name, mark, [slot for slot, window in slots if window.failures])


def turn(account: str, address: str) -> asyncio.Lock:
    """Hold it for a whole attempt: one after the other, several that are right never fill a window of failures."""
    return _turns.setdefault(f"{account}\0{network_of(address)}".lower(), asyncio.Lock())


async def refund(counted: Counted) -> None:
    """The attempt succeeded: it does not count as a failure."""
    await sliding_windows.give_back(counted.kind, counted.failures, counted.mark)


async def remember_address(user_id: int, address: str) -> None:
    """The user has shown here who they are: from now on strangers cannot use up their attempts at this address."""
    if network := network_of(address):
        await execute(REMEMBER, user_id, network, clock.now())


async def forget_old_addresses() -> None:
    """For the schedules that clean up. Relies on known_address_seen_at."""
    await execute("DELETE FROM known_address WHERE seen_at < $1", clock.now() - KNOWN_FOR)


@functools.lru_cache(1024)
def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, a customer's network of IPv6; anything else as it stands."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:45]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), IPV6_CUSTOMER_BITS), strict=False))


def _slots(limit: Limit, account: str | None, address: str | None) -> Iterator[tuple[Slot, Window]]:
    network = None if address is None else network_of(address)
    if limit.pair and account is not None and network is not None:
        yield _slot(limit, limit.pair, "pair", account, network), limit.pair
    if limit.account and account is not None:
        yield _slot(limit, limit.account, "account", account), limit.account
    if limit.address and network is not None:
        yield _slot(limit, limit.address, "address", network), limit.address


def _slot(limit: Limit, window: Window, *parts: str) -> Slot:
    text = "\0".join((limit.name, *parts)).lower().encode("utf-8", "surrogatepass")
    return Slot(hashlib.blake2b(text, key=KEY, digest_size=16).hexdigest(), window.most, window.seconds)


def _in_words(seconds: int) -> str:
    if seconds >= 2 * 60:
        return f"{math.ceil(seconds / 60)} minutes"
    return "a second" if seconds == 1 else f"{seconds} seconds"
