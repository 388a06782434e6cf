from uuid import UUID

from domains.imports import services, work
from queues.job import job

LONGEST_IMPORT_SECONDS = 6 * 3600


@job("run_import", timeout=LONGEST_IMPORT_SECONDS, queue="imports")
async def run_import(import_id: UUID) -> None:
    await work.run_import(import_id)


async def ring_waiting() -> None:
    """For the sweep: imports that nobody works on."""
    if await run_import.is_crowded():
        return
    for import_id in await services.waiting_imports():
        await run_import.later(import_id=import_id)
