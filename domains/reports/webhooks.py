"""Whether the systems that asked to be told of changes have heard of them."""

from datetime import date, datetime

import msgspec

from domains.reports.periods import SECONDS, beginning
from domains.webhooks.tables import DisabledReason
from lib import cache
from piccolo_conf import fetch

KEY = "webhooks"
MOST_SHOWN = 8

# The tally has a row for each endpoint and day. Deliveries by webhook_delivery_due and webhook_delivery_unsent.
COUNTS = """
    SELECT (SELECT count(*) FROM webhook_endpoint) AS configured,
           (SELECT count(*) FROM webhook_endpoint WHERE is_enabled) AS enabled,
           (SELECT coalesce(sum(delivered), 0) FROM webhook_tally) AS sent,
           (SELECT coalesce(sum(failed), 0) FROM webhook_tally) AS failed,
           (SELECT count(*) FROM webhook_delivery WHERE state = 'pending') AS pending,
           (SELECT count(*) FROM webhook_delivery WHERE state = 'paused') AS paused
"""

# By webhook_tally_key.
DAYS = "SELECT day, sum(delivered) AS sent, sum(failed) AS failed FROM webhook_tally WHERE day >= $1 GROUP BY day"

# There are a hundred endpoints at most. Disabled by hand is no trouble.
TROUBLED = """
    SELECT e.id, e.url, e.disabled_reason, e.disabled_at, e.failing_since,
           (SELECT count(*) FROM webhook_delivery d WHERE d.endpoint = e.id AND d.state = 'pending')
           + (SELECT count(*) FROM webhook_delivery d WHERE d.endpoint = e.id AND d.state = 'paused') AS waiting,
           count(*) OVER () AS in_trouble
    FROM webhook_endpoint e
    WHERE e.disabled_reason <> 'by_hand' OR e.disabled_reason IS NULL AND e.failing_since IS NOT NULL
    ORDER BY e.disabled_at DESC NULLS LAST, e.failing_since, e.id LIMIT $1
"""


class Sent(msgspec.Struct, frozen=True):
    """Deliveries that arrived, and those that were given up."""

    sent: int = 0
    failed: int = 0


class Troubled(msgspec.Struct, frozen=True):
    """An endpoint that answers with errors, or was disabled for them. Of `waiting` deliveries it has not heard yet."""

    id: int
    url: str
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    failing_since: datetime | None
    waiting: int


class Webhooks(msgspec.Struct, frozen=True):
    """`sent` and `failed` since the beginning; `by_day` is without days on which nothing was told.
    `troubled` are the first of those `in_trouble`."""

    configured: int
    enabled: int
    sent: int
    failed: int
    pending: int
    paused: int
    by_day: dict[date, Sent]
    troubled: tuple[Troubled, ...]
    in_trouble: int


async def count_webhooks() -> Webhooks:
    return await cache.recall(KEY, Webhooks, SECONDS, _count)


async def _count() -> Webhooks:
    [counts] = await fetch(COUNTS)
    by_day = {row["day"]: Sent(row["sent"], row["failed"]) for row in await fetch(DAYS, beginning().date())}
    rows = await fetch(TROUBLED, MOST_SHOWN)
    troubled = tuple(msgspec.convert(dict(row), Troubled) for row in rows)
    return Webhooks(**counts, by_day=by_day, troubled=troubled, in_trouble=rows[0]["in_trouble"] if rows else 0)
