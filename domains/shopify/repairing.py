"""One repair: a transaction that is tried again when somebody comes between, and that stops no other repair."""

from collections.abc import Awaitable, Callable, Collection

import asyncpg

from domains.catalog.races import RACES, despite_races
from domains.shopify import versions
from domains.shopify.outcomes import Became, Outcome, Result
from domains.shopify.tables import Kind
from domains.shopify.versions import Version
from lib import log
from lib.errors import AppError
from piccolo_conf import transaction

logger = log.get("shopify")

# What is here is newer than the shop's answer.
KEPT = Outcome(results=(Result(Became.KEPT),))
# A statement that waits too long for somebody's lock ends in a TimeoutError.
REFUSALS = (*RACES, AppError, TimeoutError, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


async def repair(save: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """What became of it. What cannot be written is refused, and told in the log."""

    async def act() -> Outcome:
        async with transaction():
            return await save()

    try:
        return await despite_races(act)
    except REFUSALS as error:
        logger.warning("shopify_repair_refused", error=type(error).__name__)
        return Outcome(results=(Result(Became.REFUSED),))


async def raise_versions(kind: Kind, equal: Collection[tuple[int, int, Version]]) -> None:
    """Of what is as it is in the shop: (id, location id or 0, version). Where somebody is in the way they stay as they
    were."""

    async def save() -> Outcome:
        await versions.advance_all(kind, equal)
        return Outcome()

    await repair(save)
