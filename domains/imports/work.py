"""An import at work: claimed with a lease, surveyed, merged chunk by chunk, finished. Killed anywhere, the next claim
goes on from the cursor; rows, counters and cursor of a chunk are one transaction."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import asyncpg
import msgspec

from domains.catalog import low_stock
from domains.catalog.merge import Merge, Merged
from domains.catalog.races import Raced, despite_races
from domains.catalog.tables import Reason
from domains.imports import progress
from domains.imports.chunks import Chunk, make_chunks
from domains.imports.errors import FileRefused, RowError
from domains.imports.layout import read_layout
from domains.imports.progress import Claim, LeaseLost
from domains.imports.rehearsal import keep_preview, rehearse
from domains.imports.rows import read_batches
from domains.imports.survey import Survey
from domains.imports.tables import FailureReason, Phase
from domains.imports.telling import Teller
from lib import files, log
from lib.actor import Source, acting
from piccolo_conf import Connection, connected, transaction
from settings import settings

logger = log.get("imports")

CHUNK_ROWS = settings.import_chunk_rows
HEARTBEAT_SECONDS = settings.import_lease_seconds / 4
# The last one: a text that is too long for its index.
REFUSALS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)
LOST_DATABASE = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError, OSError)
ROWS_WORTH_TIDYING = 10_000


async def run_import(import_id: UUID) -> None:
    """Do the import, or go on with it, unless somebody else has it. Its end, good or bad, stands in its row."""
    if (claim := await progress.claim(import_id)) is None:
        return
    with acting(
        user_id=claim.requested_by,
        name=claim.username,
        source=Source.IMPORT,
        reference=f"import:{claim.id}",
        bulk=True,
    ):
        try:
            logger.info("import_claimed", import_id=str(claim.id), attempt=claim.attempt, cursor=claim.cursor)
            await _run_claimed(claim)
        except LeaseLost:
            logger.info("import_let_go", import_id=str(claim.id))
        except (Raced, *LOST_DATABASE) as error:
            logger.warning("import_interrupted", import_id=str(claim.id), error=type(error).__name__)
        except asyncio.CancelledError:
            # The worker is told to stop: the next one need not wait for the lease to end.
            await progress.release(claim)
            raise
        await Teller(claim.id).tell()


async def _run_claimed(claim: Claim) -> None:
    try:
        async with _beating(claim):
            await _import_file(claim)
    except FileRefused as refused:
        await progress.fail(claim, refused.reason, refused.detail)
    except (LeaseLost, Raced, *LOST_DATABASE):
        raise
    except Exception as error:
        logger.exception("import_failed", import_id=str(claim.id))
        await progress.fail(
            claim, FailureReason.INTERNAL, f"Stockroom failed ({type(error).__name__}). A retry goes on."
        )


async def _import_file(claim: Claim) -> None:
    path = files.path(claim.file_key)
    if not path.exists():
        raise FileRefused(FailureReason.FILE_MISSING, "The uploaded file is no longer there.")
    layout = await asyncio.to_thread(read_layout, path, claim.mapping)
    await progress.enter(claim, Phase.VALIDATING, layout)
    survey = await asyncio.to_thread(Survey().run, read_batches(path, layout))
    await progress.enter(claim, Phase.IMPORTING, layout, survey.total)
    merge = Merge([column.name for column in layout.columns], claim.policy, Reason.IMPORT, claim.location)
    chunks = make_chunks(read_batches(path, layout), survey, after=claim.cursor, size=CHUNK_ROWS)
    teller = Teller(claim.id)
    async for chunk in _read_ahead(chunks):
        await _import_chunk(claim, merge, chunk)
        await teller.tell()
    if not claim.dry_run and low_stock.decides(merge.columns):
        await low_stock.review_all()
    await progress.complete(claim)
    logger.info("import_completed", import_id=str(claim.id), rows=survey.total)
    await _tidy(claim)


async def _read_ahead(chunks: Iterator[Chunk]) -> AsyncIterator[Chunk]:
    """Parse the next chunk in a thread while PostgreSQL merges this one."""
    ahead = asyncio.create_task(asyncio.to_thread(next, chunks, None))
    try:
        while (chunk := await ahead) is not None:
            ahead = asyncio.create_task(asyncio.to_thread(next, chunks, None))
            yield chunk
    finally:
        await asyncio.wait([ahead])


async def _import_chunk(claim: Claim, merge: Merge, chunk: Chunk) -> None:
    """A chunk that the database refuses is halved until the row that it refuses stands alone and is reported."""
    try:
        await despite_races(lambda: _merge_chunk(claim, merge, chunk))
    except REFUSALS as refusal:
        if len(chunk.rows) == 1:
            await _reject(claim, merge, chunk, f"the database refused the row: {refusal}")
            return
        for half in chunk.halves():
            await _import_chunk(claim, merge, half)


async def _reject(claim: Claim, merge: Merge, chunk: Chunk, message: str) -> None:
    row = chunk.rows[0]
    error = RowError(row.number, row.values[0] or "", "", message, row.cells)
    rest = msgspec.structs.replace(chunk, rows=[], errors=[*chunk.errors, error])
    await _merge_chunk(claim, merge, rest)


async def _merge_chunk(claim: Claim, merge: Merge, chunk: Chunk) -> None:
    async with transaction() as connection:
        # The cursor moves in the same transaction: a crash of the server repeats this chunk and nothing else.
        await connection.execute("SET LOCAL synchronous_commit = off")
        merged = await _apply(connection, claim, merge, chunk) if chunk.rows else Merged()
        await progress.advance(connection, claim, chunk, merged, [*chunk.errors, *chunk.blame(merged.rejected)])


async def _apply(connection: Connection, claim: Claim, merge: Merge, chunk: Chunk) -> Merged:
    if not claim.dry_run:
        return await merge.run(connection, chunk.staged())
    merged, outcomes = await rehearse(connection, merge, chunk.staged())
    await keep_preview(connection, claim.id, outcomes, already=chunk.rows[0].number)
    return merged


@contextlib.asynccontextmanager
async def _beating(claim: Claim) -> AsyncIterator[None]:
    """Keep the lease while the block runs."""
    task = asyncio.create_task(_beat(claim))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _beat(claim: Claim) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        try:
            await progress.renew(claim)
        except LOST_DATABASE as error:
            logger.warning("lease_not_renewed", import_id=str(claim.id), error=type(error).__name__)


async def _tidy(claim: Claim) -> None:
    """Fresh statistics, a visibility map and no backlog in the search index, before many new rows are asked for."""
    if not claim.dry_run and await progress.count_written(claim) >= ROWS_WORTH_TIDYING:
        async with connected() as connection:
            await connection.execute("VACUUM (ANALYZE) product, stock_level, stock_movement, event", timeout=600)
