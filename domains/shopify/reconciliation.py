"""A comparison with the shop: one at a time, with a row that tells how far it is and how it ended.

Who compares holds a lock that dies with its worker: a row that is "running" while nobody holds it was interrupted.
"""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import msgspec

from domains.shopify.outcomes import Became, Outcome
from domains.shopify.tables import InboundState
from domains.shopify.versions import Version
from domains.shopify.webhooks import Told
from lib import clock, log
from lib.errors import AppError, Conflict
from piccolo_conf import GOODBYES, connected, execute, fetch_value
from settings import settings

logger = log.get("shopify")

# Any number that no other lock of ours has.
LOCK = 5_207_030
TRY_LOCK = f"SELECT pg_try_advisory_lock({LOCK})"
UNLOCK = f"SELECT pg_advisory_unlock({LOCK})"

MOST_DIFFERENCES = 500
LONGEST_VALUE = 200
# How far the shop's clock may be from ours, and how long it may take until a change is in every answer.
LEEWAY = timedelta(minutes=5)

# Relies on shopify_reconciliation_running.
INTERRUPT = """
    UPDATE shopify_reconciliation
    SET state = 'interrupted', finished_at = $1, detail = 'Its worker ended before it did.'
    WHERE state = 'running'
"""
BEGIN = "INSERT INTO shopify_reconciliation (dry_run, started_at) VALUES ($1, $2) RETURNING id"
RUNNING = "SELECT counts FROM shopify_reconciliation WHERE state = 'running' ORDER BY id DESC LIMIT 1"
NOTE = "UPDATE shopify_reconciliation SET counts = $2, differences = $3 WHERE id = $1"
FINISH = """
    UPDATE shopify_reconciliation SET state = $2, detail = $3, counts = $4, differences = $5, finished_at = $6
    WHERE id = $1
"""


class AnotherIsRunning(Conflict):
    """Another reconciliation with the shop is at work; there is one at a time."""


class NothingListed(Conflict):
    """The shop lists nothing: nothing was removed here."""


class Difference(msgspec.Struct, frozen=True):
    """`what` is "variant", "item" or "level", and `shopify_id` the variant's, else the item's. Of a level `field` names
    the shop's location, as "available@7". "exists" is the field of what only one side has."""

    what: str
    shopify_id: int
    sku: str
    field: str
    ours: object
    theirs: object


class Counts(msgspec.Struct):
    """What the shop has (`variants`, `locations`, `levels`), how many differences there were, and what became of them.

    `kept` is what is newer here than the shop's answer, and `unknown` are levels for which nothing stands here.
    """

    variants: int = 0
    locations: int = 0
    levels: int = 0
    differences: int = 0
    created: int = 0
    updated: int = 0
    removed: int = 0
    kept: int = 0
    parked: int = 0
    refused: int = 0
    unknown: int = 0


class Report(msgspec.Struct):
    """The first 500 differences, and the counts of all."""

    id: int
    dry_run: bool
    started_at: datetime
    counts: Counts = msgspec.field(default_factory=Counts)
    differences: list[Difference] = []

    def differ(self, difference: Difference) -> None:
        self.counts.differences += 1
        if len(self.differences) < MOST_DIFFERENCES:
            short = {"ours": _shorten(difference.ours), "theirs": _shorten(difference.theirs)}
            self.differences.append(msgspec.structs.replace(difference, **short))

    def note(self, outcome: Outcome) -> None:
        """What became of a repair, each of its things by itself."""
        results = [result.became for result in outcome.results]
        if not results:
            results = [BECAME[outcome.state]]
        for became in results:
            if became is not Became.UNCHANGED:
                setattr(self.counts, became, getattr(self.counts, became) + 1)

    def tell(self) -> str:
        counts = self.counts
        number = _number(counts.differences, "difference")
        levels = f"{_number(counts.levels, 'level')} at {_number(counts.locations, 'location')}"
        compared = f"{_number(counts.variants, 'variant')} and {levels}"
        if not counts.differences:
            return f"{compared}: everything is as in the shop."
        if self.dry_run:
            return f"{compared}: {number}, and nothing was changed."
        became = [f"{count} {name}" for name in BECAMES if (count := getattr(counts, name))]
        return f"{compared}: {number}; {', '.join(became) or 'nothing was changed'}."


# Of an outcome that lists nothing: what is stale is newer here.
BECAME = {
    InboundState.PROCESSED: Became.UNCHANGED,
    InboundState.IGNORED: Became.KEPT,
    InboundState.PARKED: Became.PARKED,
    InboundState.FAILED: Became.REFUSED,
    InboundState.PENDING: Became.UNCHANGED,
}
BECAMES = (Became.CREATED, Became.UPDATED, Became.REMOVED, Became.KEPT, Became.PARKED, Became.REFUSED)


def tell(asked_at: datetime, updated_at: datetime | None = None) -> Told:
    """An answer of the shop holds every change up to when it was asked: it is that new, but for our leeway."""
    as_of = asked_at - LEEWAY
    return Told(settings.shopify_shop, Version(max(as_of, updated_at or as_of), as_of, settings.shopify_shop))


def equal_as_of(updated_at: datetime, asked_at: datetime) -> Version:
    """What is as it is in the shop is as new as the shop says. What the shop does to it within the same second, behind
    the answer, is newer, whatever our clock said."""
    return Version(updated_at, asked_at - LEEWAY, settings.shopify_shop)


@contextlib.asynccontextmanager
async def reconciling(*, dry_run: bool) -> AsyncIterator[Report]:
    """A row for the length of the block, which fills the report. Raises AnotherIsRunning.

    Stopped in the middle it stays "running", until the next one finds it.
    """
    async with _alone():
        now = clock.now()
        await execute(INTERRUPT, now)
        report = Report(await fetch_value(BEGIN, dry_run, now), dry_run, now)
        try:
            yield report
        except GOODBYES:
            raise
        except Exception as error:
            detail = error.detail if isinstance(error, AppError) else f"Stockroom failed ({type(error).__name__})."
            await _finish(report, "failed", detail)
            raise
        await _finish(report, "completed", report.tell())


async def find_progress() -> Counts:
    """How far the one is that runs."""
    counts = await fetch_value(RUNNING)
    return msgspec.json.decode(counts or "{}", type=Counts)


async def keep(report: Report) -> None:
    """So that whoever looks sees how far it is."""
    await execute(NOTE, report.id, *_as_json(report))


async def _finish(report: Report, state: str, detail: str) -> None:
    counts, differences = _as_json(report)
    await execute(FINISH, report.id, state, detail, counts, differences, clock.now())
    logger.info("shopify_reconciled", id=report.id, state=state, **msgspec.structs.asdict(report.counts))


@contextlib.asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """With the lock, which belongs to a connection of its own."""
    async with connected() as connection:
        if not await connection.fetchval(TRY_LOCK):
            raise AnotherIsRunning
        try:
            yield
        finally:
            if not connection.is_closed():
                await connection.execute(UNLOCK)


def _as_json(report: Report) -> tuple[str, str]:
    return msgspec.json.encode(report.counts).decode(), msgspec.json.encode(report.differences).decode()


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _shorten(value: object) -> object:
    return f"{value[:LONGEST_VALUE]}…" if isinstance(value, str) and len(value) > LONGEST_VALUE else value
