"""Schedules: as rows that are checked when they are saved, and as pages to look at runs and ask for one."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from piccolo_conf import execute, fetch, fetch_row, fetch_value
from queues.job import QUEUES
from queues.runs import run_schedule
from tests.admin.visiting import SITE, TABLES, submit, text_of

SCHEDULES = f"{TABLES}/schedule/"
FORM_ID = re.compile(r'name="form_id" value="([^"]+)"')
ROW: dict[str, Any] = {
    "name": "Sweep the floor",
    "job": "clean_up",
    "cron": "30 2 * * *",
    "timezone": "Europe/Berlin",
    "arguments": '{"what": "codes"}',
    "enabled": "true",
}


@pytest.fixture
async def shop(site: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """Seeded schedules stay as they are; what a test makes goes again."""
    last = await fetch_value("SELECT max(id) FROM schedule")
    await QUEUES["default"].redis.flushdb()
    yield site
    await execute(f"DELETE FROM schedule WHERE id > {last}")


async def make(site: httpx.AsyncClient, **fields: Any) -> int:
    made = await site.post(SCHEDULES, json=ROW | fields)
    assert made.status_code == 201, made.text
    schedule_id: int = made.json()[0]["id"]
    return schedule_id


async def test_a_schedule_is_made_changed_and_deleted(shop: httpx.AsyncClient) -> None:
    schedule = await make(shop)
    row = await fetch_row("SELECT * FROM schedule WHERE id = $1", schedule)
    assert row is not None
    assert (row["arguments"], row["enabled"], row["next_run_at"].minute) == ('{"what": "codes"}', True, 30)
    assert (await shop.patch(f"{SCHEDULES}{schedule}/", json={"enabled": "false"})).status_code == 200
    assert await fetch_value("SELECT next_run_at FROM schedule WHERE id = $1", schedule) is None
    assert (await shop.delete(f"{SCHEDULES}{schedule}/")).status_code == 204
    assert not await fetch("SELECT FROM schedule WHERE id = $1", schedule)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"job": "rm"}, "job"),
        ({"cron": "every day"}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"arguments": "{"}, "arguments"),
        ({"arguments": '{"what": "everything"}'}, "arguments.what"),
        ({"arguments": "{}"}, "arguments.what"),
        ({"name": " "}, "name"),
        ({"next_run_at": "2030-01-01T00:00:00Z"}, "next_run_at"),
        ({"last_status": "done"}, "last_status"),
    ],
)
async def test_a_schedule_that_cannot_run_is_refused(
    shop: httpx.AsyncClient, fields: dict[str, str], field: str
) -> None:
    refused = await shop.post(SCHEDULES, json=ROW | fields)
    assert refused.status_code == 422, refused.text
    assert refused.json()["detail"][0]["loc"] == ["body", field]
    assert not await fetch("SELECT FROM schedule WHERE name = $1", ROW["name"])


async def test_a_name_that_is_taken_is_told(shop: httpx.AsyncClient) -> None:
    refused = await shop.post(SCHEDULES, json=ROW | {"name": "Ledger proof"})
    assert (refused.status_code, refused.text) == (409, "Another schedule has this name.")


async def test_jobs_are_there_to_choose_from_with_their_arguments(shop: httpx.AsyncClient) -> None:
    described = (await shop.get(f"{SCHEDULES}schema/")).json()["properties"]
    assert {"check_low_stock", "prove_stock", "clean_up"} <= set(described["job"]["extra"]["choices"])
    assert 'Clean up: "what": attempts | codes |' in described["arguments"]["extra"]["help_text"]


async def test_all_schedules_are_told_with_their_times(shop: httpx.AsyncClient) -> None:
    await make(shop, enabled="false")
    text = text_of(await shop.get(f"{SITE}/pages/schedules/"))
    assert "Ledger proof" in text
    assert "30 2 * * * Europe/Berlin not yet switched off" in text


async def test_a_schedule_is_run_now_once_and_its_run_is_told(shop: httpx.AsyncClient) -> None:
    schedule = await make(shop)
    page = f"pages/schedules/{schedule}/"
    form_id = FORM_ID.findall((await shop.get(f"{SITE}/{page}")).text)[0]
    asked = await submit(shop, page, form_id=form_id)
    assert asked.status_code == 303, text_of(asked)
    waiting = await shop.get(asked.headers["location"])
    assert "It is asked for" in text_of(waiting)
    assert 'http-equiv="refresh"' in waiting.text
    assert await QUEUES["default"].count("queued") == 1
    run = await fetch_value("SELECT id FROM schedule_run")
    await run_schedule(run_id=run)
    await submit(shop, page, form_id=form_id)
    assert [row["state"] for row in await fetch("SELECT state FROM schedule_run")] == ["done"]
    done = await shop.get(f"{SITE}/{page}")
    assert "manual done" in text_of(done)
    assert 'http-equiv="refresh"' not in done.text


@pytest.mark.parametrize("schedule", ["0", "x", "2147483647", "9" * 30])
async def test_a_schedule_that_is_not_there_is_not_found(shop: httpx.AsyncClient, schedule: str) -> None:
    assert (await shop.get(f"{SITE}/pages/schedules/{schedule}/")).status_code == 404
    form = {"form_id": "7c7db6dd-c770-4413-9aca-8c38a019ecf7"}
    assert (await submit(shop, f"pages/schedules/{schedule}/", **form)).status_code == 404
