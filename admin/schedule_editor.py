"""Schedules in the tables of the site: job, arguments, cron and time zone are checked when they are saved."""

from typing import Any, ClassVar

from admin.editing import Editor, Values
from queues import schedules
from queues.schedule_schemas import ScheduleIn, SchedulePatch

CRON_HELP = (
    "Minute, hour, day, month and weekday, by the clock of the time zone: 30 3 * * * is half past three each night, "
    "*/10 * * * * every ten minutes."
)


class ScheduleEditor(Editor):
    locked = frozenset({"id", "next_run_at", "last_run_at", "last_status", "created_at"})
    defaults: ClassVar[Values] = {"timezone": "UTC", "enabled": True, "arguments": "{}"}

    async def create(self, data: Values) -> int:
        return (await schedules.create_schedule(self.read(data, ScheduleIn))).id

    async def change(self, row_id: Any, data: Values) -> None:
        await schedules.change_schedule(row_id, self.read(data, SchedulePatch))

    async def remove(self, row_id: Any) -> None:
        await schedules.delete_schedule(row_id)

    def schema(self) -> Values:
        """With the jobs to choose from, and what their arguments may be."""
        schema = super().schema()
        jobs = schedules.list_schedulable()
        described = schema["properties"]
        described["job"]["extra"]["choices"] = {job.job: {"display_name": job.title, "value": job.job} for job in jobs}
        described["cron"]["extra"]["help_text"] = CRON_HELP
        told = [f"{job.title}: {_tell_arguments(job.arguments)}." for job in jobs]
        described["arguments"]["extra"]["help_text"] = f"As JSON. {' '.join(told)}"
        return schema


def _tell_arguments(json_schema: Values) -> str:
    """Of a job: names, and what each may be where that is a closed list."""
    kinds = json_schema["$defs"]
    described = kinds[json_schema["$ref"].rpartition("/")[2]]["properties"]
    told = []
    for name, kind in described.items():
        allowed = kinds.get(kind.get("$ref", "").rpartition("/")[2], kind).get("enum")
        told.append(f'"{name}": {" | ".join(map(str, allowed))}' if allowed else f'"{name}"')
    return ", ".join(told) or "{}"
