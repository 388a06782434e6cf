"""The inbox at work: a loop that each worker runs, and the job that it rings for."""

import asyncio
import time

from domains.catalog.races import RACES
from domains.mail.jobs import send_waiting_mail
from domains.shopify import inbox, skus
from domains.shopify.outcomes import Outcome
from domains.shopify.processing import process
from domains.shopify.webhooks import Webhook
from lib import cache, log
from lib.actor import Source, acting
from lib.loops import repeat
from piccolo_conf import GOODBYES, transaction
from queues.job import job

logger = log.get("shopify")

IDLE_SECONDS = 0.25
# Longer than any statement of a worker may take, which ends as an error of its webhook.
LONGEST_TURN_SECONDS = 900
TURN_SECONDS = 45
# One that has to wait for long must not keep the others: a second turn goes on beside it.
MOST_TURNS = 2
# Of one process: each has a connection, and two of the same product wait for each other.
LANES = 4
WAKE_EVERY_SECONDS = 30


class Turn:
    """Lanes that process what is due, side by side; they take nothing more on when the turn has ended."""

    def __init__(self) -> None:
        self.ends_at = time.monotonic() + TURN_SECONDS

    async def run(self) -> int:
        """How many were settled. Raises what ended a lane, behind the last one."""
        ended = await asyncio.gather(*(self._work() for _lane in range(LANES)), return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException):
                raise error
        return sum(settled for settled in ended if isinstance(settled, int))

    @property
    def takes_on(self) -> bool:
        return time.monotonic() < self.ends_at

    def stop(self) -> None:
        self.ends_at = 0

    async def _work(self) -> int:
        """Each webhook in a task of its own: a connection that dies in one cannot trouble the next."""
        settled = 0
        while self.takes_on and await asyncio.create_task(work_one()):
            settled += 1
        return settled


_at_work: set[Turn] = set()


@job("process_inbox", timeout=LONGEST_TURN_SECONDS, rings_apart=1)
async def process_inbox() -> None:
    """Until nothing is due, once for each process; any number of processes may."""
    if not _has_room():
        return
    turn = Turn()
    _at_work.add(turn)
    try:
        settled = await turn.run()
    finally:
        _at_work.discard(turn)
    if settled:
        await cache.forget("orders")


def _has_room() -> bool:
    return len(_at_work) < MOST_TURNS and not any(turn.takes_on for turn in _at_work)


def stop_processing() -> None:
    """What is under way is brought to its end: for a worker that was told to stop."""
    for turn in _at_work:
        turn.stop()


async def watch_inbox() -> None:
    """Any number of workers may. What nobody rang for, because the web process died or Redis is away, is found here."""
    watch = Watch()
    await repeat(watch.look, "inbox", IDLE_SECONDS)


class Watch:
    """Looks for what is due, and now and then for what may have become known unnoticed."""

    def __init__(self) -> None:
        self.woken_at = -float(WAKE_EVERY_SECONDS)

    async def look(self) -> bool:
        """That nothing more is to be done here: the job goes on by itself."""
        if time.monotonic() - self.woken_at >= WAKE_EVERY_SECONDS:
            self.woken_at = time.monotonic()
            await settle_skus()
            await inbox.wake_known()
        if _has_room() and await inbox.is_any_due():
            await process_inbox.ring_or_run()
        return True


async def work_one() -> bool:
    """Process the webhook that is longest due; whether there was one."""
    claimed: list[Webhook] = []
    try:
        outcome = await _settle_one(claimed)
    except Exception as error:  # Whatever a payload provokes must not stop the others.
        # A statement that took too long is an OSError too; but the database is there.
        is_away = isinstance(error, GOODBYES) and not isinstance(error, TimeoutError)
        if is_away or not claimed:
            raise
        await _put_off(claimed[0], error)
        return True
    if outcome is None:
        return False
    await inbox.wake(outcome.known)
    if outcome.moves_skus:
        await settle_skus()
    if outcome.awaits:
        await inbox.wake_known(claimed[0].id)
    if outcome.letters:
        await send_waiting_mail.later()
    return True


async def settle_skus() -> None:
    """Behind the commit that parked one, or that left one to others."""
    with acting(name="shopify", source=Source.SHOPIFY):
        await inbox.wake((await skus.settle()).known)


async def _settle_one(claimed: list[Webhook]) -> Outcome | None:
    async with transaction():
        webhook = await inbox.claim()
        if webhook is None:
            return None
        claimed.append(webhook)
        with acting(name="shopify", source=Source.SHOPIFY, reference=f"shopify-webhook:{webhook.id}"):
            outcome = await process(webhook)
        await inbox.settle(webhook, outcome)
    logger.info(
        "shopify_webhook_settled", id=webhook.id, topic=webhook.topic, state=outcome.state, reason=outcome.reason
    )
    return outcome


async def _put_off(webhook: Webhook, error: Exception) -> None:
    is_race = isinstance(error, RACES)
    await inbox.note_failure(webhook, error, is_race=is_race)
    if not is_race:
        logger.exception("shopify_webhook_failed", id=webhook.id, topic=webhook.topic)
