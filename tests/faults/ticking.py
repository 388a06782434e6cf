"""A worker for R14, with one more job: it leaves a mark when it begins, and ends it when it ends. Run with `-m`."""

import asyncio
import os

from lib import actor, log
from piccolo_conf import execute, fetch_value
from queues import runs, schedules, worker
from queues.job import job

TABLE = """
    CREATE TABLE mark (id serial PRIMARY KEY, run bigint NOT NULL, pid int NOT NULL,
                       begun_at timestamptz NOT NULL DEFAULT clock_timestamp(), ended_at timestamptz)
"""

# No two runs of a schedule are at work, so this is the job's own.
BEGIN = (
    "INSERT INTO mark (run, pid) SELECT id, $2 FROM schedule_run WHERE schedule = $1 AND state = 'running' RETURNING id"
)


@job("leave_mark", timeout=60, schedulable="Leave a mark")
async def leave_mark(seconds: float) -> str:
    schedule_id = int(actor.current().reference.removeprefix("schedule:"))
    mark = await fetch_value(BEGIN, schedule_id, os.getpid())
    await asyncio.sleep(seconds)
    await execute("UPDATE mark SET ended_at = clock_timestamp() WHERE id = $1", mark)
    return f"Left mark {mark}."


if __name__ == "__main__":
    schedules.SCHEDULABLE[leave_mark.name] = leave_mark
    runs.LEASE_SECONDS = int(os.environ["RUN_LEASE_SECONDS"])
    log.configure()
    asyncio.run(worker.work_forever())
