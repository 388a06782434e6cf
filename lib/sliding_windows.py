"""Counting what happened within the last so many seconds: in Redis, for all processes together, in one round trip.

Each window is a sorted set of marks by time, never longer than what it admits, and Redis drops it when it has run out.
What this process counted it also keeps in memory, and minds: so nothing opens while Redis is away, when Redis comes
back empty, or when an answer is late.
"""

import time
from collections import defaultdict
from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis

from lib.redis_client import RedisAway, line

PREFIX = "stockroom:window:"
# Of each kind, so that a flood of one does not push out another; about 4 MB.
MOST_KEYS_IN_MEMORY = 10_000

# Returns the milliseconds until every window has room. Counts in all of them when that is now, else in none; a window
# that is full has as many marks as it admits, and has room when the oldest of these has left it.
TAKE = """
    local clock = redis.call('TIME')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    local mark, only_look, wait = ARGV[1], ARGV[2] == '1', 0
    for i, key in ipairs(KEYS) do
        local most, length = ARGV[2 * i + 1], tonumber(ARGV[2 * i + 2])
        redis.call('ZREMRANGEBYSCORE', key, '-inf', now - length)
        local found = redis.call('ZRANGE', key, -most, -most, 'WITHSCORES')
        if found[2] then
            wait = math.max(wait, found[2] + length - now)
        end
    end
    if wait == 0 and not only_look then
        for i, key in ipairs(KEYS) do
            redis.call('ZADD', key, now, mark)
            redis.call('PEXPIRE', key, ARGV[2 * i + 2])
        end
    end
    return wait
"""
take_in_redis = line.client.register_script(TAKE)


class Slot(msgspec.Struct, frozen=True):
    """A place in a window: `most` of them within `seconds`."""

    key: str
    most: int
    seconds: int


class Memory:
    """Windows of this process alone. The key counted in longest ago is forgotten for a new one."""

    def __init__(self) -> None:
        self.marks: dict[str, dict[str, float]] = {}

    def wait(self, slots: Sequence[Slot]) -> float:
        now = time.monotonic()
        return max((self._wait_for(slot, now) for slot in slots), default=0)

    def take(self, slots: Sequence[Slot], mark: str) -> float:
        wait = self.wait(slots)
        if not wait:
            self.add(slots, mark)
        return wait

    def add(self, slots: Sequence[Slot], mark: str) -> None:
        now = time.monotonic()
        for slot in slots:
            # Put in anew, the key is the youngest.
            self.marks[slot.key] = {**self.marks.pop(slot.key, {}), mark: now}
        while len(self.marks) > MOST_KEYS_IN_MEMORY:
            del self.marks[next(iter(self.marks))]

    def remove(self, slots: Sequence[Slot], mark: str) -> None:
        for slot in slots:
            marks = self.marks.get(slot.key, {})
            marks.pop(mark, None)
            if not marks:
                self.marks.pop(slot.key, None)

    def _wait_for(self, slot: Slot, now: float) -> float:
        marks = self.marks.get(slot.key)
        if marks is None:
            return 0
        for mark in [mark for mark, counted in marks.items() if counted <= now - slot.seconds]:
            del marks[mark]
        if len(marks) < slot.most:
            return 0
        return list(marks.values())[-slot.most] + slot.seconds - now


memories: defaultdict[str, Memory] = defaultdict(Memory)


async def take(kind: str, slots: Sequence[Slot], mark: str) -> float:
    """Count `mark` in every slot, or in none: then the seconds until all of them have room, else 0."""
    memory = memories[kind]
    here = memory.wait(slots)
    try:
        there = await line.ask(lambda redis: _take_in_redis(redis, slots, mark, only_look=here > 0))
    except RedisAway:
        return memory.take(slots, mark)
    if not here and not there:
        memory.add(slots, mark)
    return max(here, there)


async def give_back(kind: str, slots: Sequence[Slot], mark: str) -> None:
    """As if `mark` had never been counted. What cannot be given back runs out by itself."""
    memories[kind].remove(slots, mark)
    try:
        await line.ask(lambda redis: _remove_in_redis(redis, slots, mark))
    except RedisAway:
        return


async def _take_in_redis(redis: Redis, slots: Sequence[Slot], mark: str, *, only_look: bool) -> float:
    keys = [PREFIX + slot.key for slot in slots]
    sizes = [size for slot in slots for size in (slot.most, slot.seconds * 1000)]
    wait: int = await take_in_redis(keys, [mark, int(only_look), *sizes], client=redis)
    return wait / 1000


async def _remove_in_redis(redis: Redis, slots: Sequence[Slot], mark: str) -> None:
    async with redis.pipeline(transaction=False) as pipeline:
        for slot in slots:
            pipeline.zrem(PREFIX + slot.key, mark)
        await pipeline.execute()
