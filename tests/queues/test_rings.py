"""How long somebody waits who rings for a worker."""

import asyncio
import time

import pytest

from queues import job
from queues.cleaning import clean_up
from queues.job import QUEUES


async def test_a_ring_is_heard_although_this_process_was_busy_meanwhile(monkeypatch: pytest.MonkeyPatch):
    async def enqueue(_job: object) -> None:
        await asyncio.sleep(0.05)

    monkeypatch.setattr(job, "LONGEST_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(QUEUES["default"], "enqueue", enqueue)
    ringing = asyncio.create_task(clean_up.later(what="codes"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(0.5)  # noqa: ASYNC251 - As when a hundred others want the processor.
    assert await ringing


async def test_nobody_waits_for_a_redis_that_says_nothing(monkeypatch: pytest.MonkeyPatch):
    async def enqueue(_job: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(job, "LONGEST_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(QUEUES["default"], "enqueue", enqueue)
    async with asyncio.timeout(15):
        assert not await clean_up.later(what="codes")
