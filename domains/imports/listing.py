"""Imports and their rejected rows, as they are read."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domains.catalog.columns import INTERNAL
from domains.catalog.tables import Policy
from domains.imports.schemas import JobDetailOut, JobOut, Outcome, PreviewOut, PreviewRowOut, RowErrorOut
from domains.imports.tables import Origin, Phase, Status
from lib import clock
from lib.errors import Conflict, NotFound
from lib.filters import TIME_SCHEMA, among, choice, contains, flag, ranged, read_choice, read_time, same_text
from lib.http import Total
from lib.listing import Listing, Query, Sort, find_page
from piccolo_conf import fetch, fetch_row, fetch_value

ERRORS_SHOWN = 100
ERRORS_AT_ONCE = 1000

COLUMNS = """
    j.id, j.filename, j.format, j.source, j.policy, l.code, j.dry_run, j.status, j.phase,
    j.total_rows, j.processed_rows, j.error_count, j.created, j.updated, j.unchanged, j.skipped, j.duplicates,
    j.warnings, j.encoding, j.failure_reason, j.failure_detail, j.file_bytes, j.attempt, u.username, j.created_at,
    j.started_at, j.completed_at
"""
SOURCE = "import_job j LEFT JOIN location l ON l.id = j.location LEFT JOIN users u ON u.id = j.requested_by"

# By import_job_created; the rest reads the table, which thousands of rows allow.
JOBS = Listing(
    filters={
        "status": choice("j.status", Status),
        "status__in": among("j.status", read_choice(Status)),
        "policy": choice("j.policy", Policy),
        "source": choice("j.source", Origin),
        "filename": same_text("j.filename"),
        "filename__icontains": contains("j.filename"),
        "dry_run": flag("j.dry_run", "NOT j.dry_run"),
        "requested_by": same_text("u.username", "A username, whatever its case."),
        **ranged("j.created_at", "created_at", read_time, TIME_SCHEMA),
    },
    sorts={
        "id": Sort("j.id", "{0}::uuid", UUID, is_unique=True),
        "created_at": Sort("j.created_at", "{0}::timestamptz", datetime),
        "filename": Sort("lower(j.filename)", "lower({0}::text)", str),
    },
    first="-created_at",
)

# By import_preview_row_key and import_row_error_key.
PREVIEW = """
    SELECT row_number, sku, action, changes, message FROM (
        (SELECT row_number, sku, action, changes::text, '' AS message
         FROM import_preview_row WHERE job = $1 AND row_number > $2 ORDER BY row_number LIMIT $3)
        UNION ALL
        (SELECT row_number, sku, 'error', NULL, message
         FROM import_row_error WHERE job = $1 AND row_number > $2 ORDER BY row_number LIMIT $3)
    ) AS rows ORDER BY row_number LIMIT $3
"""


class NoPreview(Conflict):
    """Only a dry run has a preview."""


class ImportNotFound(NotFound):
    """There is no such import."""


async def get_import(import_id: UUID) -> JobOut:
    row = await fetch_row(f"SELECT {COLUMNS} FROM {SOURCE} WHERE j.id = $1", import_id)
    if row is None:
        raise ImportNotFound
    return _shape(row)


async def get_import_with_errors(import_id: UUID) -> JobDetailOut:
    job = await get_import(import_id)
    errors = await list_errors(import_id, limit=ERRORS_SHOWN)
    return JobDetailOut(**msgspec.structs.asdict(job), errors=errors)


async def list_imports(query: Query) -> tuple[list[JobOut], Total, str | None]:
    """Imports, how many there are, and the cursor that goes on behind them."""
    found = await find_page(fetch, query, COLUMNS, SOURCE)
    return [_shape(row) for row in found.rows], found.total, found.cursor


async def list_errors(import_id: UUID, *, after: int = 0, limit: int = ERRORS_AT_ONCE) -> list[RowErrorOut]:
    rows = await fetch(
        "SELECT row_number, sku, field, message, row FROM import_row_error "
        "WHERE job = $1 AND row_number > $2 ORDER BY row_number LIMIT $3",
        import_id,
        after,
        limit,
    )
    header = await get_header(import_id) if rows else []
    return [
        RowErrorOut(row["row_number"], row["sku"], row["field"], row["message"], _by_header(header, row["row"]))
        for row in rows
    ]


async def list_preview(import_id: UUID, *, after: int, limit: int, internal: bool = True) -> PreviewOut:
    """Refused for an import that is no dry run: what it did stands in the history of its products."""
    if not (await get_import(import_id)).dry_run:
        raise NoPreview
    rows = await fetch(PREVIEW, import_id, after, limit + 1)
    shown = [
        PreviewRowOut(
            row["row_number"],
            row["sku"],
            Outcome(row["action"]),
            _visible(msgspec.json.decode(row["changes"] or "{}"), internal=internal),
            row["message"],
        )
        for row in rows[:limit]
    ]
    return PreviewOut(shown, shown[-1].row_number if len(rows) > limit else None)


def _visible(changes: dict[str, Any], *, internal: bool) -> dict[str, Any]:
    return changes if internal else {name: pair for name, pair in changes.items() if name not in INTERNAL}


async def get_header(import_id: UUID) -> list[str]:
    text = await fetch_value("SELECT header FROM import_job WHERE id = $1", import_id)
    return msgspec.json.decode(text, type=list[str])


async def all_error_cells(import_id: UUID) -> AsyncIterator[tuple[list[str], str]]:
    """Every kept error as its original cells and its sentence, a thousand rows at a time."""
    after = 0
    while rows := await fetch(
        "SELECT row_number, message, row FROM import_row_error "
        "WHERE job = $1 AND row_number > $2 ORDER BY row_number LIMIT $3",
        import_id,
        after,
        ERRORS_AT_ONCE,
    ):
        for row in rows:
            yield msgspec.json.decode(row["row"], type=list[str]), f"row {row['row_number']}: {row['message']}"
        after = rows[-1]["row_number"]


def _by_header(header: Sequence[str], cells: str) -> dict[str, str]:
    """Cells beyond the header are named by their place."""
    values = msgspec.json.decode(cells, type=list[str])
    names = [*header, *(f"column {place + 1}" for place in range(len(header), len(values)))]
    return dict(zip(names, values, strict=False))


def _shape(row: asyncpg.Record) -> JobOut:
    status = Status(row["status"])
    processed, total = row["processed_rows"], row["total_rows"]
    return JobOut(
        job_id=row["id"],
        filename=row["filename"],
        format=row["format"],
        source=row["source"],
        policy=row["policy"],
        location=row["code"],
        dry_run=row["dry_run"],
        status=status,
        phase=Phase(row["phase"]),
        total_rows=total,
        processed_rows=processed,
        success_count=processed - row["error_count"] - row["skipped"],
        error_count=row["error_count"],
        created=row["created"],
        updated=row["updated"],
        unchanged=row["unchanged"],
        skipped=row["skipped"],
        duplicates=row["duplicates"],
        progress=100 if status is Status.COMPLETED else 100 * processed // total if total else 0,
        rows_per_second=_rate(row),
        warnings=msgspec.json.decode(row["warnings"], type=list[str]),
        encoding=row["encoding"],
        failure_reason=row["failure_reason"],
        failure_detail=row["failure_detail"],
        file_bytes=row["file_bytes"],
        attempt=row["attempt"],
        requested_by=row["username"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
    )


def _rate(row: asyncpg.Record) -> float:
    if row["started_at"] is None:
        return 0.0
    seconds = ((row["completed_at"] or clock.now()) - row["started_at"]).total_seconds()
    return round(row["processed_rows"] / seconds, 1) if seconds > 0 else 0.0
