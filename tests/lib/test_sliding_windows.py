"""Counting goes on while Redis dies, hangs, and comes back with nothing."""

import asyncio
import os
import signal
import time

import pytest
from redis.asyncio import Redis

from lib import redis_client, sliding_windows
from lib.redis_client import Line, RedisAway
from lib.servers.valkey import Valkey
from lib.sliding_windows import Slot, give_back, take

SLOT = Slot("a key", most=3, seconds=60)


@pytest.fixture
def ours(own_line: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setattr(sliding_windows, "line", own_line)
    return own_line


async def admitted(times: int, name: str = "", slot: Slot = SLOT) -> int:
    return sum([not await take("kind", [slot], f"{name}{number}") for number in range(times)])


async def test_processes_share_what_is_in_redis(ours: Line):
    assert await admitted(2, "here") == 2
    sliding_windows.memories.clear()
    assert await admitted(3, "there") == 1
    assert await take("kind", [SLOT], "again") > 30
    await ours.close()


async def test_without_redis_this_process_counts_alone(ours: Line, valkey: Valkey):
    assert await admitted(2, "before") == 2
    valkey.kill()
    assert await admitted(5, "without") == 1
    assert 30 < await take("kind", [SLOT], "again") <= 60
    await give_back("kind", [SLOT], "without0")
    assert await admitted(5, "refunded") == 1


async def test_an_empty_redis_opens_nothing(ours: Line, valkey: Valkey):
    assert await admitted(3) == 3
    valkey.kill()
    valkey.start()
    ours.ask_again_at = 0
    assert await admitted(3, "after") == 0
    assert not ours.is_away
    await ours.close()


async def test_a_redis_that_hangs_costs_one_request_a_short_wait(
    ours: Line, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_client, "LONGEST_ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(redis_client, "PAUSE_SECONDS", 60)
    await admitted(1)
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        crowd = await asyncio.gather(*(take("kind", [SLOT], f"crowd {number}") for number in range(100)))
        # One short wait; a hundred, four at a time, would be five seconds.
        assert 0.19 < time.monotonic() - began < 4
        assert crowd.count(0) == 2
        began = time.monotonic()
        assert await admitted(50, "later") == 0
        # Fifty short waits would be ten seconds.
        assert time.monotonic() - began < 5
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    await ours.close()


async def test_redis_is_asked_again_after_a_while(ours: Line, valkey: Valkey, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(redis_client, "PAUSE_SECONDS", 60)
    valkey.kill()
    await admitted(1)
    assert ours.is_away
    valkey.start()
    with pytest.raises(RedisAway):
        await ours.ask(lambda redis: redis.ping())
    ours.ask_again_at -= 60
    assert await admitted(2, "after") == 2
    assert not ours.is_away
    assert await ours.client.zcard(sliding_windows.PREFIX + SLOT.key) == 2
    await ours.close()


async def test_an_answer_that_came_while_this_process_was_busy_is_in_time(ours: Line, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(redis_client, "LONGEST_ANSWER_SECONDS", 0.2)
    await admitted(1)
    asked = asyncio.create_task(take("kind", [SLOT], "late"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 - As when a hundred others want the processor.
    await asked
    assert not ours.is_away
    await ours.close()


async def test_an_answer_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(redis_client, "LONGEST_ANSWER_SECONDS", 0.2)
    nowhere = Line(Redis())
    async with asyncio.timeout(10):
        with pytest.raises(RedisAway):
            await nowhere.ask(lambda _redis: asyncio.sleep(60))


async def test_a_window_of_several_is_taken_in_all_or_none(ours: Line):
    wide = Slot("wide", most=10, seconds=60)
    for number in range(5):
        await take("kind", [wide, SLOT], str(number))
    assert await ours.client.zcard(sliding_windows.PREFIX + "wide") == 3
    assert await admitted(9, "more", wide) == 7
    await ours.close()


async def test_the_memory_is_bounded(ours: Line, valkey: Valkey, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sliding_windows, "MOST_KEYS_IN_MEMORY", 50)
    valkey.kill()
    for number in range(200):
        await take("kind", [Slot(f"key {number}", 3, 60), SLOT], str(number))
        await take("other", [SLOT], "one")
    assert len(sliding_windows.memories["kind"].marks) <= 50
    assert await take("kind", [SLOT], "again") > 0


async def test_what_ran_out_is_admitted_again_without_redis(ours: Line, valkey: Valkey):
    valkey.kill()
    brief = Slot("brief", most=2, seconds=1)
    assert await admitted(3, "first", brief) == 2
    await asyncio.sleep(1.05)
    assert await admitted(3, "second", brief) == 2
