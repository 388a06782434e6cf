"""A comparison with the shop: one at a time, with a row that tells how far it is and how it ended.

Who compares holds a lock that dies with its worker: a row that is "running" while nobody holds it was interrupted, and
the next one goes on there. All that is written to the row goes through the connection that holds the lock.
"""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import msgspec

from domains.shopify.admin_api import ShopUnavailable
from domains.shopify.comparison import Comparison, Phase, Progress
from domains.shopify.reconciliation_report import Counts, Difference, Report
from domains.shopify.tables import ReconciliationState
from domains.shopify.versions import Version
from domains.shopify.webhooks import Told
from lib import clock, log
from lib.errors import AppError, Conflict
from piccolo_conf import GOODBYES, Connection, connected, fetch_value
from settings import settings

logger = log.get("shopify")

# Any number that no other lock of ours has.
LOCK = 5_207_030
TRY_LOCK = f"SELECT pg_try_advisory_lock({LOCK})"
UNLOCK = f"SELECT pg_advisory_unlock({LOCK})"

# How far the shop's clock may be from ours, and how long it may take until a change is in every answer.
LEEWAY = timedelta(minutes=5)
# What the shop listed longer ago says too little of what it has now.
LONGEST_REST = timedelta(hours=24)

# Relies on shopify_reconciliation_running.
INTERRUPT = """
    UPDATE shopify_reconciliation
    SET state = 'interrupted', finished_at = $1, detail = 'Its worker ended before it did.'
    WHERE state = 'running'
"""
# The last one, if there is something to go on from. Relies on there being few, as all below.
FIND_STOPPED = """
    SELECT id, progress FROM shopify_reconciliation
    WHERE id = (SELECT max(id) FROM shopify_reconciliation WHERE NOT dry_run)
        AND progress IS NOT NULL AND shop = $1 AND moved_at > $2
"""
# Also what one noted that ended on its first page.
FORGET_OTHERS = """
    WITH others AS (UPDATE shopify_reconciliation SET progress = NULL WHERE progress IS NOT NULL AND id <> $1)
    DELETE FROM shopify_listed WHERE reconciliation <> $1
"""
BEGIN = "INSERT INTO shopify_reconciliation (dry_run, shop, started_at) VALUES ($1, $2, $3) RETURNING id"
GO_ON = """
    UPDATE shopify_reconciliation SET state = 'running', detail = '', finished_at = NULL, resumes = resumes + 1
    WHERE id = $1 RETURNING started_at, resumes, counts, differences
"""
RUNNING = "SELECT counts FROM shopify_reconciliation WHERE state = 'running' ORDER BY id DESC LIMIT 1"
STOP = """
    UPDATE shopify_reconciliation SET state = $2, detail = $3, counts = $4, differences = $5, finished_at = $6
    WHERE id = $1
"""
# Relies on shopify_listed_key.
FINISH = """
    WITH gone AS (DELETE FROM shopify_listed WHERE reconciliation = $1)
    UPDATE shopify_reconciliation
    SET state = $2, detail = $3, counts = $4, differences = $5, finished_at = $6, progress = NULL
    WHERE id = $1
"""


class AnotherIsRunning(Conflict):
    """Another reconciliation with the shop is at work; there is one at a time."""


class NothingListed(Conflict):
    """The shop lists nothing: nothing was removed here."""


def tell(asked_at: datetime, updated_at: datetime | None = None) -> Told:
    """An answer of the shop holds every change up to when it was asked: it is that new, but for our leeway."""
    as_of = asked_at - LEEWAY
    return Told(settings.shopify_shop, Version(max(as_of, updated_at or as_of), as_of, settings.shopify_shop))


def equal_as_of(updated_at: datetime, asked_at: datetime) -> Version:
    """What is as it is in the shop is as new as the shop says. What the shop does to it within the same second, behind
    the answer, is newer, whatever our clock said."""
    return Version(updated_at, asked_at - LEEWAY, settings.shopify_shop)


@contextlib.asynccontextmanager
async def reconciling(shop: str, *, dry_run: bool, from_start: bool = False) -> AsyncIterator[Comparison]:
    """A row for the length of the block, which fills its report: that of the last one where it stopped, unless
    `from_start`. One that changes nothing always begins anew, and is not gone on with. Raises AnotherIsRunning.

    Stopped in the middle it stays "running", until the next one finds it.
    """
    async with _alone() as connection:
        comparison = await _begin(connection, shop, dry_run=dry_run, from_start=from_start)
        try:
            yield comparison
        except GOODBYES:
            raise
        except Exception as error:
            detail = error.detail if isinstance(error, AppError) else f"Stockroom failed ({type(error).__name__})."
            # What else it met it would meet again there.
            is_stopped = isinstance(error, ShopUnavailable) and not dry_run
            await _finish(comparison, STOP if is_stopped else FINISH, ReconciliationState.FAILED, detail)
            raise
        await _finish(comparison, FINISH, ReconciliationState.COMPLETED, comparison.report.tell())


async def find_progress() -> Counts:
    """How far the one is that runs."""
    counts = await fetch_value(RUNNING)
    return msgspec.json.decode(counts or "{}", type=Counts)


async def _begin(connection: Connection, shop: str, *, dry_run: bool, from_start: bool) -> Comparison:
    now = clock.now()
    await connection.execute(INTERRUPT, now)
    stopped = await _find_stopped(connection, shop, now) if dry_run or not from_start else None
    await connection.execute(FORGET_OTHERS, stopped[0] if stopped else 0)
    if stopped and not dry_run:
        return await _go_on(connection, *stopped)
    report = Report(await connection.fetchval(BEGIN, dry_run, shop, now), dry_run, now)
    return Comparison(connection, report, Progress(Phase.VARIANTS, now))


async def _find_stopped(connection: Connection, shop: str, now: datetime) -> tuple[int, Progress] | None:
    """Its id, and how far it is; None where that is told in the words of another release."""
    row = await connection.fetchrow(FIND_STOPPED, shop, now - LONGEST_REST)
    with contextlib.suppress(msgspec.DecodeError):
        return (row["id"], msgspec.json.decode(row["progress"], type=Progress)) if row else None
    return None


async def _go_on(connection: Connection, stopped: int, progress: Progress) -> Comparison:
    (row,) = await connection.fetch(GO_ON, stopped)
    counts = msgspec.json.decode(row["counts"], type=Counts)
    differences = msgspec.json.decode(row["differences"], type=list[Difference])
    report = Report(stopped, False, row["started_at"], row["resumes"], counts, differences)
    logger.info("shopify_reconciliation_goes_on", id=stopped, **msgspec.structs.asdict(counts))
    return Comparison(connection, report, progress)


async def _finish(comparison: Comparison, statement: str, state: ReconciliationState, detail: str) -> None:
    report = comparison.report
    told = (msgspec.json.encode(it).decode() for it in (report.counts, report.differences))
    await comparison.connection.execute(statement, report.id, state, detail, *told, clock.now())
    logger.info("shopify_reconciled", id=report.id, state=state, **msgspec.structs.asdict(report.counts))


@contextlib.asynccontextmanager
async def _alone() -> AsyncIterator[Connection]:
    """With the lock, which belongs to a connection of its own."""
    async with connected() as connection:
        if not await connection.fetchval(TRY_LOCK):
            raise AnotherIsRunning
        try:
            yield connection
        finally:
            if not connection.is_closed():
                await connection.execute(UNLOCK)
