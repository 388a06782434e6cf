"""A worker that is told to stop while Redis is away ends what it sends by itself, and records it."""

import signal
from pathlib import Path

import pytest

from tests.faults.endpoints import announce, subscribe
from tests.faults.harness import House, until
from tests.faults.receiver import SETTINGS, Receiver, receiving

IN_TIME_SECONDS = 30


@pytest.mark.faults
@pytest.mark.timeout(120)
async def test_what_a_worker_sent_without_redis_is_recorded_when_it_is_told_to_stop(tmp_path: Path) -> None:
    settings = {**SETTINGS, "REDIS_URL": "redis://127.0.0.1:1/0"}
    with House(tmp_path, **settings).running() as house, receiving(tmp_path) as receiver:
        async with house.database() as connection:
            await subscribe(connection, receiver.url("slow/13/one"))
            worker = house.start_worker()
            await announce(connection, 1)
            await until(lambda: has_come(receiver), IN_TIME_SECONDS)
            worker.send_signal(signal.SIGTERM)
            worker.wait(IN_TIME_SECONDS)
            assert await connection.fetchval("SELECT state FROM webhook_delivery") == "delivered"
            assert await connection.fetchval("SELECT error_class FROM webhook_attempt") is None


async def has_come(receiver: Receiver) -> bool:
    return len(receiver.received) > 0
