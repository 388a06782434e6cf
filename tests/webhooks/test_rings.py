"""The relay rings for a worker, and where nobody hears it the worker of the relay delivers by itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from saq.queue.redis import RedisQueue

from domains.webhooks import jobs
from lib import loops
from lib.redis_client import connect_redis
from queues import job as queue_job
from queues.job import QUEUES
from tests.faults.harness import HANGS_SECONDS, until
from tests.lib.loopback import Loopback
from tests.webhooks.making import deliveries, make_endpoint, record


@pytest.fixture
def no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = RedisQueue(connect_redis(), name="nobody")

    async def refuse(_job: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(queue, "enqueue", refuse)
    monkeypatch.setitem(QUEUES, "default", queue)


@contextlib.asynccontextmanager
async def relaying() -> AsyncIterator[None]:
    relay = asyncio.create_task(jobs.relay_forever())
    try:
        yield
    finally:
        relay.cancel()
        await asyncio.gather(relay, *queue_job._unrung, return_exceptions=True)


async def is_rung_for() -> bool:
    return await QUEUES["default"].count("queued") > 0


async def is_delivered() -> bool:
    return [row["state"] for row in await deliveries()] == ["delivered"]


async def test_a_relayed_delivery_is_rung_for(database: None):
    await make_endpoint("https://example.com/")
    await record()
    # What another test has rung for in this second would be the same ring.
    await QUEUES["default"].redis.flushdb()
    async with relaying():
        await until(is_rung_for, HANGS_SECONDS)
    assert [row["state"] for row in await deliveries()] == ["pending"]


async def test_while_redis_is_away_deliveries_go_out_all_the_same(database: None, receiver: Loopback, no_redis: None):
    await make_endpoint(receiver.url)
    await record()
    async with relaying():
        await until(is_delivered, HANGS_SECONDS)
    assert len(receiver.requests) == 1


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
    async with relaying():
        await until(is_delivered, HANGS_SECONDS)
    assert len(receiver.requests) == 1
