"""A tick is one run, and a run is worked off by one worker at a time, whoever dies in between."""

import asyncio
from collections.abc import Iterator
from datetime import datetime

import asyncpg
import httpx
import pytest

from lib.actor import Source
from lib.errors import Conflict
from piccolo_conf import execute, fetch, fetch_row, fetch_value
from queues import runs, schedules
from queues.job import JobFailed
from queues.runs import run_schedule, tick
from queues.sweep import RINGS
from queues.worker import JOBS
from tests.queues.making import Bell, detail, lease_is_renewed, make_due, make_schedule, run_due, states, with_bell

WHEN_DUE = "SELECT next_run_at FROM schedule"


@pytest.fixture
def bell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bell]:
    with with_bell(monkeypatch) as bell:
        yield bell


async def make_bell(**fields: object) -> int:
    return (await make_schedule(name="Bell", job="ring_bell", arguments={}, **fields)).id


async def ask_for_run(**fields: object) -> int:
    return await schedules.run_now(await make_bell(**fields))


async def begin_another_time(run_id: int) -> None:
    """The lease has ended, and another worker takes over."""
    await execute("UPDATE schedule_run SET lease_until = now() - interval '1 second'")
    await run_schedule(run_id=run_id)


async def test_a_tick_is_one_run_however_many_look(bell: Bell):
    await make_due(await make_bell())
    due = await fetch_value(WHEN_DUE)
    await asyncio.gather(*(tick() for _ in range(8)))
    assert [row["due_at"] for row in await fetch("SELECT due_at FROM schedule_run")] == [due]


async def test_a_run_is_worked_off_once_however_many_try(bell: Bell):
    run_id = await ask_for_run()
    await asyncio.gather(*(run_schedule(run_id=run_id) for _ in range(8)))
    await run_schedule(run_id=run_id)
    assert (len(bell.heard), await states(), await detail()) == (1, ["done"], "It rang.")


async def test_what_is_not_due_is_left_alone(bell: Bell):
    await make_bell()
    due = await fetch_value(WHEN_DUE)
    await run_due()
    assert (await states(), await fetch_value(WHEN_DUE)) == ([], due)


async def test_ticks_that_nobody_heard_become_one_run(bell: Bell):
    await make_due(await make_bell(), "5 hours")
    await run_due()
    await run_due()
    assert await states() == ["done"]
    assert await fetch_value("SELECT next_run_at BETWEEN now() AND now() + interval '366 days' FROM schedule")


async def test_the_next_time_is_a_tick_of_the_schedule(bell: Bell):
    await make_due(await make_bell(cron="30 4 * * *", timezone="Europe/Berlin"))
    await tick()
    due: datetime = await fetch_value("SELECT next_run_at AT TIME ZONE 'Europe/Berlin' FROM schedule")
    assert (due.hour, due.minute, due.second) == (4, 30, 0)


async def test_without_a_next_time_the_tick_works_it_out_and_runs_nothing(bell: Bell):
    await make_bell()
    await execute("UPDATE schedule SET next_run_at = NULL")
    await run_due()
    assert (await states(), await fetch_value("SELECT next_run_at > now() FROM schedule")) == ([], True)


async def test_a_tick_while_its_forerunner_waits_adds_nothing(bell: Bell):
    schedule_id = await make_bell()
    for _ in range(3):
        await make_due(schedule_id)
        await tick()
    assert await states() == ["pending"]


async def test_a_schedule_works_on_one_run_at_a_time(bell: Bell):
    bell.may_end.clear()
    first = await ask_for_run()
    working = asyncio.create_task(run_schedule(run_id=first))
    await bell.is_begun.wait()
    second = await schedules.run_now(await fetch_value("SELECT id FROM schedule"))
    await run_schedule(run_id=second)
    assert await states() == ["running", "pending"]
    assert await fetch(runs.WAITING) == []
    bell.may_end.set()
    await working
    await run_due()
    assert await states() == ["done", "done"]


async def test_a_schedule_remembers_how_its_last_run_ended(bell: Bell):
    run_id = await ask_for_run()
    await run_schedule(run_id=run_id)
    schedule = (await schedules.all_schedules())[0]
    run = await schedules.get_run(run_id)
    assert (schedule.last_status, schedule.last_run_at) == ("done", run.started_at)


async def test_a_job_acts_for_its_schedule(bell: Bell):
    run_id = await ask_for_run()
    await run_schedule(run_id=run_id)
    assert [(it.source, it.reference) for it in bell.heard] == [(Source.SCHEDULE, "schedule:1")]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Conflict("The shelf is full."), "The shelf is full."),
        (JobFailed("Two do not add up."), "Two do not add up."),
        (ValueError("password=hunter2"), "The job failed (ValueError); the log tells more."),
        (JobFailed("nul \0" + "x" * 9000), "nul " + "x" * 1996),
    ],
)
async def test_a_job_that_fails_says_why_and_is_not_tried_again(bell: Bell, error: Exception, told: str):
    bell.error = error
    run_id = await ask_for_run()
    await run_schedule(run_id=run_id)
    await run_due()
    assert (await states(), await detail()) == (["failed"], told)
    assert (await schedules.all_schedules())[0].last_status == "failed"
    assert len(bell.heard) == 1


async def test_a_job_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch):
    with with_bell(monkeypatch, timeout=0) as bell:
        bell.may_end.clear()
        await run_schedule(run_id=await ask_for_run())
    assert (await states(), await detail()) == (["failed"], "It took longer than 0 seconds.")


async def test_a_run_whose_worker_died_is_taken_over(bell: Bell):
    run_id = await ask_for_run()
    await execute("UPDATE schedule_run SET state = 'running', attempt = 1, lease_until = now() + interval '1 minute'")
    await run_due()
    assert (await states(), bell.heard) == (["running"], [])
    await begin_another_time(run_id)
    assert await states() == ["done"]
    assert await fetch_value("SELECT attempt FROM schedule_run") == 2


async def test_who_was_taken_over_is_stopped_and_says_nothing(bell: Bell, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runs, "LEASE_SECONDS", 0.2)
    bell.may_end.clear()
    stalled = asyncio.create_task(run_schedule(run_id=await ask_for_run()))
    await bell.is_begun.wait()
    await execute("UPDATE schedule_run SET attempt = attempt + 1, lease_until = now() + interval '1 minute'")
    await asyncio.wait_for(stalled, 15)
    assert bell.is_cancelled
    assert await states() == ["running"]


async def test_an_end_that_comes_too_late_does_not_count(bell: Bell):
    bell.may_end.clear()
    run_id = await ask_for_run()
    stalled = asyncio.create_task(run_schedule(run_id=run_id))
    await bell.is_begun.wait()
    await execute("UPDATE schedule_run SET attempt = attempt + 1, lease_until = now() + interval '1 minute'")
    bell.may_end.set()
    await stalled
    assert (await states(), await detail()) == (["running"], "")
    assert (await schedules.all_schedules())[0].last_status is None


async def test_the_lease_is_kept_while_the_work_goes_on(bell: Bell, monkeypatch: pytest.MonkeyPatch):
    """Each beat renews it for the whole time, long before it ends."""
    assert runs.LEASE_SECONDS / runs.BEATS_A_LEASE <= 10
    monkeypatch.setattr(runs, "BEATS_A_LEASE", 20 * runs.LEASE_SECONDS)
    bell.may_end.clear()
    working = asyncio.create_task(run_schedule(run_id=await ask_for_run()))
    await bell.is_begun.wait()
    await lease_is_renewed()
    await lease_is_renewed()
    assert await fetch(runs.WAITING) == []
    bell.may_end.set()
    await working
    assert (await states(), len(bell.heard)) == (["done"], 1)


async def test_a_worker_that_is_told_to_stop_leaves_its_run_to_the_next_at_once(bell: Bell):
    bell.may_end.clear()
    run_id = await ask_for_run()
    working = asyncio.create_task(run_schedule(run_id=run_id))
    await bell.is_begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert [row["id"] for row in await fetch(runs.WAITING)] == [run_id]
    bell.may_end.set()
    await run_due()
    assert await states() == ["done"]


async def test_a_lost_database_leaves_the_run_to_the_next(bell: Bell):
    bell.error = asyncpg.ConnectionDoesNotExistError("gone")
    run_id = await ask_for_run()
    await run_schedule(run_id=run_id)
    assert await states() == ["running"]
    bell.error = None
    await begin_another_time(run_id)
    assert await states() == ["done"]


async def test_a_run_that_kills_its_workers_is_given_up(bell: Bell):
    run_id = await ask_for_run()
    await execute("UPDATE schedule_run SET state = 'running', attempt = $1", runs.MOST_ATTEMPTS)
    await begin_another_time(run_id)
    assert (await states(), bell.heard) == (["failed"], [])
    assert (await detail()).startswith("Given up")


async def test_a_deleted_schedule_stops_its_run(bell: Bell, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runs, "LEASE_SECONDS", 0.2)
    bell.may_end.clear()
    working = asyncio.create_task(run_schedule(run_id=await ask_for_run()))
    await bell.is_begun.wait()
    await schedules.delete_schedule(1)
    await asyncio.wait_for(working, 15)
    assert bell.is_cancelled


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("job = 'rang_bell'", "There is no job rang_bell any more."),
        ("arguments = '{\"loud\": 7}'", "arguments.loud: Expected `bool`, got `int`"),
    ],
)
async def test_what_a_later_version_no_longer_knows_fails_with_a_sentence(bell: Bell, change: str, told: str):
    run_id = await ask_for_run()
    await execute(f"UPDATE schedule SET {change}")
    await run_schedule(run_id=run_id)
    assert (await states())[0] == "failed"
    assert (await detail()).lower().startswith(told.lower()[:20])


async def test_a_schedule_that_cannot_be_understood_is_switched_off_and_stops_no_other(bell: Bell):
    broken = await make_schedule(name="Broken")
    await execute("UPDATE schedule SET cron = 'now and then', next_run_at = now() WHERE id = $1", broken.id)
    await make_due(await make_bell())
    await run_due()
    rows = {row["name"]: row["enabled"] for row in await fetch("SELECT name, enabled FROM schedule")}
    assert rows == {"Broken": False, "Bell": True}
    assert len(bell.heard) == 1


async def test_run_now_while_ticks_come_makes_no_second_run_that_waits(bell: Bell):
    schedule_id = await make_bell()
    await make_due(schedule_id)
    await asyncio.gather(tick(), *(schedules.run_now(schedule_id) for _ in range(10)), tick())
    assert await states() == ["pending"]


async def test_run_here_works_it_off_and_tells_how_it_went(bell: Bell):
    run = await runs.run_here(await make_bell())
    assert (run.state, run.detail, run.attempt) == ("done", "It rang.", 1)


async def test_a_run_of_a_job_records_its_events_under_the_schedule(admin: httpx.AsyncClient):
    product = (await admin.post("/api/products/", json={"sku": "A-1", "name": "A", "stock": 5})).json()
    await execute("UPDATE product SET low_stock_threshold = 9 WHERE id = $1", product["id"])
    await execute("DELETE FROM event")
    schedule = await make_schedule(name="Low", job="check_low_stock", arguments={})
    await runs.run_here(schedule.id)
    event = await fetch_row("SELECT topic, source, reference FROM event")
    assert event is not None
    assert tuple(event) == ("inventory.low", "schedule", f"schedule:{schedule.id}")


def test_sweep_and_workers_know_of_schedules():
    assert runs.run_what_is_due in RINGS
    assert {"run_schedule", *schedules.SCHEDULABLE} <= {job.name for job in JOBS}


def test_every_job_that_may_be_scheduled_has_a_title():
    assert all(job.title for job in schedules.SCHEDULABLE.values())
