"""Imports asked for, stopped, tried again, and their files removed in time."""

from datetime import timedelta
from uuid import UUID, uuid4

import msgspec

from domains.imports.columns import BY_NAME
from domains.imports.layout import IGNORED
from domains.imports.listing import get_import
from domains.imports.schemas import JobOut, NewImport
from domains.imports.tables import Origin
from lib import clock, files
from lib.errors import Conflict, field_error
from piccolo_conf import execute, fetch, fetch_row, fetch_value, transaction
from settings import settings

ORPHAN_AGE = timedelta(days=1)

# Held to the end of the transaction: of two uploads of the same bytes at once, the second sees the first.
LOCK_DIGEST = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"

FIND_RUNNING = """
    SELECT id FROM import_job
    WHERE file_digest = $1 AND policy = $2 AND location IS NOT DISTINCT FROM $3 AND mapping = $4::jsonb AND dry_run = $5
      AND status IN ('pending', 'importing')
    ORDER BY created_at LIMIT 1
"""

INSERT = """
    INSERT INTO import_job
        (id, filename, source, policy, location, mapping, dry_run, file_key, file_digest, file_bytes, requested_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

CANCEL = """
    UPDATE import_job SET status = 'cancelled', completed_at = now(), lease_until = NULL
    WHERE id = $1 AND status IN ('pending', 'importing') RETURNING id
"""

RETRY = """
    UPDATE import_job
    SET status = 'pending', phase = 'parsing', failure_reason = NULL, failure_detail = '', completed_at = NULL
    WHERE id = $1 AND status IN ('failed', 'cancelled') AND file_key IS NOT NULL RETURNING id
"""

WAITING = """
    SELECT id FROM import_job
    WHERE status = 'pending' OR status = 'importing' AND lease_until < now() ORDER BY created_at LIMIT 100
"""

EXPIRED_FILES = """
    SELECT id, file_key FROM import_job
    WHERE file_key IS NOT NULL AND completed_at < $1 AND status IN ('completed', 'failed', 'cancelled') LIMIT 1000
"""


class ImportIsOver(Conflict):
    """This import has ended already."""


class ImportNotRetryable(Conflict):
    """Only a failed or cancelled import whose file is still kept can be tried again."""


async def create_import(wanted: NewImport, origin: Origin = Origin.UPLOAD) -> tuple[UUID, bool]:
    """The import for these bytes, and whether it is new: the same upload twice at once is one import."""
    _check_mapping(wanted.mapping)
    mapping = msgspec.json.encode(wanted.mapping).decode()
    async with transaction():
        await execute(LOCK_DIGEST, wanted.file.digest)
        file = wanted.file
        running = await fetch_value(
            FIND_RUNNING, file.digest, wanted.policy, wanted.location_id, mapping, wanted.dry_run
        )
        if running is not None:
            return running, False
        import_id = uuid4()
        await execute(
            INSERT,
            import_id,
            wanted.filename,
            origin,
            wanted.policy,
            wanted.location_id,
            mapping,
            wanted.dry_run,
            file.key,
            file.digest,
            file.size,
            wanted.requested_by,
        )
        return import_id, True


def read_mapping(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise field_error("mapping", "must be a JSON object of header to column name") from None


def _check_mapping(mapping: dict[str, str]) -> None:
    for header, name in mapping.items():
        if name != IGNORED and name not in BY_NAME:
            raise field_error("mapping", f"{header!r} is mapped to {name!r}; the columns are: {', '.join(BY_NAME)}")


async def cancel_import(import_id: UUID) -> JobOut:
    """It stops at the next chunk; what is in stays in."""
    if await fetch_row(CANCEL, import_id) is None:
        await get_import(import_id)
        raise ImportIsOver
    return await get_import(import_id)


async def retry_import(import_id: UUID) -> JobOut:
    """Run again from where it stopped."""
    if await fetch_row(RETRY, import_id) is None:
        await get_import(import_id)
        raise ImportNotRetryable
    return await get_import(import_id)


async def waiting_imports() -> list[UUID]:
    """Pending ones, and those whose worker died: oldest first."""
    return [row["id"] for row in await fetch(WAITING)]


async def remove_expired_files() -> None:
    """Uploads past their retention time, and files that belong to no import."""
    expired = await fetch(EXPIRED_FILES, clock.now() - timedelta(days=settings.upload_retention_days))
    for row in expired:
        files.remove(row["file_key"])
    await execute("UPDATE import_job SET file_key = NULL WHERE id = ANY($1)", [row["id"] for row in expired])
    old = files.keys_older_than(ORPHAN_AGE)
    known = await fetch("SELECT file_key FROM import_job WHERE file_key = ANY($1)", old)
    for key in set(old) - {row["file_key"] for row in known}:
        files.remove(key)
