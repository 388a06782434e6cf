"""What was imported on the last days, and the imports that were asked for last."""

from datetime import date, timedelta

import msgspec

from domains.imports.listing import JOBS, list_imports
from domains.imports.schemas import JobOut
from domains.reports.periods import SECONDS, beginning
from lib import cache, clock
from piccolo_conf import fetch, fetch_value

KEY = "imports"
RECENT = timedelta(days=7)
MOST_SHOWN = 8
LATEST = f"count=none&limit={MOST_SHOWN}".encode()

# Both by import_job_created.
COUNT = "SELECT count(*) FROM import_job WHERE created_at >= $1 AND NOT dry_run"
ROWS = """
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, sum(processed_rows) AS rows, sum(error_count) AS errors
    FROM import_job WHERE created_at >= $1 AND NOT dry_run
    GROUP BY 1 HAVING sum(processed_rows) > 0
"""


class ImportedRows(msgspec.Struct, frozen=True):
    """Rows that were read, and how many of them were rejected."""

    rows: int = 0
    errors: int = 0


class Imports(msgspec.Struct, frozen=True):
    """`by_day` is without days on which nothing was imported."""

    recent: int
    by_day: dict[date, ImportedRows]
    latest: tuple[JobOut, ...]


async def count_imports() -> Imports:
    return await cache.recall(KEY, Imports, SECONDS, _count)


async def _count() -> Imports:
    recent = await fetch_value(COUNT, clock.now() - RECENT)
    rows = await fetch(ROWS, beginning())
    latest, _total, _cursor = await list_imports(JOBS.read(LATEST))
    by_day = {row["day"]: ImportedRows(row["rows"], row["errors"]) for row in rows}
    return Imports(recent, by_day, tuple(latest))
