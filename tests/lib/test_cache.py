"""Values are computed once, kept, and forgotten in time, also while Redis dies, hangs and comes back."""

import asyncio
import os
import signal
import time
from types import SimpleNamespace

import msgspec
import pytest

from lib import cache, redis_client
from lib.cache import Here, forget, recall
from lib.redis_client import Line
from lib.servers.valkey import Valkey


class Number(msgspec.Struct, frozen=True):
    value: int


PREFIX = cache.PREFIX


class Source:
    """Where numbers come from: one more each time. While `gate` is closed a computation waits at it."""

    def __init__(self) -> None:
        self.value = 0
        self.seconds = 0.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()
        self.at_work = 0

    async def compute(self) -> Number:
        self.value += 1
        value = self.value
        self.at_work += 1
        assert self.at_work == 1
        self.begun.set()
        try:
            await asyncio.sleep(self.seconds)
            await self.gate.wait()
        finally:
            self.at_work -= 1
        return Number(value)

    async def fail(self) -> Number:
        raise LookupError

    async def ask(self, seconds: float = 60) -> int:
        return (await recall("a key", Number, seconds, self.compute)).value

    async def ask_and_wait(self) -> "asyncio.Task[int]":
        """A caller whose computation is under way, and held up."""
        self.gate.clear()
        self.begun.clear()
        asking = asyncio.create_task(self.ask())
        await self.begun.wait()
        return asking


@pytest.fixture
def ours(own_line: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    """In a process that has forgotten nothing."""
    monkeypatch.setattr(cache, "line", own_line)
    monkeypatch.setattr(cache, "PREFIX", PREFIX)
    monkeypatch.setattr(cache, "YOUNG_MICROSECONDS", 0)
    monkeypatch.setattr(cache, "GONE_SECONDS", 0)
    become_another_process(monkeypatch)
    return own_line


@pytest.fixture
def source() -> Source:
    return Source()


def become_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "here", Here())
    cache._turns.clear()


async def test_a_value_is_computed_once_for_all_processes(
    ours: Line, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [await source.ask(), await source.ask()] == [1, 1]
    become_another_process(monkeypatch)
    assert await source.ask() == 1
    await ours.close()


async def test_its_seconds_run_out(ours: Line, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "REST", 0)
    assert await source.ask(0.05) == 1
    await asyncio.sleep(0.06)
    assert await source.ask() == 2
    await ours.close()


async def test_it_lies_apart_from_queues_limits_and_sessions(ours: Line, source: Source) -> None:
    await source.ask(60)
    assert sorted(await ours.client.keys()) == [b"stockroom:cache:mark:a key", b"stockroom:cache:value:a key"]
    assert 30 < await ours.client.pttl("stockroom:cache:value:a key") / 1000 <= 60
    assert await ours.client.ttl("stockroom:cache:mark:a key") > 0
    await ours.close()


async def test_a_crowd_waits_for_one_computation(ours: Line, source: Source) -> None:
    source.seconds = 0.02
    assert await asyncio.gather(*(source.ask() for _ in range(50))) == [1] * 50
    await ours.close()


async def test_what_is_forgotten_is_computed_anew(ours: Line, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    await source.ask()
    become_another_process(monkeypatch)
    await forget("another key", "a key")
    assert [await source.ask(), await source.ask()] == [2, 2]
    await ours.close()


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_forget_is_not_undone_by_a_computation_that_began_before_it(
    ours: Line, source: Source, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    asking = await source.ask_and_wait()
    with monkeypatch.context() as there:
        if elsewhere:
            there.setattr(cache, "here", Here())
        await forget("a key")
    source.gate.set()
    assert await asking == 1
    assert await source.ask() == 2
    await ours.close()


async def test_whoever_asks_after_a_forget_gets_nothing_older(ours: Line, source: Source) -> None:
    asking = await source.ask_and_wait()
    await forget("a key")
    late = [asyncio.create_task(source.ask()) for _ in range(5)]
    await asyncio.sleep(0.3)
    source.gate.set()
    assert await asyncio.gather(asking, *late) == [1, 2, 2, 2, 2, 2]
    await ours.close()


async def test_who_waits_shares_the_next_computation_though_forgets_go_on(ours: Line, source: Source) -> None:
    asking = await source.ask_and_wait()
    await forget("a key")
    late = [asyncio.create_task(source.ask()) for _ in range(5)]
    await asyncio.sleep(0.3)
    source.begun.clear()
    source.gate.set()
    source.seconds = 0.02
    await source.begun.wait()
    await forget("a key")
    assert await asyncio.gather(asking, *late) == [1, 2, 2, 2, 2, 2]
    assert await source.ask() == 3
    await ours.close()


async def test_a_redis_that_has_lost_everything_is_given_nothing_from_before_a_forget(
    ours: Line, source: Source
) -> None:
    asking = await source.ask_and_wait()
    await forget("a key")
    await ours.client.flushall()
    source.gate.set()
    assert [await asking, await source.ask()] == [1, 2]
    await ours.close()


async def test_an_error_is_not_kept(ours: Line, source: Source) -> None:
    with pytest.raises(LookupError):
        await recall("a key", Number, 60, source.fail)
    assert await source.ask() == 1
    await ours.close()


async def test_who_goes_away_leaves_the_work_to_the_next(ours: Line, source: Source) -> None:
    asking = await source.ask_and_wait()
    waiting = asyncio.create_task(source.ask())
    await asyncio.sleep(0.02)
    asking.cancel()
    source.gate.set()
    assert await waiting == 2
    await ours.close()


async def test_what_took_long_is_kept_for_longer(ours: Line, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    source.seconds = 0.05
    await source.ask(0.01)
    assert await ours.client.pttl("stockroom:cache:value:a key") > 100
    monkeypatch.setattr(cache, "LONGEST_SECONDS", 0.5)
    await forget("a key")
    await source.ask(0.01)
    assert await ours.client.pttl("stockroom:cache:value:a key") <= 500
    await ours.close()


@pytest.mark.parametrize("content", [b"", b"{", b'{"value": "one"}', b"null", b"\xff"])
async def test_what_others_have_left_there_is_not_taken(ours: Line, source: Source, content: bytes) -> None:
    await ours.client.set("stockroom:cache:value:a key", content)
    assert [await source.ask(), await source.ask()] == [1, 1]
    await ours.close()


class TestWithoutRedis:
    @pytest.fixture(autouse=True)
    def away(self, ours: Line, valkey: Valkey) -> None:
        valkey.kill()

    async def test_this_process_keeps_what_it_computed(self, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
        assert [await source.ask(60), await source.ask(60)] == [1, 1]
        now = time.monotonic()
        monkeypatch.setattr(cache, "time", SimpleNamespace(monotonic=lambda: now + 61))
        assert await source.ask() == 2

    async def test_it_can_be_forgotten(self, source: Source) -> None:
        await source.ask()
        await forget("a key")
        assert [await source.ask(), await source.ask()] == [2, 2]

    async def test_a_forget_is_not_undone(self, source: Source) -> None:
        asking = await source.ask_and_wait()
        await forget("a key")
        source.gate.set()
        assert [await asking, await source.ask()] == [1, 2]

    async def test_what_is_kept_is_bounded(self, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cache, "MOST_KEPT_HERE", 3)
        for number in range(5):
            await recall(f"key {number}", Number, 60, source.compute)
            await forget(f"another key {number}")
        assert list(cache.here.contents) == ["key 2", "key 3", "key 4"]
        assert list(cache.here.marks) == [f"another key {number}" for number in (2, 3, 4)]


async def test_a_redis_that_comes_back_is_used_again(ours: Line, valkey: Valkey, source: Source) -> None:
    valkey.kill()
    assert await source.ask() == 1
    valkey.start()
    ours.ask_again_at = 0
    assert await source.ask() == 2
    assert await ours.client.exists("stockroom:cache:value:a key")
    await ours.close()


async def test_a_value_is_given_though_redis_goes_while_it_is_computed(
    ours: Line, valkey: Valkey, source: Source
) -> None:
    asking = await source.ask_and_wait()
    valkey.kill()
    source.gate.set()
    assert [await asking, await source.ask()] == [1, 1]


async def test_a_redis_that_hangs_costs_a_short_wait(
    ours: Line, valkey: Valkey, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "LONGEST_ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(redis_client, "PAUSE_SECONDS", 60)
    await ours.client.ping()
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert [await source.ask() for _ in range(50)] == [1] * 50
        await forget("a key")
        assert await source.ask() == 2
        # Fifty short waits would be ten seconds.
        assert time.monotonic() - began < 5
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    await ours.close()
