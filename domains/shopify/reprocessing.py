"""Processes many webhooks again: what somebody looked at, all of it or nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import asyncpg
import msgspec

from domains.shopify import inbox
from domains.shopify.tables import InboundReason, InboundState
from lib.errors import Conflict
from lib.filters import Condition
from lib.integers import LARGEST_BIGINT
from lib.listing import Binder
from piccolo_conf import fetch, fetch_value, transaction

MOST_AT_ONCE = 10_000
MOST_IDS = 1000
# Relies on inbound_webhook_unsettled.
UNSETTLED = Condition("state IN ('failed', 'parked')")
# What waits anyway is left, and so is what has no body any more.
ASKABLE = Condition("state <> 'pending' AND reason IS DISTINCT FROM 'redacted'")
SHOWN = "id, received_at, topic, subject, state, reason, detail, attempts"


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which webhooks are meant; what is left out narrows nothing. Without ids it is those that failed or are parked;
    with ids it is these, whatever has become of them. `since` ≤ receipt < `until`."""

    state: InboundState | None = None
    reason: InboundReason | None = None
    topic: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    ids: (
        Annotated[list[Annotated[int, msgspec.Meta(ge=1, le=LARGEST_BIGINT)]], msgspec.Meta(max_length=MOST_IDS)] | None
    ) = None


class CountDiffers(Conflict):
    """These are not the webhooks that you looked at. Look at the number again."""


class TooMany(Conflict):
    """At most 10,000 webhooks are processed again at once: choose fewer."""


async def count(wanted: Wanted) -> int:
    """MOST_AT_ONCE + 1 for more than can be processed again at once."""
    binder = Binder()
    chosen = f"SELECT FROM inbound_webhook {_where(binder, wanted)} LIMIT {MOST_AT_ONCE + 1}"
    return int(await fetch_value(f"SELECT count(*) FROM ({chosen}) AS chosen", *binder.values))


async def list_latest(wanted: Wanted, most: int) -> Sequence[asyncpg.Record]:
    """The latest first."""
    binder = Binder()
    chosen = f"SELECT {SHOWN} FROM inbound_webhook {_where(binder, wanted)} ORDER BY id DESC LIMIT {binder.bind(most)}"
    return await fetch(chosen, *binder.values)


async def process_again(wanted: Wanted, expected: int) -> int:
    """How many are due now. Raises TooMany, and CountDiffers when they are not as many as expected.

    Ring for `process_inbox` afterwards.
    """
    binder = Binder()
    # What a worker has at this moment is no longer what was looked at; to wait for it could be to wait for each other.
    chosen = f"SELECT id FROM inbound_webhook {_where(binder, wanted)} LIMIT {MOST_AT_ONCE + 1} FOR UPDATE SKIP LOCKED"
    async with transaction():
        found = [row["id"] for row in await fetch(chosen, *binder.values)]
        if len(found) > MOST_AT_ONCE:
            raise TooMany
        if len(found) != expected:
            raise CountDiffers
        return await inbox.ask_all_again(found)


def _where(binder: Binder, wanted: Wanted) -> str:
    given = {
        "state = {0}": wanted.state,
        "reason = {0}": wanted.reason,
        "topic = lower({0})": wanted.topic,
        "received_at >= {0}": wanted.since,
        "received_at < {0}": wanted.until,
        "id = ANY({0}::bigint[])": wanted.ids,
    }
    conditions = [Condition(clause, (value,)) for clause, value in given.items() if value is not None]
    always = [ASKABLE] if wanted.ids is not None else [ASKABLE, UNSETTLED]
    return binder.where([*always, *conditions])
