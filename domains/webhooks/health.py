"""Whether endpoints hear us: failures are counted, their owners warned, and those that are gone are disabled.

Lock order, here and wherever endpoints and deliveries are written together: the endpoint's row, then its deliveries.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from domains.webhooks.deliveries import Result
from domains.webhooks.tables import DeliveryState, DisabledReason
from domains.webhooks.warnings import Troubled, tell_disabled, tell_failing
from lib import clock, log
from lib.errors import NotFound
from piccolo_conf import execute, fetch, fetch_row, transaction

logger = log.get("webhooks.health")

LONGEST_FAILURE = timedelta(days=5)
# Attempts of one delivery that fail before the owner is told: half an hour after the first.
WORRYING_STEP = 4
# Where some requests succeed and others fail for days, the owner hears of it so often at most.
TOLD_AGAIN = timedelta(days=1)

RECOVER = """
    UPDATE webhook_endpoint SET failing_since = NULL, exhausted_at = NULL
    WHERE id = ANY($1::int[]) AND failing_since IS NOT NULL
"""
LOCK = """
    SELECT id, url, description, created_by, failing_since, exhausted_at, warned_at, is_enabled FROM webhook_endpoint
    WHERE id = ANY($1::int[]) ORDER BY id FOR NO KEY UPDATE
"""
NOTE = "UPDATE webhook_endpoint SET failing_since = $2, exhausted_at = $3, warned_at = $4 WHERE id = $1"
DISABLE = """
    UPDATE webhook_endpoint SET is_enabled = false, disabled_reason = $2, disabled_at = $3, updated_at = $3
    WHERE id = $1 AND is_enabled RETURNING id, url, description, created_by, failing_since
"""
# Relies on webhook_delivery_due.
PAUSE = "UPDATE webhook_delivery SET state = 'paused' WHERE endpoint = $1 AND state = 'pending'"
ENABLE = """
    UPDATE webhook_endpoint SET is_enabled = true, disabled_reason = NULL, disabled_at = NULL, updated_at = $2,
        failing_since = NULL, exhausted_at = NULL, warned_at = NULL
    WHERE id = $1 AND NOT is_enabled
"""
# Relies on webhook_delivery_unsent.
GO_ON = """
    UPDATE webhook_delivery SET state = 'pending', step = 0, next_attempt_at = $2
    WHERE endpoint = $1 AND state = 'paused'
"""
EXISTS = "SELECT id FROM webhook_endpoint WHERE id = $1"


class EndpointNotFound(NotFound):
    """There is no such webhook endpoint."""


class Failures(msgspec.Struct):
    """What failed at one endpoint in a batch of attempts."""

    is_gone: bool = False
    is_exhausted: bool = False
    is_worrying: bool = False

    def add(self, result: Result) -> None:
        self.is_gone |= result.outcome.is_gone
        self.is_exhausted |= result.state is DeliveryState.FAILED
        self.is_worrying |= result.due.step >= WORRYING_STEP


async def note(results: Sequence[Result], failing: Collection[int]) -> int:
    """What a batch says of the endpoints, in the open transaction; `failing` are those that had failed before.

    All of them are locked, in their order, before anything of theirs is written. Returns how many letters were written:
    ring for mail behind it.
    """
    locked = await fetch(LOCK, sorted({result.due.endpoint for result in results}))
    heard = {result.due.endpoint for result in results if result.outcome.is_success}
    if recovered := heard.intersection(failing):
        await execute(RECOVER, sorted(recovered))
    failures = _gather(result for result in results if not result.outcome.is_success)
    silent = {endpoint for endpoint, failed in failures.items() if endpoint not in heard or failed.is_gone}
    troubled = [msgspec.convert(dict(row), Troubled) for row in locked if row["is_enabled"] and row["id"] in silent]
    return sum([await _note_failures(endpoint, failures[endpoint.id]) for endpoint in troubled])


def _gather(failed: Iterable[Result]) -> dict[int, Failures]:
    failures: dict[int, Failures] = {}
    for result in failed:
        failures.setdefault(result.due.endpoint, Failures()).add(result)
    return failures


async def _note_failures(endpoint: Troubled, failures: Failures) -> int:
    now = clock.now()
    since = endpoint.failing_since or now
    exhausted_at = endpoint.exhausted_at or (now if failures.is_exhausted else None)
    if failures.is_gone:
        return await _disable(endpoint.id, DisabledReason.GONE)
    if exhausted_at is not None and now - since >= LONGEST_FAILURE:
        return await _disable(endpoint.id, DisabledReason.FAILING)
    warns = failures.is_worrying and _may_tell(endpoint.warned_at, since, now)
    warned_at = now if warns else endpoint.warned_at
    if (since, exhausted_at, warned_at) != (endpoint.failing_since, endpoint.exhausted_at, endpoint.warned_at):
        await execute(NOTE, endpoint.id, since, exhausted_at, warned_at)
    return await tell_failing(endpoint, since) if warns else 0


def _may_tell(warned_at: datetime | None, since: datetime, now: datetime) -> bool:
    """Once for each time of failing, and once a day."""
    return warned_at is None or (warned_at < since and now - warned_at >= TOLD_AGAIN)


async def disable(endpoint_id: int, reason: DisabledReason) -> None:
    """Nothing is sent any more, and nothing is lost: what is pending is paused. Raises EndpointNotFound."""
    async with transaction():
        await _refuse_unknown(endpoint_id)
        await _disable(endpoint_id, reason)


async def _disable(endpoint_id: int, reason: DisabledReason) -> int:
    """How many letters tell of it: nobody has to be told what they have done themselves."""
    now = clock.now()
    row = await fetch_row(DISABLE, endpoint_id, reason, now)
    if row is None:
        return 0
    await execute(PAUSE, endpoint_id)
    logger.info("endpoint_disabled", endpoint=endpoint_id, reason=reason)
    return 0 if reason is DisabledReason.BY_HAND else await tell_disabled(msgspec.convert(dict(row), Troubled), reason)


async def enable(endpoint_id: int) -> None:
    """What was paused is due now, with all its attempts. Ring for `deliver_due` behind it. Raises EndpointNotFound."""
    now: datetime = clock.now()
    async with transaction():
        await _refuse_unknown(endpoint_id)
        await execute(ENABLE, endpoint_id, now)
        await execute(GO_ON, endpoint_id, now)
    logger.info("endpoint_enabled", endpoint=endpoint_id)


async def _refuse_unknown(endpoint_id: int) -> None:
    if await fetch_row(EXISTS, endpoint_id) is None:
        raise EndpointNotFound
