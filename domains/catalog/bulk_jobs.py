"""Changes too large for one request: a row in `bulk_job`, worked off in pieces by whoever claims it.

Each piece and its cursor are one transaction, so every product is changed once, whoever is killed in between. `attempt`
fences off a worker that was taken over.
"""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import msgspec

from domains.catalog.bulk_schemas import BulkJobOut
from domains.catalog.changes import PIECE, Change, change_piece, lock_piece, record_summary
from domains.catalog.tables import BulkFailure
from lib import actor, log
from lib.actor import acting
from lib.errors import NotFound
from piccolo_conf import execute, fetch, fetch_row, transaction

logger = log.get("catalog.bulk")

LEASE = "interval '60 seconds'"

INSERT = """
    INSERT INTO bulk_job (id, kind, arguments, requested_by) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING
"""

SHOW = """
    SELECT id, kind, status, matched, changed, failure_reason, created_at, started_at, completed_at
    FROM bulk_job WHERE id = $1
"""

CLAIM = f"""
    UPDATE bulk_job j SET status = 'running', attempt = attempt + 1, lease_until = now() + {LEASE},
        started_at = coalesce(started_at, now())
    WHERE id = $1 AND (status = 'pending' OR status = 'running' AND lease_until < now())
    RETURNING attempt, arguments, requested_by,
        coalesce((SELECT u.username FROM users u WHERE u.id = j.requested_by), 'system') AS username
"""

POSITION = "SELECT cursor FROM bulk_job WHERE id = $1 AND attempt = $2 AND status = 'running' FOR UPDATE"

ADVANCE = f"""
    UPDATE bulk_job SET cursor = $3, matched = matched + $4, changed = changed + $5, lease_until = now() + {LEASE}
    WHERE id = $1 AND attempt = $2
"""

COMPLETE = """
    UPDATE bulk_job SET status = 'completed', completed_at = now(), lease_until = NULL WHERE id = $1
    RETURNING matched, changed
"""

FAIL = """
    UPDATE bulk_job SET status = 'failed', failure_reason = $3, completed_at = now(), lease_until = NULL
    WHERE id = $1 AND attempt = $2 AND status = 'running'
"""

# Somebody else may go on at once.
RELEASE = "UPDATE bulk_job SET lease_until = now() WHERE id = $1 AND attempt = $2"

WAITING = """
    SELECT id FROM bulk_job WHERE status = 'pending' OR status = 'running' AND lease_until < now()
    ORDER BY created_at LIMIT 100
"""


class BulkJobNotFound(NotFound):
    """There is no such bulk change."""


async def order_change(change: Change, job_id: UUID | None = None) -> BulkJobOut:
    """Ring for a worker after this. Under the same id it is ordered once."""
    job_id = job_id or uuid4()
    arguments = msgspec.json.encode(change).decode()
    await execute(INSERT, job_id, change.kind, arguments, actor.current().user_id)
    return await get_job(job_id)


async def get_job(job_id: UUID) -> BulkJobOut:
    row = await fetch_row(SHOW, job_id)
    if row is None:
        raise BulkJobNotFound
    return msgspec.convert({**row, "job_id": row["id"]}, BulkJobOut)


async def waiting_jobs() -> list[UUID]:
    return [row["id"] for row in await fetch(WAITING)]


async def run_bulk_change(job_id: UUID) -> None:
    """Work it off, unless somebody else does. A lost connection leaves it to the next claim."""
    claimed = await fetch_row(CLAIM, job_id)
    if claimed is None:
        return
    attempt = claimed["attempt"]
    change = msgspec.json.decode(claimed["arguments"], type=Change)
    who = {"user_id": claimed["requested_by"], "name": claimed["username"]}
    with acting(**who, source=change.source, reference=f"bulk:{job_id}", bulk=True):
        try:
            while await _next_piece(job_id, attempt, change):
                pass
        except (asyncpg.NumericValueOutOfRangeError, asyncpg.CheckViolationError):
            await execute(FAIL, job_id, attempt, BulkFailure.PRICE_TOO_LARGE)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError, OSError):
            logger.warning("bulk_change_interrupted", job_id=str(job_id))
        except asyncpg.DeadlockDetectedError:
            await execute(RELEASE, job_id, attempt)
        except asyncio.CancelledError:
            await execute(RELEASE, job_id, attempt)
            raise
        except Exception:
            logger.exception("bulk_change_failed", job_id=str(job_id))
            await execute(FAIL, job_id, attempt, BulkFailure.INTERNAL)


async def _next_piece(job_id: UUID, attempt: int, change: Change) -> bool:
    """Whether there may be more."""
    async with transaction() as connection:
        position = await connection.fetchval(POSITION, job_id, attempt)
        if position is None:
            return False
        ids = await lock_piece(connection, change, after=position)
        changed = await change_piece(connection, change, ids)
        await connection.execute(ADVANCE, job_id, attempt, ids[-1] if ids else position, len(ids), changed)
        if len(ids) == PIECE:
            return True
        done = await connection.fetchrow(COMPLETE, job_id)
        if done is not None:
            await record_summary(change, matched=done["matched"], changed=done["changed"])
        return False
