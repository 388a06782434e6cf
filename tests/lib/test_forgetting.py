"""Whoever writes forgets values at next to no cost, and nobody sees one that is out of date."""

import asyncio
import random
from uuid import uuid4

import msgspec
import pytest
from redis.asyncio import Redis

from lib import cache
from lib.cache import GONE_SECONDS, YOUNG_MICROSECONDS, Here, forget, recall
from lib.redis_client import RedisAway, line


class Number(msgspec.Struct, frozen=True):
    value: int


class Shelf:
    """What some write at random moments, and read again at once, while others read it all the time."""

    def __init__(self) -> None:
        self.key = uuid4().hex
        self.written = 0
        self.computed = 0
        self.asked = 0
        self.is_stale = False

    async def write(self) -> None:
        for _ in range(60):
            await asyncio.sleep(random.choice([0, 0.001, 0.01, 0.06]))
            self.written += 1
            written = self.written
            await forget(self.key)
            await self.read(written)

    async def watch(self) -> None:
        for _ in range(300):
            await asyncio.sleep(0.005)
            await self.read(0)

    async def read(self, least: int) -> None:
        self.asked += 1
        found = await recall(self.key, Number, 60, self.compute)
        self.is_stale |= found.value < least

    async def compute(self) -> Number:
        self.computed += 1
        written = self.written
        await asyncio.sleep(random.choice([0, 0.005]))
        return Number(written)


@pytest.fixture
def shelf(database: None, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """In a process that has forgotten nothing."""
    monkeypatch.setattr(cache, "here", Here())
    return Shelf()


async def test_redis_is_not_asked_for_each(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "GONE_SECONDS", 60)
    await forget(shelf.key, "another key")
    monkeypatch.setattr(line, "client", None)
    for _ in range(100):
        await forget(shelf.key, "another key")


async def test_it_is_asked_again_before_a_value_may_be_kept(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    assert GONE_SECONDS * 1_000_000 <= YOUNG_MICROSECONDS / 2
    await forget(shelf.key)
    with monkeypatch.context() as patch:
        # However long this takes.
        patch.setattr(cache, "YOUNG_MICROSECONDS", 3_600_000_000)
        await shelf.read(0)
    await asyncio.sleep(YOUNG_MICROSECONDS / 1_000_000)
    await shelf.read(0)
    await shelf.read(0)
    assert shelf.computed == 2
    await forget(shelf.key)
    await shelf.read(0)
    assert shelf.computed == 3


async def test_a_redis_that_did_not_hear_is_asked_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    async def be_away(_question: object) -> None:
        raise RedisAway

    await _keep(shelf)
    with monkeypatch.context() as outage:
        outage.setattr(line, "ask", be_away)
        await forget(shelf.key)
    await forget(shelf.key)
    assert not await _is_kept(line.client, shelf)


@pytest.mark.parametrize("writers", [1, 3])
async def test_nobody_sees_less_than_they_have_written(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, writers: int
) -> None:
    monkeypatch.setattr(cache, "GONE_SECONDS", 0.02)
    monkeypatch.setattr(cache, "YOUNG_MICROSECONDS", 40_000)
    async with asyncio.TaskGroup() as group:
        for _ in range(writers):
            group.create_task(shelf.write())
        group.create_task(shelf.watch())
    assert not shelf.is_stale
    assert shelf.computed < shelf.asked


async def _keep(shelf: Shelf) -> None:
    await shelf.read(0)
    await asyncio.sleep(YOUNG_MICROSECONDS / 1_000_000)
    await shelf.read(0)
    assert await _is_kept(line.client, shelf)


async def _is_kept(redis: Redis, shelf: Shelf) -> bool:
    return bool(await redis.exists(f"{cache.PREFIX}value:{shelf.key}"))
