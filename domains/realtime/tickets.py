"""Tickets: one connection each, for clients of a browser that hold an access token and can send no header.

A ticket travels in an address, where proxies write it down: it counts for thirty seconds and, while Redis answers,
once.
"""

import secrets

import msgspec
from cryptography.fernet import InvalidToken
from redis.asyncio import Redis

from domains.accounts import revocations
from domains.accounts.schemas import Caller
from domains.accounts.scopes import scopes_of
from domains.accounts.tables import Role
from domains.realtime.schemas import TicketOut
from lib import clock, signing
from lib.errors import NotAllowed, NotSignedIn
from lib.redis_client import RedisAway, line

SECONDS = 30
# Until then a used one is remembered.
REMEMBERED_SECONDS = 2 * SECONDS
LONGEST = 1_000
BOX = signing.make_box("feed ticket")


class BadTicket(NotSignedIn):
    """This ticket is unknown, used or older than thirty seconds."""


class NeedsSession(NotAllowed):
    """Tickets are for people who are signed in; an API key opens the feed with its header."""


class Ticket(msgspec.Struct):
    user_id: int
    username: str
    role: Role
    family: str
    number: str


def make_ticket(caller: Caller) -> TicketOut:
    """Raises NeedsSession."""
    if caller.user_id is None or caller.session_id is None or caller.role is None:
        raise NeedsSession
    ticket = Ticket(caller.user_id, caller.username, caller.role, caller.session_id, secrets.token_hex(16))
    sealed = BOX.encrypt_at_time(msgspec.json.encode(ticket), _now())
    return TicketOut(ticket=sealed.decode(), expires_in=SECONDS)


async def redeem(text: str) -> Caller:
    """Whose ticket this is; raises BadTicket."""
    ticket = _open(text)
    if not await _is_first_use(ticket.number) or await revocations.has_ended(ticket.family):
        raise BadTicket
    return Caller(ticket.user_id, ticket.username, ticket.role, scopes_of(ticket.role), ticket.family)


def _open(text: str) -> Ticket:
    if len(text) > LONGEST or not text.isascii():
        raise BadTicket
    try:
        return msgspec.json.decode(BOX.decrypt_at_time(text.encode(), SECONDS, _now()), type=Ticket)
    except InvalidToken:
        raise BadTicket from None


async def _is_first_use(number: str) -> bool:
    key, mine = f"stockroom:feed:ticket:{number}", secrets.token_hex(16)
    try:
        return await line.ask(lambda redis: _claim(redis, key, mine))
    except RedisAway:
        return True


async def _claim(redis: Redis, key: str, mine: str) -> bool:
    """A question may reach Redis twice, and must not find its own first half to be somebody else."""
    if await redis.set(key, mine, nx=True, ex=REMEMBERED_SECONDS):
        return True
    return bool(await redis.get(key) == mine.encode())


def _now() -> int:
    return int(clock.now().timestamp())
