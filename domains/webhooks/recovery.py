"""Sending again: one delivery, or all that an endpoint has missed since a time.

The endpoint's row is locked before its deliveries, as everywhere; while it is held nobody disables the endpoint.
"""

from datetime import datetime, timedelta

from domains.webhooks.health import EndpointNotFound
from domains.webhooks.log import DeliveryNotFound
from domains.webhooks.topics import is_owed
from lib import clock, log
from lib.errors import Conflict, field_error
from piccolo_conf import execute, fetch_row, fetch_value, transaction

logger = log.get("webhooks.recovery")

LONGEST_BACK = timedelta(days=14)
# Rows in one statement, in a transaction of its own: others wait for it at most for its time.
AT_ONCE = 10_000

HOLD = "SELECT is_enabled FROM webhook_endpoint WHERE id = $1 FOR SHARE"
# `attempt` goes on counting. A lease that has run out stays: the next claim logs the attempt that it was for.
SEND_AGAIN = "UPDATE webhook_delivery SET state = 'pending', trigger = 'manual', step = 0, next_attempt_at = $1"
SEND_ONE_AGAIN = f"{SEND_AGAIN} WHERE id = $2 AND endpoint = $3 AND (locked_until IS NULL OR locked_until <= $1)"
# Relies on webhook_delivery_unsent.
SEND_FAILED_AGAIN = f"""
    {SEND_AGAIN} WHERE id = ANY(ARRAY(
        SELECT id FROM webhook_delivery WHERE endpoint = $2 AND state = 'failed' AND created_at >= $3
        ORDER BY id LIMIT $4 FOR UPDATE))
"""
EXISTS = "SELECT EXISTS (SELECT FROM webhook_delivery WHERE id = $1 AND endpoint = $2)"

# The ends are looked for among the rows that event_occurred finds: without `+ 0` the planner would walk the log from
# its beginning instead.
SPAN = "SELECT min(id + 0) AS first, max(id + 0) AS last FROM event WHERE occurred_at >= $1"
# As the relay does it. Of what the relay has not come to yet there is one delivery too, whoever is first.
DELIVER_MISSED = f"""
    INSERT INTO webhook_delivery (event, endpoint, trigger, next_attempt_at, created_at)
    SELECT e.id, w.id, 'manual', $1, $1
    FROM webhook_endpoint w JOIN event e ON {is_owed("w", "e")}
    WHERE w.id = $2 AND e.occurred_at >= $3 AND e.id >= $4 AND e.id < $5 ORDER BY e.id
    ON CONFLICT (event, endpoint) DO NOTHING
"""


class EndpointDisabled(Conflict):
    """This endpoint is disabled: enable it first."""


class DeliveryUnderWay(Conflict):
    """This delivery is being sent at this moment."""


async def redeliver(endpoint_id: int, delivery_id: int) -> None:
    """In whatever state it is; ring `deliver_due` after it.

    Raises EndpointNotFound, EndpointDisabled, DeliveryNotFound and DeliveryUnderWay.
    """
    async with transaction():
        await _hold(endpoint_id)
        if await execute(SEND_ONE_AGAIN, clock.now(), delivery_id, endpoint_id) == "UPDATE 0":
            is_there = await fetch_value(EXISTS, delivery_id, endpoint_id)
            raise DeliveryUnderWay if is_there else DeliveryNotFound
    logger.info("webhook_redelivery_asked_for", endpoint_id=endpoint_id, delivery_id=delivery_id)


async def recover(endpoint_id: int, since: datetime) -> int:
    """How many are due now: what has failed since then, and what was never to be sent, because the endpoint was
    disabled or subscribed to less. Ring `deliver_due` after it.

    Killed in the middle, some are due; doing it again does the rest. Raises EndpointNotFound, EndpointDisabled, and
    BadInput for a time in the future or more than 14 days back.
    """
    now = clock.now()
    if since > now:
        raise field_error("since", "must be in the past")
    if since < now - LONGEST_BACK:
        raise field_error("since", f"must be at most {LONGEST_BACK.days} days ago")
    due = await _send_failed_again(endpoint_id, since) + await _deliver_missed(endpoint_id, since)
    logger.info("webhook_recovery_asked_for", endpoint_id=endpoint_id, deliveries=due)
    return due


async def _send_failed_again(endpoint_id: int, since: datetime) -> int:
    due, last = 0, AT_ONCE
    while last == AT_ONCE:
        async with transaction():
            await _hold(endpoint_id)
            last = _count(await execute(SEND_FAILED_AGAIN, clock.now(), endpoint_id, since, AT_ONCE))
        due += last
    return due


async def _deliver_missed(endpoint_id: int, since: datetime) -> int:
    """Along the ids of the log, so that each statement reads a bounded part of it."""
    span = await fetch_row(SPAN, since)
    if span is None or span["first"] is None:
        return 0
    due = 0
    for first in range(span["first"], span["last"] + 1, AT_ONCE):
        async with transaction():
            await _hold(endpoint_id)
            due += _count(await execute(DELIVER_MISSED, clock.now(), endpoint_id, since, first, first + AT_ONCE))
    return due


async def _hold(endpoint_id: int) -> None:
    """An enabled endpoint, which stays so until the transaction ends."""
    is_enabled = await fetch_value(HOLD, endpoint_id)
    if is_enabled is None:
        raise EndpointNotFound
    if not is_enabled:
        raise EndpointDisabled


def _count(tag: str) -> int:
    """ "INSERT 0 3" and "UPDATE 3" tell of three rows."""
    return int(tag.rpartition(" ")[2])
