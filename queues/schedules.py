"""Schedules in the database: what people save is checked against the job that it names. `runs.py` runs them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg
import msgspec
from msgspec import UNSET, structs

from domains.inventory.jobs import check_low_stock, prove_stock
from domains.shopify.reconciliation_jobs import reconcile_shopify
from lib import clock, log
from lib.errors import Conflict, FieldError, NotFound, field_error, wrong_fields
from lib.listing import Found, Query, find_page
from lib.wrong_fields import find_wrong_fields
from piccolo_conf import execute, fetch, fetch_row, fetch_value, transaction
from queues.cleaning import clean_up
from queues.cron import check_timezone, clean_cron, next_time
from queues.job import Job
from queues.schedule_schemas import RunOut, SchedulableOut, ScheduleIn, ScheduleOut, SchedulePatch

logger = log.get("queues.schedules")

Row: TypeAlias = Mapping[str, Any] | asyncpg.Record

# Every job that people may schedule, by the name that rows hold.
SCHEDULABLE: dict[str, Job[Any]] = {
    job.name: job for job in (check_low_stock, prove_stock, clean_up, reconcile_shopify)
}

COLUMNS = """
    s.id, s.name, s.job, s.cron, s.timezone, s.arguments, s.enabled, s.next_run_at, s.last_run_at, s.last_status,
    s.created_at
"""
RUN_COLUMNS = """
    r.id, r.schedule, r.due_at, r.trigger, r.state, r.attempt, r.started_at, r.finished_at, r.detail
"""

INSERT = f"""
    INSERT INTO schedule AS s (name, job, cron, timezone, arguments, enabled, next_run_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {COLUMNS}
"""

UPDATE = f"""
    UPDATE schedule AS s SET name = $2, job = $3, cron = $4, timezone = $5, arguments = $6, enabled = $7,
        next_run_at = $8
    WHERE id = $1 RETURNING {COLUMNS}
"""

GET = f"SELECT {COLUMNS} FROM schedule s WHERE s.id = $1"

# Relies on schedule_run_unfinished: no schedule has two runs that wait.
ASK_FOR_RUN = """
    INSERT INTO schedule_run (schedule, due_at, trigger) VALUES ($1, clock_timestamp(), 'manual')
    ON CONFLICT (schedule, state) WHERE state IN ('pending', 'running') DO UPDATE SET state = 'pending'
    RETURNING id
"""

# Relies on schedule_run_key.
LATEST_RUNS = f"""
    SELECT {RUN_COLUMNS} FROM schedule_run r WHERE r.schedule = $1 ORDER BY r.due_at DESC LIMIT $2
"""

# What decides when a schedule is due.
TIMING = ("cron", "timezone", "enabled")


class ScheduleNotFound(NotFound):
    """There is no such schedule."""


class ScheduleNameTaken(Conflict):
    """Another schedule has this name."""


async def create_schedule(data: ScheduleIn) -> ScheduleOut:
    """Raises BadInput that names what is wrong, and ScheduleNameTaken."""
    checked = _check(data)
    row = await _store(INSERT, *_columns(checked), _first_time(checked))
    created = shape(row)
    logger.info("schedule_created", schedule_id=created.id, job=created.job)
    return created


async def change_schedule(schedule_id: int, patch: SchedulePatch) -> ScheduleOut:
    """Raises ScheduleNotFound, BadInput and ScheduleNameTaken. A run that is at work goes on as it began."""
    given = {name: value for name, value in structs.asdict(patch).items() if value is not UNSET}
    async with transaction():
        row = await fetch_row(f"{GET} FOR UPDATE", schedule_id)
        if row is None:
            raise ScheduleNotFound
        before = shape(row)
        wished = ScheduleIn(**{name: getattr(before, name) for name in ScheduleIn.__struct_fields__} | given)
        checked = _check(wished)
        is_retimed = any(getattr(before, name) != getattr(checked, name) for name in TIMING)
        next_run_at = _first_time(checked) if is_retimed else before.next_run_at
        changed = shape(await _store(UPDATE, schedule_id, *_columns(checked), next_run_at))
    logger.info("schedule_changed", schedule_id=schedule_id, fields=sorted(given))
    return changed


async def delete_schedule(schedule_id: int) -> None:
    """With the log of its runs; one that is at work stops. Raises ScheduleNotFound."""
    if await execute("DELETE FROM schedule WHERE id = $1", schedule_id) == "DELETE 0":
        raise ScheduleNotFound
    logger.info("schedule_deleted", schedule_id=schedule_id)


async def get_schedule(schedule_id: int) -> ScheduleOut:
    row = await fetch_row(GET, schedule_id)
    if row is None:
        raise ScheduleNotFound
    return shape(row)


async def list_schedules(query: Query) -> Found:
    """Rows for `shape`."""
    return await find_page(fetch, query, COLUMNS, "schedule s")


async def all_schedules() -> list[ScheduleOut]:
    return [shape(row) for row in await fetch(f"SELECT {COLUMNS} FROM schedule s ORDER BY s.id")]


async def switch(name: str, *, enabled: bool | None) -> ScheduleOut:
    """The schedule of this name, on or off from here on, or as it is. Raises ScheduleNotFound."""
    row = await fetch_row(f"SELECT {COLUMNS} FROM schedule s WHERE s.name = $1", name)
    if row is None:
        raise ScheduleNotFound
    found = shape(row)
    return found if enabled is None else await change_schedule(found.id, SchedulePatch(enabled=enabled))


async def run_now(schedule_id: int) -> int:
    """The id of a run that waits, a new one unless one waits already; enabled or not. Ring `run_schedule` after it."""
    try:
        run_id: int = await fetch_value(ASK_FOR_RUN, schedule_id)
    except asyncpg.ForeignKeyViolationError:
        raise ScheduleNotFound from None
    logger.info("schedule_run_asked_for", schedule_id=schedule_id, run_id=run_id)
    return run_id


async def get_run(run_id: int) -> RunOut:
    row = await fetch_row(f"SELECT {RUN_COLUMNS} FROM schedule_run r WHERE r.id = $1", run_id)
    if row is None:
        raise ScheduleNotFound
    return shape_run(row)


async def list_runs(schedule_id: int, limit: int = 50) -> list[RunOut]:
    """The latest first."""
    return [shape_run(row) for row in await fetch(LATEST_RUNS, schedule_id, limit)]


async def find_runs(query: Query) -> Found:
    """Rows for `shape_run`."""
    return await find_page(fetch, query, RUN_COLUMNS, "schedule_run r")


def list_schedulable() -> list[SchedulableOut]:
    return [
        SchedulableOut(
            job=job.name,
            title=job.title,
            longest_seconds=job.timeout,
            arguments=msgspec.json.schema(job.arguments),
        )
        for job in SCHEDULABLE.values()
    ]


def read_arguments(job: Job[Any], arguments: Mapping[str, Any]) -> msgspec.Struct:
    """Raises BadInput that names each wrong one as `arguments.what`."""
    try:
        return msgspec.convert(arguments, job.arguments)
    except msgspec.ValidationError as error:
        found = [
            FieldError(f"arguments.{it.field}", it.message)
            for it in find_wrong_fields(dict(arguments), job.arguments, None)
        ]
        raise wrong_fields(found or [FieldError("arguments", str(error))]) from None


def shape(row: Row) -> ScheduleOut:
    return msgspec.convert({**row, "arguments": msgspec.json.decode(row["arguments"])}, ScheduleOut)


def shape_run(row: Row) -> RunOut:
    return msgspec.convert(dict(row), RunOut)


def _columns(data: ScheduleIn) -> tuple[object, ...]:
    """What people write, in the order of the statements."""
    arguments = msgspec.json.encode(data.arguments).decode()
    return data.name, data.job, data.cron, data.timezone, arguments, data.enabled


def _check(data: ScheduleIn) -> ScheduleIn:
    """As it will be stored. Raises BadInput."""
    if not data.name.strip():
        raise field_error("name", "must not be blank")
    if data.job not in SCHEDULABLE:
        raise field_error("job", f"must be one of {', '.join(SCHEDULABLE)}")
    arguments = read_arguments(SCHEDULABLE[data.job], data.arguments)
    check_timezone(data.timezone)
    return structs.replace(
        data, name=data.name.strip(), cron=clean_cron(data.cron), arguments=msgspec.to_builtins(arguments)
    )


def _first_time(data: ScheduleIn) -> datetime | None:
    return next_time(data.cron, data.timezone, clock.now()) if data.enabled else None


async def _store(statement: str, *values: object) -> asyncpg.Record:
    try:
        row = await fetch_row(statement, *values)
    except asyncpg.UniqueViolationError:
        raise ScheduleNameTaken from None
    if row is None:
        raise ScheduleNotFound
    return row
