"""Trouble with mail is told to who asks, and troubles nobody else."""

import pytest

from domains.mail.services import forget_old_mail
from lib.findings import Finding
from piccolo_conf import execute
from queues.cleaning import CLEANINGS, Cleaning
from queues.controllers import PROBES
from queues.doctor import examine
from queues.sweep import RINGS
from queues.worker import JOBS
from tests.mail.letters import write

pytestmark = pytest.mark.usefixtures("database")


async def mail_finding() -> Finding:
    return next(finding for finding in await examine() if finding.name == "Mail")


async def test_the_doctor_has_nothing_to_say_of_mail_that_goes_out():
    await write()
    await write()
    await execute("UPDATE mail SET state = 'sent', sent_at = now(), created_at = now() - interval '1 day' WHERE id = 1")
    assert (await mail_finding()).ok


@pytest.mark.parametrize(
    ("trouble", "detail"),
    [
        ("state = 'failed', next_attempt_at = now() - interval '23 hours'", "1 failed within a day, 0 waiting"),
        ("created_at = now() - interval '16 minutes'", "0 failed within a day, 1 waiting"),
    ],
)
async def test_the_doctor_tells_of_mail_that_failed_and_that_waits(trouble: str, detail: str):
    await write()
    await execute(f"UPDATE mail SET {trouble}")
    finding = await mail_finding()
    assert not finding.ok
    assert finding.detail.startswith(detail)


async def test_a_failure_of_long_ago_is_no_finding():
    await write()
    await execute("UPDATE mail SET state = 'failed', next_attempt_at = now() - interval '25 hours'")
    assert (await mail_finding()).ok


def test_a_mail_server_that_is_down_takes_nothing_else_down():
    assert "mail" not in PROBES


def test_worker_and_sweep_know_of_mail():
    assert "send_waiting_mail" in {job.name for job in JOBS}
    assert "ring_waiting_mail" in {ring.__name__ for ring in RINGS}
    assert forget_old_mail in CLEANINGS[Cleaning.MAIL]
