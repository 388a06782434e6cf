"""Runs of schedules: the tick that makes them, and the job that works one off.

A tick is one row, made in the transaction that moves its schedule on. Who works it off holds a lease and its number of
attempt: of one that died the next takes over when the lease has ended, and one that was taken over can no longer say
how it ended, and is stopped. A job may so begin twice, and has to be made for that; two never work on one schedule.
"""

import asyncio
from datetime import datetime

import asyncpg
import msgspec

from lib import log
from lib.actor import Source, acting
from lib.errors import AppError
from piccolo_conf import GOODBYES, execute, fetch, fetch_row, transaction
from queues.cron import next_time
from queues.job import JobFailed, job
from queues.schedule_schemas import RunOut
from queues.schedules import SCHEDULABLE, get_run, read_arguments, run_now
from queues.tables import RunState

logger = log.get("queues.runs")

LEASE_SECONDS = 30
BEATS_A_LEASE = 4
# Then it is the job that kills its workers.
MOST_ATTEMPTS = 20
LONGEST_DETAIL = 2000
LOOK_SECONDS = 0.2
LONGEST_RUN_SECONDS = 60 + max(it.timeout for it in SCHEDULABLE.values())
LOST_DATABASE = (*GOODBYES, asyncpg.OperatorInterventionError)

# Relies on schedule_due. A schedule that somebody changes just now is looked at by the next tick.
DUE = """
    SELECT id, cron, timezone, next_run_at, now() AS now FROM schedule
    WHERE enabled AND (next_run_at <= now() OR next_run_at IS NULL)
    ORDER BY next_run_at LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED
"""

# No row for a tick that was made already, nor for one whose forerunner still waits: that one stands for both.
MAKE_RUNS = """
    WITH given AS (
        SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS g (id, due_at, next_run_at)
    ), moved AS (
        UPDATE schedule s SET next_run_at = given.next_run_at, enabled = given.next_run_at IS NOT NULL
        FROM given WHERE s.id = given.id
    )
    INSERT INTO schedule_run (schedule, due_at) SELECT id, due_at FROM given WHERE due_at IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING id
"""

# Relies on schedule_run_unfinished.
WAITING = """
    SELECT id FROM schedule_run r
    WHERE state = 'running' AND lease_until < now()
        OR state = 'pending' AND NOT EXISTS (
            SELECT FROM schedule_run o WHERE o.schedule = r.schedule AND o.state = 'running')
    ORDER BY id LIMIT 500
"""

# Another run of the schedule that is at work breaks schedule_run_unfinished.
CLAIM = """
    UPDATE schedule_run r SET state = 'running', attempt = attempt + 1, started_at = now(),
        lease_until = now() + $2 * interval '1 second'
    FROM schedule s
    WHERE r.id = $1 AND s.id = r.schedule AND (r.state = 'pending' OR r.state = 'running' AND r.lease_until < now())
    RETURNING r.id, r.attempt, r.schedule, s.job, s.arguments
"""

RENEW = """
    UPDATE schedule_run SET lease_until = now() + $3 * interval '1 second'
    WHERE id = $1 AND attempt = $2 AND state = 'running'
"""

RELEASE = "UPDATE schedule_run SET lease_until = now() WHERE id = $1 AND attempt = $2 AND state = 'running'"

FINISH = """
    WITH ended AS (
        UPDATE schedule_run SET state = $3, detail = $4, finished_at = now(), lease_until = NULL
        WHERE id = $1 AND attempt = $2 AND state = 'running' RETURNING schedule, started_at
    )
    UPDATE schedule s SET last_run_at = ended.started_at, last_status = $3 FROM ended WHERE s.id = ended.schedule
"""


class Claim(msgspec.Struct, frozen=True):
    """`arguments` is JSON."""

    id: int
    attempt: int
    schedule: int
    job: str
    arguments: str


class Outcome(msgspec.Struct, frozen=True):
    state: RunState
    detail: str


async def run_what_is_due() -> None:
    """For the sweep of every worker: any number may do it at once."""
    await tick()
    if await run_schedule.is_crowded():
        return
    for row in await fetch(WAITING):
        await run_schedule.later(run_id=row["id"])


async def tick() -> None:
    """A run for each schedule that is due, and its next time behind now: ticks that nobody heard become one run."""
    async with transaction():
        due = await fetch(DUE)
        if due:
            columns = [row["id"] for row in due], [row["next_run_at"] for row in due], [_next(row) for row in due]
            await execute(MAKE_RUNS, *columns)


def _next(row: asyncpg.Record) -> datetime | None:
    """None switches off what somebody wrote past all checks, and must not stop the others."""
    try:
        return next_time(row["cron"], row["timezone"], row["now"])
    except AppError as error:
        logger.warning("schedule_switched_off", schedule_id=row["id"], error=error.detail)
        return None


@job("run_schedule", timeout=LONGEST_RUN_SECONDS)
async def run_schedule(run_id: int) -> None:
    """Work the run off, unless somebody else has it. Its end, good or bad, stands in its row."""
    if (claim := await _claim(run_id)) is None:
        return
    logger.info("schedule_run_begun", run_id=run_id, schedule_id=claim.schedule, attempt=claim.attempt)
    with acting(source=Source.SCHEDULE, reference=f"schedule:{claim.schedule}"):
        try:
            await _work_off(claim)
        except LOST_DATABASE as error:
            logger.warning("schedule_run_interrupted", run_id=run_id, error=type(error).__name__)


async def run_here(schedule_id: int) -> RunOut:
    """A run, worked off in this process unless a worker is faster; as it ended. Raises ScheduleNotFound."""
    run_id = await run_now(schedule_id)
    while True:
        await run_schedule(run_id=run_id)
        run = await get_run(run_id)
        if run.state in {RunState.DONE, RunState.FAILED}:
            return run
        await asyncio.sleep(LOOK_SECONDS)


async def _claim(run_id: int) -> Claim | None:
    try:
        row = await fetch_row(CLAIM, run_id, LEASE_SECONDS)
    except asyncpg.UniqueViolationError:
        return None
    return None if row is None else Claim(**row)


async def _work_off(claim: Claim) -> None:
    work = asyncio.create_task(_run_job(claim))
    beat = asyncio.create_task(_beat(claim, work))
    try:
        outcome = await work
    except asyncio.CancelledError:
        if beat.done():
            logger.warning("schedule_run_let_go", run_id=claim.id, attempt=claim.attempt)
            return
        # The worker is told to stop: the next one need not wait for the lease to end.
        await execute(RELEASE, claim.id, claim.attempt)
        raise
    finally:
        beat.cancel()
    await execute(FINISH, claim.id, claim.attempt, outcome.state, outcome.detail.replace("\0", "")[:LONGEST_DETAIL])
    logger.info("schedule_run_ended", run_id=claim.id, schedule_id=claim.schedule, state=outcome.state)


async def _beat(claim: Claim, work: "asyncio.Task[Outcome]") -> None:
    """Keep the lease while the work is done, and stop the work when somebody else has it, or its schedule is gone."""
    while True:
        await asyncio.sleep(LEASE_SECONDS / BEATS_A_LEASE)
        try:
            if await execute(RENEW, claim.id, claim.attempt, LEASE_SECONDS) == "UPDATE 0":
                work.cancel()
                return
        except LOST_DATABASE as error:
            logger.warning("schedule_lease_not_renewed", run_id=claim.id, error=type(error).__name__)


async def _run_job(claim: Claim) -> Outcome:
    """Raises LOST_DATABASE: the next claim tries again."""
    try:
        return Outcome(RunState.DONE, await _call(claim) or "")
    except LOST_DATABASE:
        raise
    except (AppError, JobFailed) as error:
        return Outcome(RunState.FAILED, str(error))
    except Exception as error:
        logger.exception("schedule_run_failed", run_id=claim.id, schedule_id=claim.schedule)
        return Outcome(RunState.FAILED, f"The job failed ({type(error).__name__}); the log tells more.")


async def _call(claim: Claim) -> str | None:
    if claim.attempt > MOST_ATTEMPTS:
        raise JobFailed(f"Given up: {MOST_ATTEMPTS} workers began it, and none of them came to its end.")
    if (found := SCHEDULABLE.get(claim.job)) is None:
        raise JobFailed(f"There is no job {claim.job} any more.")
    arguments = read_arguments(found, msgspec.json.decode(claim.arguments))
    try:
        async with asyncio.timeout(found.timeout) as limit:
            return await found.run_with(arguments)
    except TimeoutError:
        if limit.expired():
            raise JobFailed(f"It took longer than {found.timeout} seconds.") from None
        raise
