"""Jobs of the stock keeper; the seeded schedules name them."""

from domains.catalog import low_stock
from domains.catalog.proof import tell
from domains.inventory import digest, proving
from domains.mail.jobs import send_waiting_mail
from queues.job import JobFailed, job


class StockDiffers(JobFailed):
    """Stock does not add up."""


@job("check_low_stock", timeout=600, schedulable="Check for low stock, and mail what is new")
async def check_low_stock() -> str:
    raised = await low_stock.review_all()
    written = await digest.write_digest()
    if written.products:
        await send_waiting_mail.later()
    return f"Newly found to be low: {raised}. {written}"


@job("prove_stock", timeout=3600, schedulable="Prove the ledger, and mail what does not add up")
async def prove_stock() -> str:
    differences = await proving.prove_stock()
    if differences:
        await send_waiting_mail.later()
        raise StockDiffers(tell(differences))
    return tell(differences)
