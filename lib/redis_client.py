"""How Redis is reached: clients for queues that wait, and one client per process for questions that must not.

A question through `ask` gets its answer within a fifth of a second or a RedisAway. After that nobody asks for some
seconds, so that an outage costs one request of many a short wait, not each of them.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import RedisError

from lib import embedded, log
from settings import settings

logger = log.get("lib.redis_client")
T = TypeVar("T")

REDIS_URL = settings.redis_url or embedded.redis_url(settings.data_dir)
LONGEST_ANSWER_SECONDS = 0.2
MOMENT_SECONDS = 0.04
# A clock that rings so much later tells of a busy processor.
LATE_SECONDS = 0.01
PAUSE_SECONDS = 3
# More would only share the same processor of Redis; those who wait here learn at once when it has gone.
QUESTIONS_AT_ONCE = 4


class RedisAway(Exception):
    """Redis did not answer in time, or was found not to answer a moment ago."""


def connect_redis(*, retry: Retry | None = None, connect_seconds: float = 2, answer_seconds: float = 15) -> Redis:
    """A client that gives up a silent connection and does not spin while Redis is down."""
    # A unix socket has nothing to keep alive, and redis-py refuses to be told.
    over_tcp = {} if REDIS_URL.startswith("unix:") else {"socket_keepalive": True}
    return Redis.from_url(
        REDIS_URL,
        **over_tcp,
        socket_connect_timeout=connect_seconds,
        socket_timeout=answer_seconds,
        health_check_interval=15,
        retry=retry or Retry(ExponentialBackoff(cap=2, base=0.1), 5),
    )


class Line:
    """Quick questions to Redis, few at a time, and none while it is known to be away."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.gate = asyncio.Semaphore(QUESTIONS_AT_ONCE)
        self.is_away = False
        self.ask_again_at = 0.0

    async def ask(self, question: Callable[[Redis], Awaitable[T]]) -> T:
        """Raises RedisAway. A question may reach Redis twice, or reach it although nobody heard the answer."""
        async with self.gate:
            self._refuse_while_away()
            try:
                answer = await in_time(question(self.client), LONGEST_ANSWER_SECONDS)
            except (RedisError, OSError, TimeoutError) as error:
                self._note_away(error)
                raise RedisAway from error
        self._note_there()
        return answer

    async def close(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self.client.aclose()

    def _refuse_while_away(self) -> None:
        if time.monotonic() < self.ask_again_at:
            raise RedisAway
        if self.is_away:
            # This request tries; the others need not wait to hear what it finds.
            self.ask_again_at = time.monotonic() + PAUSE_SECONDS

    def _note_away(self, error: Exception) -> None:
        if not self.is_away:
            logger.warning("redis_away", error=type(error).__name__)
        self.is_away = True
        self.ask_again_at = time.monotonic() + PAUSE_SECONDS

    def _note_there(self) -> None:
        if self.is_away:
            logger.info("redis_back")
        self.is_away = False
        self.ask_again_at = 0.0


async def in_time(answer: Awaitable[T], seconds: float) -> T:
    """Raises TimeoutError. Moments in which this process was not woken in time say nothing about Redis."""
    task = asyncio.ensure_future(answer)
    moments = round(seconds / MOMENT_SECONDS)
    try:
        while not task.done() and moments > 0:
            began = time.monotonic()
            await asyncio.wait([task], timeout=MOMENT_SECONDS)
            if time.monotonic() - began < MOMENT_SECONDS + LATE_SECONDS:
                moments -= 1
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        task.cancel()


# One more attempt, for connections that died with the Redis before this one.
line = Line(connect_redis(retry=Retry(NoBackoff(), 1), connect_seconds=1, answer_seconds=1))
