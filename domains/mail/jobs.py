from domains.mail import delivery, services
from queues.job import job


@job("send_waiting_mail", timeout=delivery.LONGEST_TURN_SECONDS + 60)
async def send_waiting_mail() -> None:
    await delivery.send_waiting_mail()


async def ring_waiting_mail() -> None:
    """For the sweep: letters that are due, and those whose worker died."""
    if await services.is_due() and not await send_waiting_mail.is_crowded():
        await send_waiting_mail.later()
