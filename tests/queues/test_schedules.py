"""Schedules over HTTP: what is saved can be run, and only administrators save."""

import asyncpg
import httpx
import pytest

from piccolo_conf import execute, fetch, fetch_value
from queues import schedules
from queues.job import QUEUES
from queues.piccolo_migrations.queues_0002_rules import SEEDS
from queues.piccolo_migrations.queues_0003_shopify import SEED
from queues.runs import tick
from tests.queues.making import make_due, make_schedule, run_due, states

NIGHTLY = {"name": "Nightly", "job": "clean_up", "cron": "0 3 * * *", "arguments": {"what": "codes"}}


async def create(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    return await client.post("/api/schedules/", json=NIGHTLY | fields)


async def test_a_schedule_is_created_and_says_when_it_is_due(admin: httpx.AsyncClient):
    answer = await create(admin, timezone="Europe/Berlin")
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"/api/schedules/{made['id']}"
    assert {name: made[name] for name in NIGHTLY} == NIGHTLY
    assert (made["enabled"], made["last_run_at"], made["last_status"]) == (True, None, None)
    assert await fetch_value("SELECT next_run_at > now() FROM schedule")
    assert (await admin.get(answer.headers["location"])).json() == made


async def test_the_database_itself_refuses_arguments_without_names(database: None):
    """One such row, written past all checks, would stand in the way of the whole list."""
    row = "INSERT INTO schedule (name, job, cron, arguments) VALUES ('x', 'clean_up', '0 3 * * *', '[1]')"
    with pytest.raises(asyncpg.CheckViolationError, match="schedule_arguments_named"):
        await execute(row)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"job": "run_import"}, "job"),
        ({"job": "no_such"}, "job"),
        ({"cron": "0 3 * *"}, "cron"),
        ({"cron": "0 0 31 2 *"}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"name": "  "}, "name"),
        ({"arguments": {"what": "everything"}}, "arguments.what"),
        ({"arguments": {"what": 7}}, "arguments.what"),
        ({"arguments": {}}, "arguments.what"),
        ({"arguments": {"what": "codes", "when": "now"}}, "arguments.when"),
        ({"arguments": []}, "arguments"),
        ({"arguments": {"what": {"a": [1] * 9}}}, "arguments.what"),
        ({"next_run_at": "2030-01-01T00:00:00Z"}, "next_run_at"),
    ],
)
async def test_what_could_not_be_run_is_refused_by_the_name_of_its_field(
    admin: httpx.AsyncClient, wrong: dict[str, object], field: str
):
    answer = await create(admin, **wrong)
    assert answer.status_code == 400, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert await fetch_value("SELECT count(*) FROM schedule") == 0


async def test_a_name_stands_for_one_schedule(admin: httpx.AsyncClient):
    await create(admin)
    other = (await create(admin, name="Other")).json()
    assert (await create(admin)).json()["code"] == "schedule_name_taken"
    assert (await admin.patch(f"/api/schedules/{other['id']}", json={"name": "Nightly"})).status_code == 409


async def test_a_change_leaves_what_it_does_not_name(admin: httpx.AsyncClient):
    made = (await create(admin)).json()
    changed = (await admin.patch(f"/api/schedules/{made['id']}", json={"name": "By night"})).json()
    assert changed == made | {"name": "By night"}


async def test_another_job_needs_its_own_arguments(admin: httpx.AsyncClient):
    path = f"/api/schedules/{(await create(admin)).json()['id']}"
    refused = await admin.patch(path, json={"job": "prove_stock"})
    assert [error["field"] for error in refused.json()["errors"]] == ["arguments.what"]
    assert (await admin.patch(path, json={"job": "prove_stock", "arguments": {}})).json()["job"] == "prove_stock"


async def test_another_time_moves_the_next_run(admin: httpx.AsyncClient):
    made = (await create(admin)).json()
    changed = (await admin.patch(f"/api/schedules/{made['id']}", json={"cron": "0 4 * * *"})).json()
    assert changed["next_run_at"][11:16] == "04:00"


async def test_what_is_switched_off_is_not_due_until_it_is_on_again(admin: httpx.AsyncClient):
    made = (await create(admin, cron="* * * * *")).json()
    path = f"/api/schedules/{made['id']}"
    assert (await admin.patch(path, json={"enabled": False})).json()["next_run_at"] is None
    await run_due()
    assert await states() == []
    assert (await admin.patch(path, json={"enabled": True})).json()["next_run_at"] is not None
    await make_due(made["id"])
    await run_due()
    assert await states() == ["done"]


async def test_a_deleted_schedule_takes_its_runs_along(admin: httpx.AsyncClient):
    made = (await create(admin)).json()
    await admin.post(f"/api/schedules/{made['id']}/run")
    assert (await admin.delete(f"/api/schedules/{made['id']}")).status_code == 204
    assert (await admin.get(f"/api/schedules/{made['id']}")).status_code == 404
    assert await states() == []


@pytest.mark.parametrize("schedule_id", [4711, 99_999_999_999, 10**30])
async def test_what_is_not_there_is_not_found(admin: httpx.AsyncClient, schedule_id: int):
    path = f"/api/schedules/{schedule_id}"
    answers = [await admin.get(path), await admin.get(f"{path}/runs"), await admin.delete(path)]
    answers += [await admin.patch(path, json={}), await admin.post(f"{path}/run")]
    assert {answer.status_code for answer in answers} <= {400, 404}
    assert schedule_id > 2**31 or {answer.status_code for answer in answers} == {404}


async def test_run_now_answers_the_run_and_rings_for_it(admin: httpx.AsyncClient):
    made = (await create(admin, enabled=False)).json()
    await QUEUES["default"].redis.flushdb()
    answer = await admin.post(f"/api/schedules/{made['id']}/run")
    assert (answer.status_code, answer.json()["state"], answer.json()["trigger"]) == (202, "pending", "manual")
    assert await QUEUES["default"].count("queued") == 1
    assert (await admin.get(f"/api/schedules/{made['id']}")).json()["next_run_at"] is None


async def test_asking_twice_for_a_run_is_asking_once(admin: httpx.AsyncClient):
    made = (await create(admin)).json()
    first, second = [(await admin.post(f"/api/schedules/{made['id']}/run")).json() for _ in range(2)]
    assert first == second
    assert await states() == ["pending"]


async def test_the_log_of_runs_tells_the_newest_first_and_filters(admin: httpx.AsyncClient):
    made = (await create(admin)).json()
    for _ in range(3):
        await admin.post(f"/api/schedules/{made['id']}/run")
        await run_due()
    await admin.post(f"/api/schedules/{made['id']}/run")
    page = (await admin.get(f"/api/schedules/{made['id']}/runs?page_size=2")).json()
    assert (page["count"], [run["id"] for run in page["results"]]) == (4, [4, 3])
    done = (await admin.get(f"/api/schedules/{made['id']}/runs?state=done")).json()
    assert [run["id"] for run in done["results"]] == [3, 2, 1]
    assert (await admin.get(f"/api/schedules/{made['id']}/runs?state=lost")).status_code == 400


async def test_the_log_of_another_schedule_is_another(admin: httpx.AsyncClient):
    one, other = (await create(admin)).json(), (await create(admin, name="Other")).json()
    await admin.post(f"/api/schedules/{one['id']}/run")
    assert (await admin.get(f"/api/schedules/{other['id']}/runs")).json()["results"] == []


async def test_the_list_is_filtered_and_walked_by_cursor(admin: httpx.AsyncClient):
    for number in range(5):
        await create(admin, name=f"Clean {number}", enabled=number != 2)
    page = (await admin.get("/api/schedules/?enabled=true&page_size=3&after=&ordering=-name")).json()
    rest = (await admin.get(page["next"])).json()
    assert [it["name"] for it in [*page["results"], *rest["results"]]] == ["Clean 4", "Clean 3", "Clean 1", "Clean 0"]
    assert (await admin.get("/api/schedules/?search=CLEAN%202")).json()["results"][0]["enabled"] is False
    assert (await admin.get("/api/schedules/?colour=red")).status_code == 400


async def test_jobs_tell_their_arguments(admin: httpx.AsyncClient):
    told = {it["job"]: it for it in (await admin.get("/api/schedules/jobs")).json()}
    assert told.keys() == {"check_low_stock", "prove_stock", "clean_up", "reconcile_shopify"}
    assert told["clean_up"]["title"] == "Clean up"
    assert "idempotency_records" in str(told["clean_up"]["arguments"])


async def test_the_staff_and_customers_see_no_schedules(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, client: httpx.AsyncClient
):
    made = await make_schedule()
    for caller, code in ((staff, 403), (customer, 403), (client, 401)):
        assert (await caller.get("/api/schedules")).status_code == code
        assert (await caller.post(f"/api/schedules/{made.id}/run")).status_code == code
        assert (await create(caller)).status_code == code


async def test_every_schedule_that_an_installation_begins_with_can_be_run():
    await execute(SEEDS)
    await execute(SEED)
    seeded = {schedule.name: schedule for schedule in await schedules.all_schedules()}
    assert len(seeded) == 11
    # The tick that gives them their next times; what is due comes by hand.
    await tick()
    soonest = "coalesce(next_run_at, '-infinity') > now() - interval '1 minute'"
    assert await fetch_value(f"SELECT bool_and({soonest}) FROM schedule")
    await execute("UPDATE schedule SET next_run_at = now() + interval '1 day'")
    for schedule in seeded.values():
        await schedules.run_now(schedule.id)
    await run_due()
    ended = await fetch("SELECT s.name, r.state, r.detail FROM schedule_run r JOIN schedule s ON s.id = r.schedule")
    assert {row["name"]: row["state"] for row in ended} == dict.fromkeys(seeded, "done"), list(map(dict, ended))
