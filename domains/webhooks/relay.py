"""From the event log to deliveries: each event once, whoever relays and whenever they die.

Events are claimed by their state, never by an id beyond the last one: ids are not in the order of commits. The
deliveries and the mark stand in one transaction.
"""

from collections.abc import Sequence

import asyncpg
import msgspec

from domains.realtime import feed
from domains.webhooks.topics import is_owed
from lib import clock
from piccolo_conf import fetch, transaction

MOST_AT_ONCE = 1000

# Relies on event_unrelayed.
# A recovery may make deliveries of the same events meanwhile, and refers to them: with locks on their keys, or another
# order than its own, one of the two would be broken off as a deadlock.
RELAY = f"""
    WITH claimed AS MATERIALIZED (
        SELECT id, topic, bulk FROM event WHERE relayed_at IS NULL
        ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
    ), made AS (
        INSERT INTO webhook_delivery (event, endpoint, next_attempt_at, created_at)
        SELECT claimed.id, endpoint.id, $1, $1
        FROM claimed JOIN webhook_endpoint endpoint ON endpoint.is_enabled
            AND {is_owed("endpoint", "claimed")}
        ORDER BY claimed.id, endpoint.id
        ON CONFLICT (event, endpoint) DO NOTHING RETURNING id
    ), marked AS (
        UPDATE event SET relayed_at = $1 FROM claimed WHERE event.id = claimed.id
        RETURNING {feed.COLUMNS}
    ), counted AS (
        SELECT (SELECT count(*) FROM claimed) AS relayed, (SELECT count(*) FROM made) AS made
    )
    SELECT counted.relayed, counted.made, marked.* FROM counted LEFT JOIN marked ON NOT marked.bulk ORDER BY marked.id
"""


class Relayed(msgspec.Struct, frozen=True):
    """How many events and deliveries; `followed` are the events that are told one by one in the live feed."""

    events: int
    deliveries: int
    followed: Sequence[asyncpg.Record] = ()

    @property
    def was_full(self) -> bool:
        """There may be more."""
        return self.events >= MOST_AT_ONCE


async def relay_events() -> Relayed:
    """One batch, in one statement. Tell the live feed of it afterwards."""
    async with transaction():
        rows = await fetch(RELAY, clock.now(), MOST_AT_ONCE)
    return Relayed(rows[0]["relayed"], rows[0]["made"], [row for row in rows if row["id"] is not None])
