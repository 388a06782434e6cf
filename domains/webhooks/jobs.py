"""The relay, a loop that each worker runs, and the job that it rings for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from domains.mail.jobs import send_waiting_mail
from domains.realtime import feed
from domains.webhooks import deliveries
from domains.webhooks.deliverer import LONGEST_TURN_SECONDS, Deliverer
from domains.webhooks.holding import holding
from domains.webhooks.relay import relay_events
from lib import log
from queues.job import job

logger = log.get("webhooks.jobs")

IDLE_SECONDS = 0.25
PAUSE_AFTER_ERROR_SECONDS = 2.0

_at_work: set[Deliverer] = set()
_unrung: set["asyncio.Task[None]"] = set()


@job("deliver_due", timeout=LONGEST_TURN_SECONDS, rings_apart=1)
async def deliver_due() -> None:
    """Once for each process: a turn that still takes on work finds by itself what is due meanwhile."""
    if any(deliverer.takes_on for deliverer in _at_work):
        return
    async with holding() as holder, _counted(Deliverer(holder)) as deliverer:
        await deliverer.run()
    if deliverer.letters:
        await send_waiting_mail.later()
    if await deliveries.is_any_due():
        await deliver_due.later()


@contextlib.asynccontextmanager
async def _counted(deliverer: Deliverer) -> AsyncIterator[Deliverer]:
    _at_work.add(deliverer)
    try:
        yield deliverer
    finally:
        _at_work.discard(deliverer)


def stop_delivering() -> None:
    """Turns bring to an end what is under way: for a worker that was told to stop."""
    for deliverer in _at_work:
        deliverer.stop()


async def wait_for_unrung() -> None:
    """To the end of those turns that are no worker's job, because Redis heard no ring."""
    await asyncio.gather(*_unrung, return_exceptions=True)


async def relay_forever() -> None:
    """Any number of workers may. Each turn is its own task: a connection that dies in one cannot trouble the next."""
    is_away = False
    while True:
        try:
            is_idle = await asyncio.create_task(_turn())
        except Exception as error:  # The relay must outlive PostgreSQL.
            if not is_away:
                logger.warning("relay_failed", error=type(error).__name__)
            is_away = True
            await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)
            continue
        is_away = False
        if is_idle:
            await asyncio.sleep(IDLE_SECONDS)


async def _turn() -> bool:
    """Whether nothing more waits."""
    relayed = await relay_events()
    if relayed.followed:
        await feed.tell(relayed.followed)
    # Also what is due again, and what a worker left that died: nobody else rings for it.
    is_due = relayed.deliveries or (not relayed.was_full and await deliveries.is_any_due())
    if is_due and not await deliver_due.later():
        _deliver_here()
    return not relayed.was_full


def _deliver_here() -> None:
    """While Redis is away nobody hears a ring."""
    task = asyncio.create_task(_deliver_quietly())
    _unrung.add(task)
    task.add_done_callback(_unrung.discard)


async def _deliver_quietly() -> None:
    try:
        await deliver_due()
    except Exception as error:  # The next turn of the relay tries again.
        logger.warning("delivering_failed", error=type(error).__name__)
