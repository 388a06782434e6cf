"""SAQ queues, and `@job`: a function to call now, or `.later()` by a worker.

Redis is only the bell; rows hold the truth.
"""

import asyncio
import contextlib
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec, get_type_hints

import msgspec
import structlog
from redis.exceptions import RedisError
from saq import Job as SaqJob
from saq.queue.redis import RedisQueue
from saq.types import Context

from lib import actor, log
from lib.redis_client import connect_redis, in_time

logger = log.get("queues.job")
P = ParamSpec("P")

LONGEST_WAIT_SECONDS = 0.2
TOLD_EVERY_SECONDS = 30
SAME_RING_SECONDS = 10
CROWD = 100


def make_queue(name: str) -> RedisQueue:
    return RedisQueue(connect_redis(), name=name)


_unrung: set["asyncio.Task[None]"] = set()
QUEUES = {name: make_queue(name) for name in ("default", "imports")}


class JobFailed(Exception):
    """Raised by a job that has come to a bad end; its sentence is for people."""


class Traits(msgspec.Struct, frozen=True):
    """Of a job. `timeout` is in seconds. `title` is what people read who schedule it; "" when nobody may.

    Rings for the same thing are one within `rings_apart` seconds, and longer while that one waits or runs; a longer
    memory would outlive a worker that died with the job.
    """

    name: str
    timeout: int
    retries: int
    queue: str
    title: str
    rings_apart: int = SAME_RING_SECONDS


class Job(Generic[P]):
    """One function that a worker knows by name. Called, it runs here; `.later()` rings for a worker.

    `arguments` is a Struct of its arguments. It may return a sentence, which a schedule keeps as the run's detail.
    """

    def __init__(self, run: Callable[P, Awaitable[str | None]], traits: Traits) -> None:
        self.run = run
        self.name = traits.name
        self.queue = traits.queue
        self.timeout = traits.timeout
        self.retries = traits.retries
        self.title = traits.title
        self.rings_apart = traits.rings_apart
        self.told_at = -float(TOLD_EVERY_SECONDS)
        self.arguments = _arguments_of(run, traits.name)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> str | None:
        return await self.run(*args, **kwargs)

    async def run_with(self, arguments: msgspec.Struct) -> str | None:
        """Here and now, with one of `arguments`."""
        return await self.run(**msgspec.structs.asdict(arguments))  # type: ignore[call-arg] # Its own arguments.

    async def later(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Ring for a worker. Never raises, never waits long: the sweep rings again for what was not heard.

        Whether Redis heard it.
        """
        if args:
            raise TypeError("arguments of a job travel by name")
        arguments = {name: str(value) for name, value in kwargs.items()}
        key = ":".join([self.name, *arguments.values(), str(int(time.time() // self.rings_apart))])
        job = SaqJob(self.name, kwargs=arguments, key=key, timeout=self.timeout, retries=self.retries, ttl=60)
        try:
            await in_time(QUEUES[self.queue].enqueue(job), LONGEST_WAIT_SECONDS)
        except (RedisError, OSError, TimeoutError) as error:
            self._tell_not_rung(error)
            return False
        return True

    async def ring_or_run(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """For loops of a worker: while Redis is away nobody hears a ring, and the job runs in this process instead."""
        if not await self.later(*args, **kwargs):
            task = asyncio.create_task(self._run_quietly(*args, **kwargs))
            _unrung.add(task)
            task.add_done_callback(_unrung.discard)

    async def _run_quietly(self, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await self.run(*args, **kwargs)
        except Exception as error:  # The next turn of the loop tries again.
            logger.warning("unrung_job_failed", job=self.name, error=type(error).__name__)

    def _tell_not_rung(self, error: Exception) -> None:
        """Once in a while: an outage is one thing that happened, however often somebody rings meanwhile."""
        if time.monotonic() - self.told_at >= TOLD_EVERY_SECONDS:
            self.told_at = time.monotonic()
            logger.warning("not_rung", job=self.name, error=type(error).__name__)

    async def is_crowded(self) -> bool:
        """Enough rings wait in its queue: more would only pile up behind a long job."""
        try:
            return await in_time(QUEUES[self.queue].count("queued"), LONGEST_WAIT_SECONDS) >= CROWD
        except (RedisError, OSError, TimeoutError):
            return False

    async def work(self, context: Context, **kwargs: Any) -> None:
        """What SAQ calls: the function with its job id in every log line, acting as the system."""
        job = context.get("job")
        with structlog.contextvars.bound_contextvars(job=self.name, job_key=job.key if job else ""):
            actor.become(actor.Actor())
            # They came through Redis by name, as text.
            await self.run_with(msgspec.convert(kwargs, self.arguments, strict=False))


def job(
    name: str,
    *,
    timeout: int,
    retries: int = 5,
    queue: str = "default",
    schedulable: str = "",
    rings_apart: int = SAME_RING_SECONDS,
) -> Callable[[Callable[P, Awaitable[str | None]]], Job[P]]:
    """Name a job, for the list in queues/worker.py; with a title in `schedulable` people may schedule it.

    The name is data: never rename without keeping the old one.
    """

    def register(run: Callable[P, Awaitable[str | None]]) -> Job[P]:
        return Job(run, Traits(name, timeout, retries, queue, schedulable, rings_apart))

    return register


def _arguments_of(run: Callable[..., object], name: str) -> type[msgspec.Struct]:
    """Raises TypeError, when a module is imported, for arguments that could not be read from text or JSON."""
    hints = get_type_hints(run, include_extras=True)
    given = inspect.signature(run).parameters.values()
    fields = [(it.name, hints[it.name], *([] if it.default is it.empty else [it.default])) for it in given]
    arguments = msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)
    msgspec.json.Decoder(arguments)
    return arguments


async def wait_for_unrung() -> None:
    """To the end of those jobs that no worker heard of, because Redis heard no ring."""
    await asyncio.gather(*_unrung, return_exceptions=True)


async def disconnect() -> None:
    for queue in QUEUES.values():
        with contextlib.suppress(RedisError, OSError):
            await queue.disconnect()
