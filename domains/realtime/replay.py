"""The feed out of the event log: what happened lately, and what somebody missed.

Ids are not in the order of commits, and neither, to the second, are the times at which events were relayed: whoever
goes on from an event looks a little further back, and leaves out by its id what is known already.
"""

from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec

from domains.realtime import feed, messages
from domains.realtime.feed import Line
from domains.realtime.schemas import Message
from piccolo_conf import fetch, fetch_row

# A relay writes the time at which it began, and becomes visible up to a minute later (the pool's longest statement);
# the clocks of two machines differ by less than the ten seconds above that.
OVERLAP = timedelta(seconds=70)
MOST_REPLAYED = 1_000
BEGINNING = datetime.min.replace(tzinfo=UTC)
FROM_THE_START = 0

# The next three rely on event_feed (relayed_at, id).
NEWEST = f"""
    SELECT {messages.COLUMNS} FROM event
    WHERE NOT bulk AND relayed_at >= $1 AND topic = ANY($2::text[])
    ORDER BY relayed_at DESC, id DESC LIMIT $3
"""
PLACE = "SELECT max(relayed_at) FROM event WHERE NOT bulk AND relayed_at IS NOT NULL"
IDS_SINCE = """
    SELECT id, relayed_at FROM event
    WHERE NOT bulk AND relayed_at >= $1 AND topic = ANY($2::text[]) ORDER BY relayed_at, id
"""

BY_IDS = f"SELECT {messages.COLUMNS} FROM event WHERE id = ANY($1::bigint[]) ORDER BY relayed_at, id"
MOMENT = "SELECT coalesce(relayed_at, occurred_at) AS moment FROM event WHERE id = $1"


class Replay(msgspec.Struct, frozen=True):
    """Lines in the order in which they were relayed; `is_cut`: there were more, and these are the newest."""

    lines: list[Line]
    is_cut: bool


class UnknownEvent(Exception):
    """There is no event with this id."""


async def read_recent(limit: int) -> list[Message]:
    """The newest events, newest first."""
    rows = await fetch(NEWEST, BEGINNING, messages.FOLLOWED, limit)
    return [message for _event_id, message in feed.make_messages(rows)]


async def replay(since: int) -> Replay:
    """What was relayed after the event `since`, and shortly before it; raises UnknownEvent."""
    moment = await _moment_of(since)
    begin = moment if moment == BEGINNING else moment - OVERLAP
    rows = await fetch(NEWEST, begin, messages.FOLLOWED, MOST_REPLAYED + 1)
    kept, left_out = rows[:MOST_REPLAYED], rows[MOST_REPLAYED:]
    # What is older than `since` was told before, but for a few that became visible late.
    return Replay(feed.make_lines(kept[::-1]), is_cut=any(row["relayed_at"] > moment for row in left_out))


async def _moment_of(since: int) -> datetime:
    if since == FROM_THE_START:
        return BEGINNING
    if (row := await fetch_row(MOMENT, since)) is None:
        raise UnknownEvent
    moment: datetime = row["moment"]
    return moment


async def read_lines(ids: list[int]) -> list[Line]:
    return feed.make_lines(await fetch(BY_IDS, ids))


async def find_place() -> datetime:
    """When the newest event was relayed."""
    row = await fetch_row(PLACE)
    return (row and row["max"]) or BEGINNING


async def ids_since(place: datetime) -> list[asyncpg.Record]:
    """`id` and `relayed_at` of what was relayed since then and shortly before, in that order."""
    begin = place if place == BEGINNING else place - OVERLAP
    return list(await fetch(IDS_SINCE, begin, messages.FOLLOWED))
