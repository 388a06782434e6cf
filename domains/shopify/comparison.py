"""How far a comparison with the shop is, and what the shop has listed so far: in tables, so that the next one goes on.

Both are written a page at a time, in one statement, behind everything that the page led to: one that is killed anywhere
repeats a page at most, and misses none.
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import msgspec

from domains.shopify.reconciliation_report import Report
from domains.shopify.tables import ListedKind
from domains.shopify.versions import Version
from lib import clock
from piccolo_conf import Connection, execute, fetch, fetch_value

# The kind, the shop's id, and that of the location, for levels; else 0.
Listed: TypeAlias = tuple[ListedKind, int, int]

MOVE = """
    UPDATE shopify_reconciliation SET counts = $2, differences = $3, progress = $4, moved_at = $5 WHERE id = $1
"""
# Relies on shopify_listed_key, as all below.
KEEP = f"""
    WITH listed AS (
        INSERT INTO shopify_listed (reconciliation, kind, shopify_id, location_id)
        SELECT $1, n.kind, n.shopify_id, n.location_id
        FROM unnest($6::text[], $7::bigint[], $8::bigint[]) AS n (kind, shopify_id, location_id)
        ON CONFLICT (reconciliation, kind, shopify_id, location_id) DO NOTHING
    )
    {MOVE}
"""
# Its levels are not needed any more: there are far more of them than of all else.
LEAVE_LOCATION = f"""
    WITH listed AS (
        INSERT INTO shopify_listed (reconciliation, kind, shopify_id) VALUES ($1, 'location', $6)
        ON CONFLICT (reconciliation, kind, shopify_id, location_id) DO NOTHING
    ), gone AS (
        DELETE FROM shopify_listed WHERE reconciliation = $1 AND kind = 'level' AND location_id = $6
    )
    {MOVE}
"""
NOTE_VERSION = """
    INSERT INTO shopify_listed (reconciliation, kind, shopify_id, given_updated_at, given_triggered_at)
    VALUES ($1, 'product', $2, $3, $4)
    ON CONFLICT (reconciliation, kind, shopify_id, location_id) DO UPDATE
    SET given_updated_at = excluded.given_updated_at, given_triggered_at = excluded.given_triggered_at
"""
LOCATIONS = "SELECT shopify_id FROM shopify_listed WHERE reconciliation = $1 AND kind = 'location'"
IS_ANY_LEVEL = """
    SELECT EXISTS (SELECT FROM shopify_listed WHERE reconciliation = $1 AND kind = 'level' AND location_id = $2)
"""


def is_listed(kind: ListedKind, shopify_id: str, location_id: str = "0") -> str:
    """In SQL, for the comparison $1: looked up for each row by itself. PostgreSQL knows too little of a table that was
    empty a while ago to join it: it would compare all with all. Relies on shopify_listed_key."""
    return f"""(
        SELECT true FROM shopify_listed WHERE reconciliation = $1 AND kind = '{kind}' AND shopify_id = {shopify_id}
            AND location_id = {location_id}
    ) IS NOT NULL"""


class Phase(StrEnum):
    """variants → unlisted → levels."""

    VARIANTS = "variants"
    UNLISTED = "unlisted"
    LEVELS = "levels"


class Progress(msgspec.Struct, frozen=True):
    """All that comes before this is done. `after` is the cursor of what the shop lists, and `behind` the id up to which
    what it does not list is removed.

    `since` is when this list was begun: nothing that was told since is removed for being absent from it. `location` is
    the one whose levels are read, by the shop's id; 0 for none.
    """

    phase: Phase
    since: datetime
    location: int = 0
    after: str | None = None
    behind: int = -1


class Comparison(msgspec.Struct):
    """One that is at work. `connection` holds the lock of comparisons."""

    connection: Connection
    report: Report
    progress: Progress


async def keep(comparison: Comparison, progress: Progress, listed: Collection[Listed] = ()) -> None:
    """For the next one, and for whoever looks. By the connection that holds the lock: where that is lost another one
    may be at work, and this one ends here."""
    kinds, ids, locations = [it[0] for it in listed], [it[1] for it in listed], [it[2] for it in listed]
    await comparison.connection.execute(KEEP, *_told(comparison.report, progress), kinds, ids, locations)
    comparison.progress = progress


async def leave_location(comparison: Comparison, progress: Progress) -> None:
    """The one that the comparison is at: all its levels are compared."""
    location_id = comparison.progress.location
    await comparison.connection.execute(LEAVE_LOCATION, *_told(comparison.report, progress), location_id)
    comparison.progress = progress


async def note_version(report: Report, product_id: int, version: Version) -> None:
    """That this comparison gives it to a product of the shop. In the transaction that does so: one that is killed
    behind it must know its own writes."""
    await execute(NOTE_VERSION, report.id, product_id, version.updated_at, version.triggered_at)


async def find_left_locations(report: Report) -> set[int]:
    """Those that had any level when they were compared."""
    return {row["shopify_id"] for row in await fetch(LOCATIONS, report.id)}


async def has_levels(report: Report, location_id: int) -> bool:
    """Whether any is listed of the location that the comparison is at."""
    return bool(await fetch_value(IS_ANY_LEVEL, report.id, location_id))


def _told(report: Report, progress: Progress) -> tuple[object, ...]:
    told = (report.counts, report.differences, progress)
    return report.id, *(msgspec.json.encode(it).decode() for it in told), clock.now()
