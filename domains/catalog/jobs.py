from uuid import UUID

from domains.catalog import bulk_jobs
from queues.job import job


@job("run_bulk_change", timeout=6 * 3600)
async def run_bulk_change(job_id: UUID) -> None:
    await bulk_jobs.run_bulk_change(job_id)


async def ring_waiting_changes() -> None:
    """For the sweep: changes that nobody works on."""
    if await run_bulk_change.is_crowded():
        return
    for job_id in await bulk_jobs.waiting_jobs():
        await run_bulk_change.later(job_id=job_id)
