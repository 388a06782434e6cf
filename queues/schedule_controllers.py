"""Schedules over HTTP."""

from datetime import datetime
from http import HTTPStatus

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import JSONBody

from domains.accounts.auth import CallerRequest, requires
from domains.accounts.scopes import Scope
from lib.filters import TEXT, Condition, choice, equal, flag, words
from lib.http import Page, RowId, respond
from lib.listing import Listing, Sort
from queues import schedules
from queues.runs import run_schedule
from queues.schedule_schemas import RunOut, SchedulableOut, ScheduleIn, ScheduleOut, SchedulePatch
from queues.tables import RunState, Trigger

LIST = Listing(
    filters={
        "enabled": flag("s.enabled", "NOT s.enabled"),
        "job": equal("s.job", str, TEXT),
        "last_status": choice("s.last_status", RunState),
        "search": words("s.name", "Words of the name."),
    },
    sorts={
        "id": Sort("s.id", "{0}::int", int, is_unique=True),
        "name": Sort("lower(s.name)", "lower({0}::text)", str),
    },
    first="id",
)
RUNS = Listing(
    filters={"state": choice("r.state", RunState), "trigger": choice("r.trigger", Trigger)},
    sorts={
        "id": Sort("r.id", "{0}::bigint", int, is_unique=True),
        "due_at": Sort("r.due_at", "{0}::timestamptz", datetime),
    },
    first="-due_at",
)


class ScheduleController(Controller):
    path = "/api/schedules"
    tags = ("Schedules",)
    guards = (requires(Scope.SCHEDULES_WRITE),)

    @get(operation_class=LIST.operation, summary="Schedules, filtered and sorted")
    async def list_schedules(self, request: CallerRequest) -> Response[Page[ScheduleOut]]:
        query = LIST.read(request.scope["query_string"])
        found = await schedules.list_schedules(query)
        shown = [schedules.shape(row) for row in found.rows]
        return respond(request, shown, query.paging, found.total, found.cursor)

    @get("/jobs", sync_to_thread=False, summary="Jobs that may be scheduled")
    def list_jobs(self) -> list[SchedulableOut]:
        """With the JSON schema of their arguments."""
        return schedules.list_schedulable()

    @post(summary="Create a schedule")
    async def create_schedule(self, data: JSONBody[ScheduleIn]) -> Response[ScheduleOut]:
        """400 names what the job does not take as `arguments.…`. 409 when another schedule has the name."""
        created = await schedules.create_schedule(data)
        headers = {"Location": f"/api/schedules/{created.id}"}
        return Response(created, status_code=HTTPStatus.CREATED, headers=headers)

    @get("/{schedule_id:int}", summary="A schedule")
    async def show(self, schedule_id: RowId) -> ScheduleOut:
        return await schedules.get_schedule(schedule_id)

    @patch("/{schedule_id:int}", summary="Change a schedule")
    async def change_schedule(self, schedule_id: RowId, data: JSONBody[SchedulePatch]) -> ScheduleOut:
        """What is left out stays. With another `job` come its `arguments`. Enabled again, it is due from now on."""
        return await schedules.change_schedule(schedule_id, data)

    @delete("/{schedule_id:int}", summary="Delete a schedule")
    async def delete_schedule(self, schedule_id: RowId) -> None:
        """And the log of its runs. To keep that, switch it off: `enabled: false`."""
        await schedules.delete_schedule(schedule_id)

    @post("/{schedule_id:int}/run", status_code=HTTPStatus.ACCEPTED, summary="Run a schedule now")
    async def run(self, schedule_id: RowId) -> RunOut:
        """Enabled or not; its next time stays. A run that waits already is answered instead of a second one."""
        run_id = await schedules.run_now(schedule_id)
        await run_schedule.later(run_id=run_id)
        return await schedules.get_run(run_id)

    @get("/{schedule_id:int}/runs", operation_class=RUNS.operation, summary="Runs of a schedule, newest first")
    async def list_runs(self, schedule_id: RowId, request: CallerRequest) -> Response[Page[RunOut]]:
        """Those of the last thirty days."""
        await schedules.get_schedule(schedule_id)
        query = RUNS.read(request.scope["query_string"], Condition("r.schedule = {0}", (schedule_id,)))
        found = await schedules.find_runs(query)
        shown = [schedules.shape_run(row) for row in found.rows]
        return respond(request, shown, query.paging, found.total, found.cursor)
