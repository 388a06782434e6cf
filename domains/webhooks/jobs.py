"""The relay, a loop that each worker runs, and the job that it rings for."""

import contextlib
from collections.abc import AsyncIterator

from domains.mail.jobs import send_waiting_mail
from domains.realtime import feed
from domains.webhooks import deliveries
from domains.webhooks.deliverer import LONGEST_TURN_SECONDS, Deliverer
from domains.webhooks.holding import holding
from domains.webhooks.relay import relay_events
from lib.loops import repeat
from queues.job import job

IDLE_SECONDS = 0.25

_at_work: set[Deliverer] = set()


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


async def relay_forever() -> None:
    """Any number of workers may."""
    await repeat(_turn, "relay", IDLE_SECONDS)


async def _turn() -> bool:
    """Whether nothing more waits."""
    relayed = await relay_events()
    if relayed.followed:
        await feed.tell(relayed.followed)
    # Also what is due again, and what a worker left that died: nobody else rings for it.
    is_due = relayed.deliveries or (not relayed.was_full and await deliveries.is_any_due())
    if is_due:
        await deliver_due.ring_or_run()
    return not relayed.was_full
