"""Listening to the feed's channel in Redis, for as long as somebody wants to, through every loss of Redis."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence

from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from domains.realtime.feed import CHANNEL, Line
from lib import log
from lib.redis_client import connect_redis

logger = log.get("realtime.hearing")

SHORTEST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 2
WAIT_SECONDS = 1
# Where bytes get lost on the way nothing breaks, it only falls silent: who hears nothing asks, and then hangs up.
SILENCE_SECONDS = 5
LONGEST_SILENCE_SECONDS = 8


class Ear:
    """Hands what it hears to `take`; it listens only while `is_wanted` is set."""

    def __init__(self, is_wanted: asyncio.Event, take: Callable[[Sequence[Line]], None]) -> None:
        self.is_wanted = is_wanted
        self.take = take
        self.pause = SHORTEST_PAUSE_SECONDS
        self.is_deaf = False

    async def listen(self) -> None:
        """Runs until it is cancelled."""
        while True:
            await self.is_wanted.wait()
            try:
                await self._hear()
            except (RedisError, OSError, TimeoutError) as error:
                if not self.is_deaf:
                    logger.warning("feed_not_heard", error=type(error).__name__)
                self.is_deaf = True
                # Not all processes at the same moment.
                await asyncio.sleep(self.pause * random.uniform(0.8, 1.2))  # noqa: S311 - Nobody gains by guessing it.
                self.pause = min(2 * self.pause, LONGEST_PAUSE_SECONDS)

    async def _hear(self) -> None:
        """Until nobody wants to any more; raises when Redis is lost."""
        redis = connect_redis(retry=Retry(NoBackoff(), 0), answer_seconds=LONGEST_SILENCE_SECONDS)
        try:
            async with redis.pubsub() as channel:
                await channel.subscribe(CHANNEL)
                await self._hear_on(channel)
        finally:
            with contextlib.suppress(RedisError, OSError):
                await redis.aclose()

    async def _hear_on(self, channel: PubSub) -> None:
        heard_at, has_asked = time.monotonic(), False
        while self.is_wanted.is_set():
            message = await channel.get_message(timeout=WAIT_SECONDS)
            silence = time.monotonic() - heard_at
            if message is not None:
                heard_at, has_asked = time.monotonic(), False
                self._note_heard()
                self.take(message["data"].split(b"\n") if message["type"] == "message" else [])
            elif silence > LONGEST_SILENCE_SECONDS:
                raise TimeoutError
            elif silence > SILENCE_SECONDS and not has_asked:
                has_asked = True
                await channel.ping()

    def _note_heard(self) -> None:
        if self.is_deaf:
            logger.info("feed_heard_again")
        self.is_deaf = False
        self.pause = SHORTEST_PAUSE_SECONDS
