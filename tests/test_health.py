"""Alive is who answers; ready is who can serve."""

import asyncio
from uuid import uuid4

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis
from saq.queue.redis import RedisQueue
from saq.utils import now

from piccolo_conf import DB, execute, fetch_value
from queues import controllers
from queues.controllers import Check, measure, verdict
from queues.job import QUEUES

SECRET = "postgresql://somebody:hunter2@db/stock"


async def start_worker() -> None:
    """What SAQ's worker writes of itself."""
    queue = QUEUES["default"]
    await queue.redis.zadd(queue.namespace("stats"), {"a-worker": now() + 60_000})


@pytest.fixture(autouse=True)
async def no_workers(database: None) -> None:
    queue = QUEUES["default"]
    await queue.redis.delete(queue.namespace("stats"))


@pytest.fixture(autouse=True)
async def nothing_due(database: None) -> None:
    """Schedules stay from test to test, and no worker hears their ticks."""
    await execute("UPDATE schedule SET next_run_at = NULL")


async def wait_with_import(age: str) -> None:
    await execute(
        "INSERT INTO import_job (id, filename, created_at) VALUES ($1, 'a.csv', now() - $2::text::interval)",
        uuid4(),
        age,
    )


async def test_a_living_process_asks_nobody(client: httpx.AsyncClient):
    answer = await client.get("/health/live", headers={"host": "10.0.0.1"})
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


async def test_with_everything_up_it_is_ready(client: httpx.AsyncClient):
    await start_worker()
    answer = await client.get("/health/ready/")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.headers["cache-control"] == "no-store"
    assert {name: check["ok"] for name, check in answer.json()["checks"].items()} == {
        "postgresql": True,
        "redis": True,
        "workers": True,
        "imports": True,
        "schedules": True,
        "events": True,
        "deliveries": True,
        "shopify": True,
    }


async def test_without_a_worker_it_is_degraded_and_serves(client: httpx.AsyncClient):
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["workers"]["detail"] == "0 running"


@pytest.mark.parametrize(("age", "status"), [("1 minute", "ready"), ("1 hour", "degraded")])
async def test_an_import_that_waits_long_is_told(client: httpx.AsyncClient, age: str, status: str):
    await start_worker()
    await wait_with_import(age)
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert answer.json()["checks"]["imports"]["detail"].startswith("the oldest waits ")


@pytest.mark.parametrize(("age", "status"), [("1 minute", "ready"), ("2 minutes", "degraded")])
async def test_a_tick_that_nobody_hears_is_told(client: httpx.AsyncClient, age: str, status: str):
    await start_worker()
    schedule_id = await fetch_value("INSERT INTO schedule (name, job, cron) VALUES ('Late', 'x', '') RETURNING id")
    await execute("UPDATE schedule SET next_run_at = now() - $2::text::interval WHERE id = $1", schedule_id, age)
    answer = await client.get("/health/ready")
    await execute("DELETE FROM schedule WHERE id = $1", schedule_id)
    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert answer.json()["checks"]["schedules"]["detail"].startswith("the oldest waits ")


@pytest.mark.parametrize(
    ("state", "lease", "ok"),
    [("pending", None, False), ("running", "-3 minutes", False), ("running", "1 minute", True)],
)
async def test_a_run_that_nobody_works_on_is_told(client: httpx.AsyncClient, state: str, lease: str | None, ok: bool):
    schedule_id = await fetch_value("INSERT INTO schedule (name, job, cron) VALUES ('Lost', 'x', '') RETURNING id")
    await execute(
        """INSERT INTO schedule_run (schedule, due_at, state, lease_until)
           VALUES ($1, now() - interval '5 minutes', $2, now() + $3::text::interval)""",
        *(schedule_id, state, lease),
    )
    check = (await client.get("/health/ready")).json()["checks"]["schedules"]
    await execute("DELETE FROM schedule WHERE id = $1", schedule_id)
    assert check["ok"] is ok


@pytest.mark.parametrize(("age", "status"), [("30 seconds", "ready"), ("2 minutes", "degraded")])
async def test_an_event_that_nobody_passes_on_is_told(client: httpx.AsyncClient, age: str, status: str):
    await start_worker()
    event = "INSERT INTO event (topic, subject, source, occurred_at) VALUES ('a.b', 'a:1', 'sql', {})"
    await execute(event.format("now() - $1::text::interval"), age)
    await execute(event.format("now()"))
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert answer.json()["checks"]["events"]["detail"].startswith("the oldest waits ")


async def wait_with_delivery(**columns: object) -> None:
    """Due for five minutes, at an endpoint that is enabled; unless told otherwise nobody holds it."""
    await execute(
        """INSERT INTO webhook_endpoint (url, event_types, is_enabled, disabled_at, disabled_reason)
           SELECT 'https://example.com/', '{*}', is_enabled, CASE WHEN NOT is_enabled THEN now() END,
               CASE WHEN NOT is_enabled THEN 'by_hand' END FROM (VALUES ($1::bool)) AS given (is_enabled)""",
        columns.get("is_enabled", True),
    )
    await execute("INSERT INTO event (topic, subject, source, relayed_at) VALUES ('a.b', 'a:1', 'sql', now())")
    await execute(
        """INSERT INTO webhook_delivery (event, endpoint, state, next_attempt_at, locked_until)
           SELECT event.id, endpoint.id, $1, now() - $2::text::interval, now() + $3::text::interval
           FROM event, webhook_endpoint endpoint""",
        *(columns.get("state", "pending"), columns.get("age", "5 minutes"), columns.get("lease")),
    )


async def attempted(ago: str) -> None:
    await execute(
        """INSERT INTO webhook_attempt (endpoint, started_at, trigger)
           SELECT id, now() - $1::text::interval, 'test' FROM webhook_endpoint""",
        ago,
    )


@pytest.mark.parametrize(
    ("columns", "ok"),
    [
        ({}, False),
        ({"age": "1 minute"}, True),
        ({"lease": "30 seconds"}, True),
        ({"lease": "-30 seconds"}, False),
        ({"is_enabled": False}, True),
        ({"state": "failed"}, True),
        ({"age": "-5 minutes"}, True),
    ],
)
async def test_a_delivery_that_nobody_sends_is_told(client: httpx.AsyncClient, columns: dict[str, object], ok: bool):
    await wait_with_delivery(**columns)
    assert (await client.get("/health/ready")).json()["checks"]["deliveries"]["ok"] is ok


@pytest.mark.parametrize(("ago", "ok"), [("1 minute", True), ("4 minutes", False)])
async def test_a_receiver_that_is_slow_is_no_illness_of_ours(client: httpx.AsyncClient, ago: str, ok: bool):
    await wait_with_delivery()
    await attempted("10 minutes")
    await attempted(ago)
    assert (await client.get("/health/ready")).json()["checks"]["deliveries"]["ok"] is ok


@pytest.mark.parametrize(
    ("state", "age", "ok"),
    [
        ("pending", "30 seconds", True),
        ("pending", "2 minutes", False),
        ("parked", "2 minutes", False),
        ("failed", "2 minutes", True),
        ("pending", "-2 minutes", True),
    ],
)
async def test_a_webhook_of_shopify_that_nobody_works_on_is_told(
    client: httpx.AsyncClient, state: str, age: str, ok: bool
):
    await execute(
        """INSERT INTO inbound_webhook (topic, webhook_id, state, reason, processed_at, next_attempt_at)
           VALUES ('products/update', 'w-1', $1::text, 'internal', CASE WHEN $1 <> 'pending' THEN now() END,
               now() - $2::text::interval)""",
        *(state, age),
    )
    check = (await client.get("/health/ready")).json()["checks"]["shopify"]
    assert (check["ok"], check["detail"].startswith("the oldest waits ")) == (ok, state != "failed" and age[0] != "-")


async def test_without_redis_it_is_degraded_and_serves(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    nowhere = RedisQueue(Redis.from_url("unix:///nowhere/redis.sock"), name="default")
    monkeypatch.setitem(QUEUES, "default", nowhere)
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["redis"]["detail"] == "ConnectionError"
    assert answer.json()["checks"]["postgresql"]["ok"] is True
    assert "/nowhere" not in answer.text


async def test_without_postgresql_it_is_unavailable(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    async def fail(*_values: object) -> None:
        raise asyncpg.CannotConnectNowError(SECRET)

    monkeypatch.setattr(controllers, "fetch_value", fail)
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert "hunter2" not in answer.text


async def test_a_probe_that_hangs_ends_within_its_second(client: httpx.AsyncClient):
    blocker = await asyncpg.connect(**DB.config)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE import_job IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(10):
            answer = await client.get("/health/ready")
    await blocker.close()
    assert answer.json()["checks"]["imports"]["detail"] == "no answer within 1 s"
    assert answer.json()["checks"]["postgresql"]["ok"] is True


async def test_probes_run_side_by_side(monkeypatch: pytest.MonkeyPatch):
    together = asyncio.Barrier(4)

    async def meet() -> tuple[bool, str]:
        await together.wait()
        return True, "met"

    monkeypatch.setattr(controllers, "PROBES", dict.fromkeys("abcd", meet))
    assert [check.detail for check in (await controllers.check_all()).values()] == ["met"] * 4


async def test_an_error_is_told_by_its_kind_alone():
    async def fail() -> tuple[bool, str]:
        raise OSError(SECRET)

    check = await measure(fail)
    assert (check.ok, check.detail) == (False, "OSError")


@pytest.mark.parametrize(
    ("broken", "expected"),
    [(None, "ready"), ("postgresql", "unavailable"), ("redis", "degraded"), ("workers", "degraded")],
)
def test_the_verdict_follows_from_what_serving_needs(broken: str | None, expected: str):
    names = ("postgresql", "redis", "workers", "imports")
    checks = {name: Check(name != broken, "", 0.0) for name in names}
    assert verdict(checks) == expected
