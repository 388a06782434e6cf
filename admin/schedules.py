"""Pages of schedules: when each runs next and how it went; one with its log of runs, to be run now."""

import contextlib
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from admin.forms import new_id, once
from admin.pages import read_form, read_number, redirect, render
from lib.errors import AppError, BadInput, NotFound
from queues import schedules
from queues.cron import next_time
from queues.runs import run_schedule
from queues.schedule_schemas import ScheduleOut
from queues.tables import RunState

SHOWN = 50
TIMES_TOLD = 4
UNFINISHED = {RunState.PENDING, RunState.RUNNING}


async def list_all(request: Request) -> Response:
    found = await schedules.all_schedules()
    return render(request, "schedules.html", schedules=found, titles=_titles())


async def show(request: Request) -> Response:
    """The page of one; to post to it is to run it now."""
    schedule_id = read_number(request.path_params["schedule_id"])
    if request.method == "GET":
        return await _render(request, schedule_id)
    form = await read_form(request)

    async def ask() -> str:
        return str(await schedules.run_now(schedule_id))

    try:
        run_id = await once(request, form, ask)
    except NotFound:
        raise
    except AppError as error:
        return await _render(request, schedule_id, error)
    await run_schedule.later(run_id=int(run_id))
    return redirect(request, f"pages/schedules/{schedule_id}/?run={run_id}")


async def _render(request: Request, schedule_id: int, error: AppError | None = None) -> Response:
    """Raises ScheduleNotFound."""
    schedule = await schedules.get_schedule(schedule_id)
    runs = await schedules.list_runs(schedule_id, SHOWN)
    return render(
        request,
        "schedule.html",
        error=error,
        schedule=schedule,
        title=_titles().get(schedule.job, schedule.job),
        runs=runs,
        times=_next_times(schedule),
        is_running=any(run.state in UNFINISHED for run in runs),
        asked_for=request.query_params.get("run", ""),
        form_id=new_id(),
    )


def _titles() -> dict[str, str]:
    """What people call each job."""
    return {job.job: job.title for job in schedules.list_schedulable()}


def _next_times(schedule: ScheduleOut) -> list[datetime]:
    """In UTC; of one that is switched off there are none."""
    times = [schedule.next_run_at] if schedule.next_run_at else []
    # What somebody wrote past all checks has no further ones.
    with contextlib.suppress(BadInput):
        while times and len(times) < TIMES_TOLD:
            times.append(next_time(schedule.cron, schedule.timezone, times[-1]))
    return times
