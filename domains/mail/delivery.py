"""Sends the letters that are due, several at once. Any number of workers may: each letter is claimed by one.

At least once: a worker that dies between the server's "250 OK" and the row's mark leaves its letter to the next one,
who sends it again after the lease, with the same Message-ID. Each such death makes at most one more copy.
"""

import asyncio
import time

from domains.mail import services
from domains.mail.services import MOST_CLAIMS, Letter
from lib import log, mail

logger = log.get("mail.delivery")

AT_ONCE = 5
# No letter is begun after this; the sweep rings for what is left.
LONGEST_TURN_SECONDS = 240


async def send_waiting_mail() -> None:
    """Until none is due. Each letter is claimed and finished in statements of its own, with no transaction between."""
    ends_at = time.monotonic() + LONGEST_TURN_SECONDS
    senders = (_send_until(ends_at) for _ in range(AT_ONCE))
    # One that loses the database must not cancel the others in the middle of their letters.
    results = await asyncio.gather(*senders, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _send_until(ends_at: float) -> None:
    while time.monotonic() < ends_at:
        letter = await services.claim()
        if letter is None:
            return
        await _send(letter)


async def _send(letter: Letter) -> None:
    if letter.attempts > MOST_CLAIMS:
        await _give_up(letter, "its worker died each time")
        return
    try:
        await mail.send(mail.Email(letter.to, letter.subject, letter.text, letter.html), letter.message_id)
    except mail.Refused as error:
        await _give_up(letter, str(error))
    except mail.TryLater as error:
        await _try_later(letter, str(error))
    except Exception as error:
        # Whatever it is: told by its kind alone, for its words may hold an address or a code.
        await _try_later(letter, type(error).__name__)
    else:
        await services.finish(letter)
        logger.info("mail_sent", mail_id=letter.id, template=letter.template, attempts=letter.attempts)


async def _try_later(letter: Letter, error: str) -> None:
    if not letter.has_another_attempt:
        await _give_up(letter, error)
        return
    await services.put_off(letter, error)
    logger.info("mail_put_off", mail_id=letter.id, template=letter.template, error=error)


async def _give_up(letter: Letter, error: str) -> None:
    await services.finish(letter, error)
    logger.warning("mail_failed", mail_id=letter.id, template=letter.template, error=error)
