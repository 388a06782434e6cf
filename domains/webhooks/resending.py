"""Sends many deliveries again that failed: what somebody looked at, all of it or nothing.

Those of endpoints that are switched off stay as they are: nothing is sent there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import asyncpg
import msgspec

from domains.webhooks.recovery import SEND_AGAIN
from domains.webhooks.topics import EventType
from lib import clock
from lib.errors import Conflict
from lib.integers import LARGEST_BIGINT, LARGEST_INTEGER
from piccolo_conf import fetch, fetch_value, transaction

# One statement does all of it, in about half a second.
MOST_AT_ONCE = 10_000
MOST_IDS = 1000

WANTED = """
    d.state = 'failed' AND (d.locked_until IS NULL OR d.locked_until <= $1)
        AND ($2::int IS NULL OR d.endpoint = $2)
        AND ($3::text IS NULL OR event.topic = $3)
        AND ($4::timestamptz IS NULL OR d.created_at >= $4)
        AND ($5::timestamptz IS NULL OR d.created_at < $5)
        AND ($6::bigint[] IS NULL OR d.id = ANY ($6))
"""
# In the order of webhook_delivery_unsent. By id alone PostgreSQL would search through all that ever arrived.
MATCHING = f"""
    FROM webhook_delivery d JOIN webhook_endpoint p ON p.id = d.endpoint AND p.is_enabled
    JOIN event ON event.id = d.event
    WHERE {WANTED} ORDER BY d.endpoint, d.id LIMIT {MOST_AT_ONCE + 1}
"""
COUNT = f"SELECT count(*) FROM (SELECT {MATCHING}) AS found"
# The latest of each endpoint, by the same index, and of these the latest.
LATEST = f"""
    SELECT d.id, d.created_at, d.endpoint, p.url, d.topic, d.attempt, d.last_status_code, d.last_error
    FROM webhook_endpoint p CROSS JOIN LATERAL (
        SELECT d.*, event.topic FROM webhook_delivery d JOIN event ON event.id = d.event
        WHERE d.endpoint = p.id AND {WANTED} ORDER BY d.id DESC LIMIT $7
    ) d
    WHERE p.is_enabled ORDER BY d.id DESC LIMIT $7
"""
# Nobody switches one of them off before the deliveries are due: they would be neither paused nor sent.
HOLD_ENDPOINTS = """
    SELECT id FROM webhook_endpoint WHERE is_enabled AND ($1::int IS NULL OR id = $1) ORDER BY id FOR SHARE
"""
RESEND = f"""
    WITH found AS MATERIALIZED (SELECT d.id {MATCHING} FOR UPDATE OF d)
    {SEND_AGAIN} FROM found WHERE webhook_delivery.id = found.id RETURNING webhook_delivery.id
"""


class Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which failed deliveries are meant; what is left out narrows nothing. `since` ≤ creation < `until`."""

    endpoint: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_INTEGER)] | None = None
    event_type: EventType | None = None
    since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    ids: (
        Annotated[list[Annotated[int, msgspec.Meta(ge=1, le=LARGEST_BIGINT)]], msgspec.Meta(max_length=MOST_IDS)] | None
    ) = None


class CountDiffers(Conflict):
    """What failed is not what you looked at. Look at the number again."""


class TooManyFailed(Conflict):
    """At most 10,000 deliveries are sent again at once: choose fewer."""


async def count_failed(failed: Failed) -> int:
    """MOST_AT_ONCE + 1 for more than can be sent again at once."""
    return int(await fetch_value(COUNT, *_values(failed)))


async def list_failed(failed: Failed, most: int) -> Sequence[asyncpg.Record]:
    """The latest first."""
    return await fetch(LATEST, *_values(failed), most)


async def resend_failed(failed: Failed, expected: int) -> int:
    """How many are due now. Raises TooManyFailed, and CountDiffers when they are not as many as expected.

    Ring for `deliver_due` afterwards.
    """
    async with transaction():
        await fetch(HOLD_ENDPOINTS, failed.endpoint)
        found = await fetch(RESEND, *_values(failed))
        if len(found) > MOST_AT_ONCE:
            raise TooManyFailed
        if len(found) != expected:
            raise CountDiffers
    return len(found)


def _values(failed: Failed) -> tuple[object, ...]:
    return clock.now(), failed.endpoint, failed.event_type, failed.since, failed.until, failed.ids
