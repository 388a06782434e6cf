"""Schedules as they travel: in whole, in part, and out; and their runs."""

from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from queues.tables import RunState, Trigger

NOT_BLANK = {"pattern": "\\S"}

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100, extra_json_schema=NOT_BLANK)]
JobName: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=100, description="One of /api/schedules/jobs.", examples=["check_low_stock"])
]
Cron: TypeAlias = Annotated[
    str,
    Meta(
        min_length=9,
        max_length=100,
        description="Minute, hour, day, month, weekday, by the clock of `timezone`.",
        examples=["*/10 * * * *"],
    ),
]
Timezone: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, examples=["Europe/Berlin"])]
Arguments: TypeAlias = Annotated[
    dict[str, Any], Meta(max_length=50, description="As the job's schema says in /api/schedules/jobs.")
]


class ScheduleIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A whole schedule."""

    name: Name
    job: JobName
    cron: Cron
    timezone: Timezone = "UTC"
    arguments: Arguments = {}
    enabled: bool = True


class SchedulePatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What changes; what is left out stays."""

    name: Name | UnsetType = UNSET
    job: JobName | UnsetType = UNSET
    cron: Cron | UnsetType = UNSET
    timezone: Timezone | UnsetType = UNSET
    arguments: Arguments | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class ScheduleOut(msgspec.Struct, kw_only=True):
    """`next_run_at` is null while it is not enabled, and before the first tick. `last_…` tell of its latest run."""

    id: int
    name: str
    job: str
    cron: str
    timezone: str
    arguments: dict[str, Any]
    enabled: bool
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_status: RunState | None
    created_at: datetime


class RunOut(msgspec.Struct, kw_only=True):
    """`detail` is what the job told, or why it failed. `attempt` counts the workers that began it."""

    id: int
    schedule: int
    due_at: datetime
    trigger: Trigger
    state: RunState
    attempt: int
    started_at: datetime | None
    finished_at: datetime | None
    detail: str


class SchedulableOut(msgspec.Struct, kw_only=True):
    """A job that may be scheduled; `arguments` is their JSON schema, `longest_seconds` when a run is given up."""

    job: str
    title: str
    longest_seconds: int
    arguments: dict[str, Any]
