"""A read-only look at the queues and at the rows that wait: no arguments, no tracebacks, no buttons."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec
from redis.exceptions import RedisError
from saq import Job, Status
from saq.queue import Queue
from starlette.requests import Request
from starlette.responses import Response

from admin.pages import render
from lib import clock
from piccolo_conf import fetch
from queues.job import QUEUES

LONGEST_SECONDS = 2
# Failed jobs are found by looking at every job.
LONGEST_SEARCH_SECONDS = 0.5
MOST_JOBS = 50
TOLD = {Status.ACTIVE, Status.FAILED, Status.ABORTED, Status.ABORTING}

# Of finished rows only those of this week. Relies on import_job_unfinished, mail_due, event_unrelayed,
# webhook_delivery_due and webhook_delivery_unsent where rows wait, and on webhook_tally_key.
ROWS = """
    SELECT 'Imports' AS kind, status AS state, count(*) AS number, min(created_at) AS oldest
    FROM import_job WHERE status IN ('pending', 'importing') OR created_at > $1 GROUP BY status
    UNION ALL
    SELECT 'Bulk changes', status, count(*), min(created_at)
    FROM bulk_job WHERE status IN ('pending', 'running') OR created_at > $1 GROUP BY status
    UNION ALL
    SELECT 'Mail', state, count(*), min(created_at)
    FROM mail WHERE state = 'pending' OR created_at > $1 GROUP BY state
    UNION ALL
    SELECT 'Scheduled jobs', state, count(*), min(due_at)
    FROM schedule_run WHERE state IN ('pending', 'running') OR due_at > $1 GROUP BY state
    UNION ALL
    SELECT 'Events to pass on', 'pending', count(*), min(occurred_at)
    FROM event WHERE relayed_at IS NULL HAVING count(*) > 0
    UNION ALL
    SELECT 'Webhooks', state, count(*), min(created_at)
    FROM webhook_delivery WHERE state IN ('pending', 'paused') GROUP BY state
    UNION ALL
    SELECT 'Webhooks', told.state, sum(told.number), NULL
    FROM webhook_tally CROSS JOIN LATERAL (VALUES ('delivered', delivered), ('failed', failed)) AS told (state, number)
    WHERE day >= ($1 AT TIME ZONE 'UTC')::date GROUP BY told.state HAVING sum(told.number) > 0
    ORDER BY 1, 2
"""
WAITING = {"pending", "importing", "running"}
WEEK_SECONDS = 7 * 86_400


class JobSeen(msgspec.Struct, frozen=True):
    name: str
    state: str
    attempt: int
    age: str


class QueueSeen(msgspec.Struct, frozen=True):
    name: str
    queued: int
    active: int
    scheduled: int
    workers: int
    jobs: list[JobSeen]
    has_more: bool


class RowsSeen(msgspec.Struct, frozen=True):
    kind: str
    state: str
    number: int
    waits: str


async def show(request: Request) -> Response:
    queues, away = await _look()
    now = clock.now()
    return render(request, "queues.html", queues=queues, away=away, rows=await _rows(now), now=now)


async def _look() -> tuple[list[QueueSeen], str]:
    """What is queued, and why nobody knows when Redis does not answer."""
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            return [await _queue(name, queue) for name, queue in QUEUES.items()], ""
    except (RedisError, OSError, TimeoutError) as error:
        return [], type(error).__name__


async def _queue(name: str, queue: Queue) -> QueueSeen:
    info = await queue.info()
    jobs, is_partial = await _jobs(queue)
    jobs.sort(key=lambda job: job.queued, reverse=True)
    seen, has_more = [_job(job) for job in jobs[:MOST_JOBS]], is_partial or len(jobs) > MOST_JOBS
    return QueueSeen(name, info["queued"], info["active"], info["scheduled"], len(info["workers"]), seen, has_more)


async def _jobs(queue: Queue) -> tuple[list[Job], bool]:
    """What is found in a short time, and whether that ended the search."""
    found: list[Job] = []
    try:
        async with asyncio.timeout(LONGEST_SEARCH_SECONDS):
            async for job in queue.iter_jobs(list(TOLD)):
                found.append(job)  # noqa: PERF401 - What was found before the end of the time counts.
    except TimeoutError:
        return found, True
    return found, False


def _job(job: Job) -> JobSeen:
    since = (job.started or job.queued) / 1000
    age = clock.now().timestamp() - since if since else 0
    return JobSeen(job.function, job.status.value, job.attempts, in_words(age))


async def _rows(now: datetime) -> Sequence[RowsSeen]:
    rows = await fetch(ROWS, datetime.fromtimestamp(now.timestamp() - WEEK_SECONDS, UTC))
    return [_seen(row, now) for row in rows]


def _seen(row: asyncpg.Record, now: datetime) -> RowsSeen:
    waits = in_words((now - row["oldest"]).total_seconds()) if row["state"] in WAITING else ""
    return RowsSeen(row["kind"], row["state"], row["number"], waits)


def in_words(seconds: float) -> str:
    if seconds < 120:
        return f"{max(0, round(seconds))} s"
    if seconds < 7_200:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"
