"""The relay rings for a worker, and where nobody hears it the worker of the relay delivers by itself."""

import asyncio

import pytest
from saq.queue.redis import RedisQueue

from domains.webhooks import jobs
from lib import loops
from lib.redis_client import connect_redis
from queues import job as queue_job
from queues.job import QUEUES
from tests.lib.loopback import Loopback
from tests.webhooks.making import deliveries, make_endpoint, record


@pytest.fixture
def no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = RedisQueue(connect_redis(), name="nobody")

    async def refuse(_job: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(queue, "enqueue", refuse)
    monkeypatch.setitem(QUEUES, "default", queue)


async def relay_for(seconds: float) -> None:
    relay = asyncio.create_task(jobs.relay_forever())
    await asyncio.sleep(seconds)
    relay.cancel()
    await asyncio.gather(relay, *queue_job._unrung, return_exceptions=True)


async def test_a_relayed_delivery_is_rung_for(database: None):
    await make_endpoint("https://example.com/")
    await record()
    before = await QUEUES["default"].count("queued")
    await relay_for(0.3)
    assert await QUEUES["default"].count("queued") > before
    assert [row["state"] for row in await deliveries()] == ["pending"]


async def test_while_redis_is_away_deliveries_go_out_all_the_same(database: None, receiver: Loopback, no_redis: None):
    await make_endpoint(receiver.url)
    await record()
    await relay_for(0.6)
    assert len(receiver.requests) == 1
    assert [row["state"] for row in await deliveries()] == ["delivered"]


async def test_the_relay_outlives_a_database_that_is_away(
    database: None, receiver: Loopback, no_redis: None, monkeypatch: pytest.MonkeyPatch
):
    real, calls = jobs.relay_events, 0

    async def fail_once() -> object:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionResetError
        return await real()

    monkeypatch.setattr(jobs, "relay_events", fail_once)
    monkeypatch.setattr(loops, "PAUSE_AFTER_ERROR_SECONDS", 0.05)
    await make_endpoint(receiver.url)
    await record()
    await relay_for(0.6)
    assert len(receiver.requests) == 1
