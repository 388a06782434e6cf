"""Schedules and jobs for tests."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lib import actor
from lib.actor import Actor
from piccolo_conf import execute, fetch, fetch_value
from queues import runs, schedules
from queues.job import job
from queues.schedule_schemas import ScheduleIn, ScheduleOut
from tests.faults.harness import until

SESSIONS = {"what": "sessions"}


async def make_schedule(**fields: Any) -> ScheduleOut:
    """A clean-up each New Year: due in the middle of no test, unless `make_due` says so."""
    given = {"name": "Tidy", "job": "clean_up", "cron": "0 0 1 1 *", "arguments": SESSIONS}
    return await schedules.create_schedule(ScheduleIn(**given | fields))


async def make_due(schedule_id: int, ago: str = "1 second") -> None:
    """`ago` is an interval of PostgreSQL."""
    await execute("UPDATE schedule SET next_run_at = now() - $2::text::interval WHERE id = $1", schedule_id, ago)


async def run_due() -> None:
    """What the sweep and the workers do, without Redis."""
    await runs.tick()
    for row in await fetch(runs.WAITING):
        await runs.run_schedule(run_id=row["id"])


async def states() -> list[str]:
    return [row["state"] for row in await fetch("SELECT state FROM schedule_run ORDER BY id")]


async def detail() -> str:
    return str(await fetch_value("SELECT detail FROM schedule_run ORDER BY id DESC LIMIT 1"))


async def lease_is_renewed() -> None:
    """To long after now, and to later than before."""
    before = await fetch_value("SELECT lease_until FROM schedule_run")
    renewed = "SELECT lease_until > $1 AND lease_until > now() + interval '15 seconds' FROM schedule_run"

    async def is_renewed() -> bool:
        return bool(await fetch_value(renewed, before))

    await until(is_renewed, 15)


class Bell:
    """A job of a test: it notes who acts, and waits or fails as it is told."""

    def __init__(self) -> None:
        self.heard: list[Actor] = []
        self.is_begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.error: BaseException | None = None
        self.is_cancelled = False

    async def ring(self, loud: bool = False) -> str:
        self.heard.append(actor.current())
        self.is_begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        if self.error is not None:
            raise self.error
        return "It rang."


@contextmanager
def with_bell(patch: pytest.MonkeyPatch, timeout: int = 60) -> Iterator[Bell]:
    bell = Bell()
    with patch.context() as patched:
        made = job("ring_bell", timeout=timeout, schedulable="Ring the bell")(bell.ring)
        patched.setitem(schedules.SCHEDULABLE, "ring_bell", made)
        yield bell
