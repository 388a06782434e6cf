"""Values that take work to compute, kept for some seconds in Redis, for all processes together.

They lie under a prefix of their own, apart from queues, limits and sessions. Of one key a process computes one value at
a time, and whoever waits meanwhile is given one that was begun after they came. What is forgotten while it is being
computed is not kept. While Redis is away each process keeps what it computed for itself.

Forgetting must cost whoever writes next to nothing. So it takes the mark away that somebody who looks leaves, and a
value is kept only by who finds a mark of some age: until then nothing is there, and nobody needs to forget it again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast
from weakref import WeakValueDictionary

import msgspec
from redis.asyncio import Redis

from lib.redis_client import RedisAway, line
from lib.signing import new_token

T = TypeVar("T")

PREFIX = "stockroom:cache:"
# Values are kept for so many times as long as they took: computing one keeps nobody busy for more than a twentieth.
REST = 20
# Also of those that took long because the database made them wait.
LONGEST_SECONDS = 60
MARK_SECONDS = 3600
MOST_KEPT_HERE = 1000
# What was forgotten is known to be gone for so long.
GONE_SECONDS = 0.25
# Longer, for two clocks measure the two.
YOUNG_MICROSECONDS = 500_000

# The value and the mark, which is empty while it is too young.
LOOK = """
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local mark = redis.call('GET', KEYS[2])
    if not mark then
        mark = string.format('%.0f', now)
        redis.call('SET', KEYS[2], mark, 'PX', ARGV[2])
    end
    if now - tonumber(mark) < tonumber(ARGV[1]) then mark = '' end
    return {redis.call('GET', KEYS[1]), mark}
"""
# Another mark, or none, tells that the value was forgotten after its computation began.
STORE = """
    if redis.call('GET', KEYS[2]) == ARGV[1] then
        redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    end
"""
look_in_redis = line.client.register_script(LOOK)
store_in_redis = line.client.register_script(STORE)


class Turn:
    """Callers who want one value and do not find it. `content` is of the computation numbered `done`."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.begun = 0
        self.done = 0
        self.content = b""


class Known(msgspec.Struct, frozen=True):
    """What is kept under a key, None for nothing, and its mark: empty while nothing may be kept, None without Redis."""

    content: bytes | None
    mark: str | None


class Here:
    """What this process computed while Redis was away, the marks of what it has forgotten, and until when that is gone
    from Redis for certain."""

    def __init__(self) -> None:
        self.contents: dict[str, tuple[float, bytes]] = {}
        self.marks: dict[str, str] = {}
        self.gone: dict[str, float] = {}

    def find(self, key: str) -> bytes | None:
        until, content = self.contents.get(key, (0.0, None))
        return content if until > time.monotonic() else None

    def keep(self, key: str, content: bytes, seconds: float) -> None:
        self.contents.pop(key, None)
        self.contents[key] = (time.monotonic() + seconds, content)
        while len(self.contents) > MOST_KEPT_HERE:
            del self.contents[next(iter(self.contents))]

    def forget(self, key: str, mark: str) -> None:
        self.contents.pop(key, None)
        self.marks.pop(key, None)
        self.marks[key] = mark
        while len(self.marks) > MOST_KEPT_HERE:
            oldest = next(iter(self.marks))
            del self.marks[oldest]
            self.gone.pop(oldest, None)


here = Here()
_turns: WeakValueDictionary[str, Turn] = WeakValueDictionary()


async def recall(key: str, type_: type[T], seconds: float, compute: Callable[[], Awaitable[T]]) -> T:
    """The value of this key, computed when none is kept, and then kept for these seconds or longer (see REST).

    It travels as JSON. Raises what `compute` raises. Not for use inside a transaction: others would see its rows.
    """
    if (found := _decode((await _look(key)).content, type_)) is not None:
        return found
    turn = _turns.setdefault(key, Turn())
    came = turn.begun
    async with turn.lock:
        if turn.done > came:
            return msgspec.json.decode(turn.content, type=type_)
        known = await _look(key)
        if (found := _decode(known.content, type_)) is not None:
            return found
        return await _compute(turn, key, known, seconds, compute)


async def forget(*keys: str) -> None:
    """For whoever has changed what these values are made of, after the commit. Asks Redis some times a second at most.

    A Redis that is away and comes back with a value keeps it for the rest of its seconds. Never raises.
    """
    mark, now = new_token(), time.monotonic()
    for key in keys:
        here.forget(key, mark)
    kept = [key for key in keys if here.gone.get(key, 0.0) <= now]
    if not kept:
        return
    try:
        await line.ask(lambda redis: _forget_in_redis(redis, kept))
    except RedisAway:
        return
    here.gone.update(dict.fromkeys(kept, now + GONE_SECONDS))


async def _compute(turn: Turn, key: str, known: Known, seconds: float, compute: Callable[[], Awaitable[T]]) -> T:
    turn.begun += 1
    began, mark_here = time.monotonic(), here.marks.get(key)
    value = await compute()
    content = msgspec.json.encode(value)
    life = min(max(seconds, (time.monotonic() - began) * REST), LONGEST_SECONDS)
    is_redis_there = known.mark is not None and await _store(key, content, known.mark, life)
    if not is_redis_there and here.marks.get(key) == mark_here:
        here.keep(key, content, life)
    turn.done, turn.content = turn.begun, content
    return value


async def _look(key: str) -> Known:
    try:
        return await line.ask(lambda redis: _find_in_redis(redis, key))
    except RedisAway:
        return Known(here.find(key), None)


async def _store(key: str, content: bytes, mark: str, seconds: float) -> bool:
    """False when Redis did not answer. What was forgotten meanwhile is not stored, and that is well."""
    if not mark:
        return True
    try:
        await line.ask(lambda redis: _store_in_redis(redis, key, mark, content, round(seconds * 1000)))
    except RedisAway:
        return False
    return True


def _decode(content: bytes | None, type_: type[T]) -> T | None:
    """None also for what another version of this program has left there."""
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=type_)
    except msgspec.DecodeError:
        return None


async def _find_in_redis(redis: Redis, key: str) -> Known:
    keys, arguments = [_address(key), _mark_address(key)], [YOUNG_MICROSECONDS, MARK_SECONDS * 1000]
    content, mark = cast("list[bytes | None]", await look_in_redis(keys, arguments, client=redis))
    return Known(content, (mark or b"").decode())


async def _store_in_redis(redis: Redis, key: str, mark: str, content: bytes, milliseconds: int) -> None:
    await store_in_redis([_address(key), _mark_address(key)], [mark, content, milliseconds], client=redis)


async def _forget_in_redis(redis: Redis, keys: list[str]) -> None:
    await redis.delete(*map(_address, keys), *map(_mark_address, keys))


def _address(key: str) -> str:
    return f"{PREFIX}value:{key}"


def _mark_address(key: str) -> str:
    return f"{PREFIX}mark:{key}"
