"""The row of an import: claimed by one worker at a time, moved on with every chunk, closed once.

`attempt` fences: whoever was taken over finds another number there, and writes nothing more.
"""

from uuid import UUID

import msgspec

from domains.catalog.merge import Merged
from domains.catalog.tables import Policy
from domains.events import services as events
from domains.imports.chunks import Chunk
from domains.imports.errors import RowError
from domains.imports.layout import Layout
from domains.imports.tables import FailureReason, Phase
from piccolo_conf import Connection, execute, fetch_row, fetch_value, transaction
from settings import settings

LEASE = f"interval '{settings.import_lease_seconds} seconds'"
MOST_ERRORS_KEPT = 100_000
LONGEST_CELL_KEPT = 10_000
LONGEST_SKU_KEPT = 100
LEFT_OUT = f" (cells of more than {LONGEST_CELL_KEPT} characters are left out here)"
# A file that ends its worker each time would go round for ever; a retry by hand gives it as many turns again.
MOST_ATTEMPTS = 30
MOST_CELLS_KEPT = 200

CLAIM = f"""
    UPDATE import_job j
    SET status = 'importing', attempt = attempt + 1, lease_until = now() + {LEASE},
        started_at = coalesce(started_at, now()), failure_reason = NULL, failure_detail = ''
    WHERE id = $1 AND (status = 'pending' OR status = 'importing' AND lease_until < now())
    RETURNING id, attempt, filename, file_key, policy, location, dry_run, mapping, cursor, requested_by,
        coalesce((SELECT u.username FROM users u WHERE u.id = j.requested_by), 'system') AS username
"""

ENTER = f"""
    UPDATE import_job
    SET phase = $3, total_rows = coalesce($4, total_rows), encoding = $5, header = $6, warnings = $7,
        lease_until = now() + {LEASE}
    WHERE id = $1 AND attempt = $2 AND status = 'importing' RETURNING id
"""

ADVANCE = f"""
    UPDATE import_job
    SET cursor = $3, processed_rows = $3, created = created + $4, updated = updated + $5, unchanged = unchanged + $6,
        skipped = skipped + $7, duplicates = duplicates + $8, error_count = error_count + $9,
        lease_until = now() + {LEASE}
    WHERE id = $1 AND attempt = $2 AND status = 'importing' RETURNING error_count
"""

RENEW = f"""
    UPDATE import_job SET lease_until = now() + {LEASE} WHERE id = $1 AND attempt = $2 AND status = 'importing'
"""

COMPLETE = """
    UPDATE import_job SET status = 'completed', phase = 'complete', completed_at = now(), lease_until = NULL
    WHERE id = $1 AND attempt = $2 AND status = 'importing'
    RETURNING id, filename, dry_run, total_rows, created, updated, unchanged, skipped, duplicates, error_count
"""

FAIL = """
    UPDATE import_job
    SET status = 'failed', failure_reason = $3, failure_detail = $4, completed_at = now(), lease_until = NULL
    WHERE id = $1 AND attempt = $2 AND status = 'importing'
    RETURNING id, filename, dry_run, failure_reason, failure_detail
"""


class Claim(msgspec.Struct, frozen=True):
    """What a worker needs to know of the import that it holds."""

    id: UUID
    attempt: int
    filename: str
    file_key: str
    policy: Policy
    location: int | None
    dry_run: bool
    mapping: dict[str, str]
    cursor: int
    requested_by: int | None
    username: str


class LeaseLost(Exception):
    """The import is no longer this worker's."""


async def claim(import_id: UUID) -> Claim | None:
    """Take the import, or None when somebody has it or it has ended."""
    row = await fetch_row(CLAIM, import_id)
    if row is None:
        return None
    fields = dict(row) | {"mapping": msgspec.json.decode(row["mapping"]), "file_key": row["file_key"] or "gone"}
    claimed = msgspec.convert(fields, Claim)
    if claimed.attempt % MOST_ATTEMPTS == 0:
        await fail(claimed, FailureReason.INTERNAL, f"Given up after {claimed.attempt} attempts.")
        return None
    return claimed


async def enter(claim: Claim, phase: Phase, layout: Layout, total: int | None = None) -> None:
    warnings = [*layout.warnings, "The file has a header and no rows."] if total == 0 else layout.warnings
    entered = await fetch_row(
        ENTER, claim.id, claim.attempt, phase, total, layout.encoding_name, _json(layout.header), _json(warnings)
    )
    if entered is None:
        raise LeaseLost


async def advance(connection: Connection, claim: Claim, chunk: Chunk, merged: Merged, errors: list[RowError]) -> None:
    """Move the cursor past a chunk, in the chunk's own transaction. Raises LeaseLost, which rolls the chunk back."""
    counted = await connection.fetchval(
        ADVANCE,
        claim.id,
        claim.attempt,
        chunk.last,
        merged.created,
        merged.updated,
        merged.unchanged,
        merged.skipped,
        len(chunk.duplicates),
        len(errors),
    )
    if counted is None:
        raise LeaseLost
    room = MOST_ERRORS_KEPT - (counted - len(errors))
    await _keep_errors(connection, claim.id, errors[: max(room, 0)])


async def _keep_errors(connection: Connection, import_id: UUID, errors: list[RowError]) -> None:
    await connection.copy_records_to_table(
        "import_row_error",
        records=[
            (
                import_id,
                error.row_number,
                _clean(error.sku)[:LONGEST_SKU_KEPT],
                error.field,
                _message(error),
                _kept(error.cells),
            )
            for error in errors
        ],
        columns=["job", "row_number", "sku", "field", "message", "row"],
    )


async def renew(claim: Claim) -> None:
    await execute(RENEW, claim.id, claim.attempt)


async def release(claim: Claim) -> None:
    """Let somebody else take it at once."""
    await execute("UPDATE import_job SET lease_until = now() WHERE id = $1 AND attempt = $2", claim.id, claim.attempt)


async def complete(claim: Claim) -> None:
    await _close("import.completed", COMPLETE, claim.id, claim.attempt)


async def fail(claim: Claim, reason: FailureReason, detail: str) -> None:
    await _close("import.failed", FAIL, claim.id, claim.attempt, reason, _clean(detail))


async def _close(topic: str, statement: str, import_id: UUID, *values: object) -> None:
    async with transaction():
        row = await fetch_row(statement, import_id, *values)
        if row is None:
            raise LeaseLost
        if row["dry_run"]:
            return
        await events.record(topic, subject=f"import:{import_id}", data=dict(row) | {"id": str(import_id)})


async def count_written(claim: Claim) -> int:
    written: int = await fetch_value("SELECT created + updated FROM import_job WHERE id = $1", claim.id)
    return written


def _message(error: RowError) -> str:
    return _clean(error.message) + (LEFT_OUT if max(map(len, error.cells), default=0) > LONGEST_CELL_KEPT else "")


def _kept(cells: list[str]) -> str:
    """A cell that is too long becomes empty, which keeps the old value: half of it would replace the whole."""
    return _json([cell if len(cell) <= LONGEST_CELL_KEPT else "" for cell in cells[:MOST_CELLS_KEPT]])


def _json(texts: list[str]) -> str:
    return msgspec.json.encode([_clean(text) for text in texts]).decode()


def _clean(text: str) -> str:
    """What PostgreSQL cannot store, shown as the sign for it."""
    return text.replace("\x00", "\u2400").encode("utf-8", "replace").decode()
