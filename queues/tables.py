"""Jobs that are due by the clock, and how each of their runs went."""

from enum import StrEnum

from piccolo.columns import JSONB, BigSerial, Boolean, ForeignKey, Integer, Serial, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete
from piccolo.columns.defaults import TimestamptzNow
from piccolo.table import Table


class RunState(StrEnum):
    """pending → running → done | failed. A run whose worker died is claimed again when its lease has ended."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Trigger(StrEnum):
    """Why a run came about: its schedule was due, or somebody asked for it."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"


class Schedule(Table):
    """`cron` has five fields and means the clock of `timezone`. Without `next_run_at` the next tick works it out."""

    id: Serial
    name = Varchar(length=100, unique=True)
    job = Varchar(length=100)
    cron = Varchar(length=100)
    timezone = Varchar(length=64, default="UTC")
    arguments = JSONB(default="{}")
    enabled = Boolean(default=True)
    next_run_at = Timestamptz(null=True, default=None)
    last_run_at = Timestamptz(null=True, default=None)
    last_status = Varchar(length=20, null=True, default=None, choices=RunState)
    created_at = Timestamptz(default=TimestamptzNow())


class ScheduleRun(Table):
    """One effect that is due; unique by `schedule` and `due_at`. `detail` is what the job told, or why it failed."""

    id = BigSerial(primary_key=True)
    schedule = ForeignKey(Schedule, null=False, on_delete=OnDelete.cascade)
    due_at = Timestamptz()
    trigger = Varchar(length=20, default=Trigger.SCHEDULED, choices=Trigger)
    state = Varchar(length=20, default=RunState.PENDING, choices=RunState)
    attempt = Integer(default=0)
    lease_until = Timestamptz(null=True, default=None)
    started_at = Timestamptz(null=True, default=None)
    finished_at = Timestamptz(null=True, default=None)
    detail = Text(default="")
