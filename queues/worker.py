"""The worker: every job in one list, one SAQ worker for each queue, and beside them sweep, relay and inbox."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any, cast

from redis.exceptions import RedisError
from saq import Worker
from saq.types import Context, PartialTimersDict

from domains.catalog.jobs import run_bulk_change
from domains.imports.jobs import run_import
from domains.mail.jobs import send_waiting_mail
from domains.shopify.jobs import process_inbox, stop_processing, watch_inbox
from domains.webhooks.jobs import deliver_due, relay_forever, stop_delivering
from lib import egress, log
from piccolo_conf import pool
from queues.job import QUEUES, TOLD_EVERY_SECONDS, Job, disconnect, wait_for_unrung
from queues.runs import run_schedule
from queues.schedules import SCHEDULABLE
from queues.sweep import sweep_forever
from settings import settings

logger = log.get("queues.worker")

JOBS: list[Job[Any]] = [
    run_import,
    run_bulk_change,
    send_waiting_mail,
    deliver_due,
    process_inbox,
    run_schedule,
    *SCHEDULABLE.values(),
]
CONCURRENCY = {"default": settings.worker_concurrency, "imports": settings.import_concurrency}
GRACE_SECONDS = 20
SPARE_CONNECTIONS = 8
# A chunk of an import may have to wait for others' locks.
LONGEST_STATEMENT_SECONDS = 600


async def work_forever() -> None:
    """Until SIGINT or SIGTERM: running jobs get 20 seconds to end, then their rows wait for the next worker."""
    logging.getLogger("saq").addFilter(RedisAway())
    workers = [_make_worker(name) for name in QUEUES]
    connections = sum(CONCURRENCY.values()) + SPARE_CONNECTIONS
    async with pool(connections, longest_seconds=LONGEST_STATEMENT_SECONDS), egress.opened():
        tasks = [asyncio.create_task(worker.start()) for worker in workers]
        async with _beside(sweep_forever(), relay_forever(), watch_inbox()):
            await _until_told()
            logger.info("worker_stopping")
        stop_delivering()
        stop_processing()
        for worker in workers:
            worker.tell_to_stop()
        await asyncio.gather(*tasks, wait_for_unrung(), return_exceptions=True)
    await disconnect()


@contextlib.asynccontextmanager
async def _beside(*loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Loops that go on for as long as the block does."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class QueueWorker(Worker[Context]):
    """SAQ's, which stops when its jobs have ended: its own upkeep would sleep on for ten seconds."""

    async def upkeep(self) -> list[asyncio.Task[None]]:
        self.chores = await super().upkeep()
        return self.chores

    def tell_to_stop(self) -> None:
        self.event.set()
        for chore in self.chores:
            chore.cancel()


def _make_worker(queue: str) -> QueueWorker:
    worker = QueueWorker(
        QUEUES[queue],
        functions=[(job.name, job.work) for job in JOBS if job.queue == queue],
        concurrency=CONCURRENCY[queue],
        # Also the longest time that an idle worker needs to stop.
        dequeue_timeout=1,
        timers=cast("PartialTimersDict", {"sweep": 10}),
        shutdown_grace_period_s=GRACE_SECONDS,
    )
    # SAQ gives each signal to the worker that started last; one handler tells them all.
    worker.SIGNALS = []
    return worker


class RedisAway(logging.Filter):
    """SAQ tells of a lost Redis with a traceback, four times a second: once in half a minute, in a line, is enough."""

    def __init__(self) -> None:
        super().__init__()
        self.told_at = -float(TOLD_EVERY_SECONDS)

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, RedisError | OSError):
            return True
        if time.monotonic() - self.told_at < TOLD_EVERY_SECONDS:
            return False
        self.told_at = time.monotonic()
        record.msg, record.args, record.exc_info = f"Redis does not answer ({type(error).__name__})", (), None
        return True


async def _until_told() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()
