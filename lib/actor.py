"""Who acts, from where, for what: set by auth, jobs and commands, read by `transaction()` for the event log."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum

import msgspec


class Source(StrEnum):
    """Where a change came from."""

    API = "api"
    WEB = "web"
    ADMIN = "admin"
    IMPORT = "import"
    SHOPIFY = "shopify"
    ORDER = "order"
    SCHEDULE = "schedule"
    SYSTEM = "system"
    SQL = "sql"


class Actor(msgspec.Struct, frozen=True):
    """`reference` names the cause ("import:<uuid>"); `bulk` marks changes made by the thousand."""

    user_id: int | None = None
    name: str = "system"
    source: Source = Source.SYSTEM
    reference: str = ""
    bulk: bool = False


SYSTEM = Actor()

_current: ContextVar[Actor | None] = ContextVar("actor", default=None)


def current() -> Actor:
    return _current.get() or SYSTEM


def become(actor: Actor) -> None:
    """From here on this task acts as `actor`: for the start of a request."""
    _current.set(actor)


@contextmanager
def acting(**changes: object) -> Iterator[Actor]:
    """Act with some traits changed for the length of a block."""
    actor = msgspec.structs.replace(current(), **changes)
    token = _current.set(actor)
    try:
        yield actor
    finally:
        _current.reset(token)
