"""The rows of deliveries: claimed with a lease, finished by whoever still holds them, all in sets.

A claim counts `attempt` up, and only who knows the newest number may say how it ended. Of a worker that died the lease
runs out: the next claim logs its attempt as interrupted, so that every number has one row in the log.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from domains.webhooks.sending import Outcome, Unsent
from domains.webhooks.tables import DeliveryState, Trigger
from lib import clock
from piccolo_conf import execute, fetch, fetch_value, transaction

# Longer than a request may take: while it lasts nobody else sends the same.
LEASE = timedelta(seconds=45)

DUE = "d.state = 'pending' AND d.next_attempt_at <= $1 AND (d.locked_until IS NULL OR d.locked_until <= $1)"

# Relies on webhook_delivery_due.
WAITING = f"""
    SELECT p.id, p.url, p.secrets, p.max_per_second, p.failing_since IS NOT NULL AS is_failing FROM webhook_endpoint p
    WHERE p.is_enabled AND EXISTS (SELECT FROM webhook_delivery d WHERE d.endpoint = p.id AND {DUE})
"""
IS_DUE = f"SELECT EXISTS ({WAITING})"

# Relies on webhook_delivery_due. No index holds what a claim changes, so the row's new version stays on its page.
CLAIM = f"""
    WITH due AS MATERIALIZED (
        SELECT found.* FROM unnest($3::int[], $4::int[]) AS line (endpoint, most)
        JOIN webhook_endpoint p ON p.id = line.endpoint AND p.is_enabled
        CROSS JOIN LATERAL (
            SELECT d.id, d.endpoint, d.attempt, d.trigger, d.locked_until FROM webhook_delivery d
            WHERE d.endpoint = line.endpoint AND {DUE}
            ORDER BY d.next_attempt_at, d.id LIMIT line.most FOR UPDATE SKIP LOCKED
        ) found
    ), interrupted AS (
        INSERT INTO webhook_attempt (endpoint, delivery, number, trigger, started_at, error_class)
        SELECT endpoint, id, attempt, trigger, locked_until - $2::timestamptz + $1::timestamptz, '{Unsent.INTERRUPTED}'
        FROM due WHERE locked_until IS NOT NULL
        ON CONFLICT (delivery, number) WHERE delivery IS NOT NULL DO NOTHING
    ), claimed AS (
        UPDATE webhook_delivery d SET attempt = d.attempt + 1, step = d.step + 1, locked_until = $2
        FROM due WHERE d.id = due.id
        RETURNING d.id, d.event, d.endpoint, d.attempt, d.step, d.trigger, d.next_attempt_at
    )
    SELECT claimed.id, claimed.event, claimed.endpoint, claimed.attempt, claimed.step, claimed.trigger,
        event.topic, event.occurred_at, event.data, event.changes
    FROM claimed JOIN event ON event.id = claimed.event ORDER BY claimed.next_attempt_at, claimed.id
"""

# Whoever writes many deliveries of an endpoint holds its row first: each has an order of its own.
HOLD = "SELECT FROM webhook_endpoint WHERE id = ANY($1::int[]) ORDER BY id FOR NO KEY UPDATE"

# What was claimed and not begun: as if it had never been claimed. Enabling its endpoint may have begun its schedule
# again meanwhile.
GIVE_BACK = """
    UPDATE webhook_delivery d SET attempt = d.attempt - 1, step = greatest(d.step - 1, 0), locked_until = NULL
    FROM unnest($1::bigint[], $2::int[]) AS held (id, attempt)
    WHERE d.id = held.id AND d.attempt = held.attempt
"""

# A delivery may have been deleted with its endpoint, or paused, while its request was under way. What a worker says
# that was thought dead takes the place of "interrupted" in the log; of the delivery it decides nothing any more. Where
# enabling began the schedule again meanwhile, this was not the last attempt.
FINISH = """
    WITH done AS (
        SELECT ended.* FROM unnest(
            $2::bigint[], $3::int[], $4::text[], $5::text[], $6::interval[], $7::timestamptz[], $8::int[], $9::int[],
            $10::text[], $11::text[], $12::int[]
        ) AS ended (id, attempt, trigger, state, wait, started_at, duration_ms, status_code, error_class, excerpt, step)
    ), logged AS (
        INSERT INTO webhook_attempt
            (endpoint, delivery, number, trigger, started_at, duration_ms, status_code, error_class, response_excerpt)
        SELECT d.endpoint, d.id, done.attempt, done.trigger, done.started_at, done.duration_ms, done.status_code,
            done.error_class, done.excerpt
        FROM done JOIN webhook_delivery d ON d.id = done.id
        ON CONFLICT (delivery, number) WHERE delivery IS NOT NULL DO UPDATE SET
            duration_ms = excluded.duration_ms, status_code = excluded.status_code,
            error_class = excluded.error_class, response_excerpt = excluded.response_excerpt
    ), finished AS (
        UPDATE webhook_delivery d SET
            state = CASE WHEN done.state = 'pending' OR done.state = 'failed' AND d.step < done.step
                THEN d.state ELSE done.state END,
            next_attempt_at = $1::timestamptz + done.wait,
            locked_until = NULL, last_status_code = done.status_code, last_error = done.error_class,
            delivered_at = CASE WHEN done.state = 'delivered' THEN $1::timestamptz ELSE d.delivered_at END
        FROM done WHERE d.id = done.id AND d.attempt = done.attempt AND d.state IN ('pending', 'paused')
        RETURNING d.endpoint, d.state
    )
    INSERT INTO webhook_tally AS tally (day, endpoint_id, delivered, failed, failed_attempts)
    SELECT ($1::timestamptz AT TIME ZONE 'UTC')::date, endpoint, count(*) FILTER (WHERE state = 'delivered'),
        count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state <> 'delivered')
    FROM finished GROUP BY endpoint ORDER BY endpoint
    ON CONFLICT (day, endpoint_id) DO UPDATE SET
        delivered = tally.delivered + excluded.delivered, failed = tally.failed + excluded.failed,
        failed_attempts = tally.failed_attempts + excluded.failed_attempts
"""


class Waiting(msgspec.Struct, frozen=True):
    """An enabled endpoint for which something is due; `secrets` is JSON."""

    id: int
    url: str
    secrets: str
    max_per_second: int | None
    is_failing: bool


class Due(msgspec.Struct, frozen=True):
    """A claimed delivery with its event, whose `data` and `changes` are JSON."""

    id: int
    event: int
    endpoint: int
    attempt: int
    step: int
    trigger: Trigger
    topic: str
    occurred_at: datetime
    data: str | None
    changes: str | None


class Result(msgspec.Struct, frozen=True):
    """How an attempt ended. `wait` is the time to the next one; None when there is none."""

    due: Due
    started_at: datetime
    outcome: Outcome
    wait: timedelta | None

    @property
    def state(self) -> DeliveryState:
        if self.outcome.is_success:
            return DeliveryState.DELIVERED
        return DeliveryState.FAILED if self.wait is None else DeliveryState.PENDING


async def find_waiting() -> list[Waiting]:
    return [msgspec.convert(dict(row), Waiting) for row in await fetch(WAITING, clock.now())]


async def is_any_due() -> bool:
    """Of an enabled endpoint, and held by nobody."""
    return bool(await fetch_value(IS_DUE, clock.now()))


async def claim(most: Mapping[int, int]) -> list[Due]:
    """The longest due first; `most` says for each endpoint how many. They are the caller's for the time of LEASE."""
    now = clock.now()
    rows = await fetch(CLAIM, now, now + LEASE, list(most), list(most.values()))
    return [msgspec.convert(dict(row), Due) for row in rows]


async def give_back(held: Sequence[Due]) -> None:
    async with transaction():
        await execute(HOLD, sorted({due.endpoint for due in held}))
        await execute(GIVE_BACK, [due.id for due in held], [due.attempt for due in held])


async def finish(results: Sequence[Result]) -> None:
    """All in one statement, in a transaction that holds their endpoints (`health.note`)."""
    await execute(
        FINISH,
        clock.now(),
        [result.due.id for result in results],
        [result.due.attempt for result in results],
        [result.due.trigger for result in results],
        [result.state for result in results],
        [result.wait or timedelta() for result in results],
        [result.started_at for result in results],
        [result.outcome.milliseconds for result in results],
        [result.outcome.status_code for result in results],
        [result.outcome.error_class for result in results],
        [result.outcome.excerpt for result in results],
        [result.due.step for result in results],
    )
