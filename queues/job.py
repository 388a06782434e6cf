"""SAQ queues, and `@job`: a function to call now, or `.later()` by a worker.

Redis is only the bell; rows hold the truth.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec

import structlog
from redis.exceptions import RedisError
from saq import Job as SaqJob
from saq.queue.redis import RedisQueue
from saq.types import Context

from lib import actor, log
from lib.redis_client import connect_redis

logger = log.get("queues.job")
P = ParamSpec("P")

LONGEST_WAIT_SECONDS = 0.2
# Rings for the same thing within this time are one; a longer memory would outlive a worker that died with the job.
SAME_RING_SECONDS = 10
CROWD = 100


def make_queue(name: str) -> RedisQueue:
    return RedisQueue(connect_redis(), name=name)


QUEUES = {name: make_queue(name) for name in ("default", "imports")}


class Job(Generic[P]):
    """One function that a worker knows by name. Called, it runs here; `.later()` rings for a worker."""

    def __init__(self, run: Callable[P, Awaitable[None]], name: str, queue: str, timeout: int, retries: int) -> None:
        self.run = run
        self.name = name
        self.queue = queue
        self.timeout = timeout
        self.retries = retries

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        await self.run(*args, **kwargs)

    async def later(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Ring for a worker. Never raises, never waits long: the sweep rings again for what was not heard."""
        if args:
            raise TypeError("arguments of a job travel by name")
        arguments = {name: str(value) for name, value in kwargs.items()}
        key = ":".join([self.name, *arguments.values(), str(int(time.time() // SAME_RING_SECONDS))])
        job = SaqJob(self.name, kwargs=arguments, key=key, timeout=self.timeout, retries=self.retries, ttl=60)
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                await QUEUES[self.queue].enqueue(job)
        except (RedisError, OSError, TimeoutError) as error:
            logger.warning("not_rung", job=self.name, error=type(error).__name__)

    async def is_crowded(self) -> bool:
        """Enough rings wait in its queue: more would only pile up behind a long job."""
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                return await QUEUES[self.queue].count("queued") >= CROWD
        except (RedisError, OSError, TimeoutError):
            return False

    async def work(self, context: Context, **kwargs: Any) -> None:
        """What SAQ calls: the function with its job id in every log line, acting as the system."""
        job = context.get("job")
        with structlog.contextvars.bound_contextvars(job=self.name, job_key=job.key if job else ""):
            actor.become(actor.Actor())
            await self.run(**kwargs)  # type: ignore[call-arg] # They came through Redis by name.


def job(
    name: str, *, timeout: int, retries: int = 5, queue: str = "default"
) -> Callable[[Callable[P, Awaitable[None]]], Job[P]]:
    """Name a job, for the list in queues/worker.py. The name is data: never rename without keeping the old one."""

    def register(run: Callable[P, Awaitable[None]]) -> Job[P]:
        return Job(run, name, queue, timeout, retries)

    return register


async def disconnect() -> None:
    for queue in QUEUES.values():
        with contextlib.suppress(RedisError, OSError):
            await queue.disconnect()
