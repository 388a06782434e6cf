"""The worker: every job in one list, one SAQ worker for each queue, and the sweep beside them."""

import asyncio
import contextlib
import signal
from typing import Any, cast

from saq import Worker
from saq.types import Context, PartialTimersDict

from domains.catalog.jobs import run_bulk_change
from domains.imports.jobs import run_import
from lib import log
from piccolo_conf import pool
from queues.job import QUEUES, Job, disconnect
from queues.sweep import sweep_forever
from settings import settings

logger = log.get("queues.worker")

JOBS: list[Job[Any]] = [run_import, run_bulk_change]
CONCURRENCY = {"default": settings.worker_concurrency, "imports": settings.import_concurrency}
GRACE_SECONDS = 20
SPARE_CONNECTIONS = 4


async def work_forever() -> None:
    """Until SIGINT or SIGTERM: running jobs get 20 seconds to end, then their rows wait for the next worker."""
    workers = [_make_worker(name) for name in QUEUES]
    async with pool(sum(CONCURRENCY.values()) + SPARE_CONNECTIONS):
        tasks = [asyncio.create_task(worker.start()) for worker in workers]
        sweep = asyncio.create_task(sweep_forever())
        await _until_told()
        logger.info("worker_stopping")
        sweep.cancel()
        for worker in workers:
            worker.event.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(asyncio.CancelledError):
            await sweep
    await disconnect()


def _make_worker(queue: str) -> Worker[Context]:
    worker: Worker[Context] = Worker(
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


async def _until_told() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()
