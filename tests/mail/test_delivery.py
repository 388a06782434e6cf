"""Rows first, then mail: each is sent, put off or given up by one worker, whoever dies."""

import asyncio
import logging
import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from domains.mail import services
from domains.mail.jobs import ring_waiting_mail, send_waiting_mail
from domains.mail.services import LEASE, MOST_CLAIMS, PAUSES, REMOVED, Template
from lib import clock, mail
from lib.mail import BadEmail
from piccolo_conf import execute, fetch_value, transaction
from queues.job import QUEUES
from settings import Settings
from tests.mail.letters import CODE, LINK, pass_time, row, rows, write
from tests.mail.smtp import Inbox, Mode, smtp_server

REPOSITORY = Path(__file__).parents[2]
WORK = "import asyncio; from domains.mail.delivery import send_waiting_mail; asyncio.run(send_waiting_mail())"

pytestmark = pytest.mark.usefixtures("database")


async def test_a_letter_is_a_row_first_and_then_sent(inbox: Inbox):
    letter_id = await write()
    written = await row()
    assert (written["id"], written["state"], inbox.messages) == (letter_id, "pending", [])
    await send_waiting_mail()
    sent = await row()
    assert (sent["state"], sent["attempts"], sent["last_error"]) == ("sent", 1, "")
    assert sent["sent_at"] is not None
    assert CODE in inbox.messages[0].get_body(("plain",)).get_content()


async def test_a_letter_of_something_that_did_not_happen_is_not_sent(inbox: Inbox):
    with pytest.raises(ZeroDivisionError):
        async with transaction():
            await write()
            raise ZeroDivisionError
    await send_waiting_mail()
    assert (await rows(), inbox.messages) == ([], [])


async def test_a_line_break_in_an_address_fails_what_asked_for_the_letter():
    with pytest.raises(BadEmail):
        await write("ada@example.com\nBcc: eve@example.com")
    assert await rows() == []


async def test_a_sent_letter_is_not_sent_again(inbox: Inbox):
    await write()
    await send_waiting_mail()
    await send_waiting_mail()
    assert len(inbox.messages) == 1


async def test_a_letter_that_is_not_taken_is_tried_again_on_schedule(inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    inbox.mode = Mode.DEFER
    await write()
    for attempt, pause in enumerate(PAUSES, 1):
        pass_time(monkeypatch, timedelta())
        await send_waiting_mail()
        await send_waiting_mail()
        put_off = await row()
        wait = put_off["next_attempt_at"] - clock.now()
        assert (put_off["state"], put_off["attempts"]) == ("pending", attempt)
        assert put_off["last_error"] == "SMTPRecipientRefused 451 4.3.0"
        assert pause * 0.9 <= wait <= pause * 1.1
        pass_time(monkeypatch, pause * 1.1)
    await send_waiting_mail()
    failed = await row()
    assert (failed["state"], failed["attempts"], failed["text"]) == ("failed", len(PAUSES) + 1, REMOVED)


async def test_a_letter_goes_out_once_the_server_is_back(inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    with smtp_server() as gone:
        pass
    monkeypatch.setattr(mail, "settings", gone.settings())
    await write()
    await send_waiting_mail()
    assert (await row())["last_error"] == "SMTPConnectError (ConnectionRefusedError)"
    monkeypatch.setattr(mail, "settings", inbox.settings())
    pass_time(monkeypatch, PAUSES[0] * 1.1)
    await send_waiting_mail()
    assert ((await row())["state"], len(inbox.messages)) == ("sent", 1)


@pytest.mark.parametrize("mode", [Mode.REFUSE, Mode.REFUSE_DATA])
async def test_a_refused_letter_fails_at_once_and_is_told_without_its_words(
    inbox: Inbox, mode: Mode, caplog: pytest.LogCaptureFixture
):
    inbox.mode = mode
    letter_id = await write()
    await send_waiting_mail()
    failed = await row()
    assert (failed["state"], failed["attempts"], failed["sent_at"]) == ("failed", 1, None)
    told = [record.msg for record in caplog.records if record.levelno == logging.WARNING]
    assert [(it["event"], it["mail_id"], it["template"]) for it in told] == [("mail_failed", letter_id, "verify_email")]
    for secret in ("ada@example.com", CODE, "s3cret"):
        assert secret not in f"{told}{failed['last_error']}"


async def test_a_bug_does_not_keep_the_others_waiting(inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    await write("bad@example.com")
    await write("good@example.com")
    await execute("""UPDATE mail SET "to" = E'two\\nlines@example.com' WHERE id = 1""")
    await send_waiting_mail()
    assert [(it["state"], it["last_error"]) for it in await rows()] == [("pending", "BadEmail"), ("sent", "")]


class TestSeveralWorkers:
    async def test_each_letter_is_sent_once(self, inbox: Inbox):
        addresses = {f"reader{number}@example.com" for number in range(30)}
        for address in addresses:
            await write(address)
        await asyncio.gather(*[send_waiting_mail() for _ in range(4)])
        assert len(inbox.messages) == len(addresses)
        assert {message["To"] for message in inbox.messages} == addresses
        assert {it["attempts"] for it in await rows()} == {1}

    async def test_nobody_waits_in_a_transaction_for_a_mail_server(self, inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(mail, "DEADLINE_SECONDS", 0.5)
        inbox.mode = Mode.ACCEPT_THEN_HANG
        await write()
        sending = asyncio.create_task(send_waiting_mail())
        await asyncio.to_thread(inbox.wait_for, 1)
        idle = await fetch_value("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'")
        await sending
        assert idle == 0

    async def test_a_worker_that_was_taken_over_changes_nothing_any_more(self, monkeypatch: pytest.MonkeyPatch):
        await write()
        slow = await services.claim()
        assert await services.claim() is None
        pass_time(monkeypatch, LEASE)
        quick = await services.claim()
        assert slow is not None
        assert quick is not None
        await services.finish(slow, "too late")
        await services.put_off(slow, "too late")
        assert ((await row())["state"], (await row())["last_error"]) == ("pending", "")
        await services.finish(quick)
        assert (await row())["state"] == "sent"


class TestDeath:
    async def test_a_letter_whose_worker_was_killed_comes_once_more_as_a_copy(
        self, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
    ):
        await write()
        inbox.mode = Mode.ACCEPT_THEN_HANG
        environment = {**os.environ, **inbox.environment()}
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", WORK, cwd=REPOSITORY, env=environment)
        await asyncio.to_thread(inbox.wait_for, 1, 30)
        worker.kill()
        await worker.wait()
        inbox.mode = Mode.ACCEPT
        await send_waiting_mail()
        assert ((await row())["state"], len(inbox.messages)) == ("pending", 1)
        pass_time(monkeypatch, LEASE)
        await send_waiting_mail()
        first, second = inbox.messages
        assert ((await row())["state"], (await row())["attempts"]) == ("sent", 2)
        assert first["Message-ID"] == second["Message-ID"]

    async def test_a_letter_that_its_workers_die_of_is_given_up(self, inbox: Inbox):
        await write()
        await execute("UPDATE mail SET attempts = $1", MOST_CLAIMS)
        await send_waiting_mail()
        assert ((await row())["state"], (await row())["last_error"]) == ("failed", "its worker died each time")
        assert inbox.messages == []

    async def test_two_letters_are_told_apart(self, inbox: Inbox):
        await write()
        await write()
        await send_waiting_mail()
        assert len({message["Message-ID"] for message in inbox.messages}) == 2


class TestSecrets:
    @pytest.mark.parametrize("mode", [Mode.ACCEPT, Mode.REFUSE])
    @pytest.mark.parametrize("template", [Template.VERIFY_EMAIL, Template.RESET_PASSWORD, Template.CHANGE_EMAIL])
    async def test_codes_and_links_stay_no_longer_than_needed(self, inbox: Inbox, mode: Mode, template: Template):
        inbox.mode = mode
        await write(template=template)
        assert CODE in (await row())["text"]
        await send_waiting_mail()
        after = await row()
        assert (after["text"], after["html"]) == (REMOVED, REMOVED)
        assert not [value for value in after.values() if CODE in str(value) or LINK in str(value)]

    async def test_what_holds_no_secret_can_be_read_later(self, inbox: Inbox):
        await write(template=Template.EMAIL_CHANGED)
        await send_waiting_mail()
        assert "ada@new.example" in (await row())["text"]

    async def test_no_traceback_shows_a_letter(self):
        await write()
        letter = await services.claim()
        assert repr(letter) == "Letter(1)"
        assert repr(mail.Email("ada@example.com", "Subject", CODE, CODE)) == "Email(…)"


class TestWithoutMailServer:
    async def test_a_developer_finds_it_in_the_log_and_as_a_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ):
        caplog.set_level(logging.INFO)
        monkeypatch.setattr(mail, "settings", Settings(debug=True, data_dir=tmp_path))
        await write()
        await send_waiting_mail()
        printed = next(
            it.msg for it in caplog.records if isinstance(it.msg, dict) and it.msg["event"] == "mail_printed"
        )
        (file,) = (tmp_path / "mail").iterdir()
        assert (printed["to"], CODE in printed["text"]) == ("ada@example.com", True)
        assert f"    {CODE}\n" in file.read_text()
        assert ((tmp_path / "mail").stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
        assert (await row())["state"] == "sent"

    async def test_elsewhere_it_fails_where_it_can_be_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ):
        caplog.set_level(logging.DEBUG)
        monkeypatch.setattr(mail, "settings", Settings(data_dir=tmp_path))
        await write()
        await send_waiting_mail()
        assert ((await row())["state"], (await row())["last_error"]) == ("failed", "EMAIL_HOST is not set")
        assert not [record for record in caplog.records if CODE in str(record.msg)]
        assert not (tmp_path / "mail").exists()


class TestSweep:
    async def test_it_rings_for_what_is_due(self):
        queue = QUEUES["default"]
        await queue.redis.flushall()
        await ring_waiting_mail()
        assert [job.function async for job in queue.iter_jobs()] == []
        await write()
        await ring_waiting_mail()
        assert [job.function async for job in queue.iter_jobs()] == ["send_waiting_mail"]

    async def test_old_letters_are_forgotten_and_waiting_ones_stay(self, monkeypatch: pytest.MonkeyPatch):
        for _ in range(3):
            await write()
        await execute("UPDATE mail SET state = 'sent', sent_at = now() WHERE id = 1")
        await execute("UPDATE mail SET state = 'failed' WHERE id = 2")
        await services.forget_old_mail()
        assert len(await rows()) == 3
        pass_time(monkeypatch, timedelta(days=91))
        await services.forget_old_mail()
        assert [it["state"] for it in await rows()] == ["pending"]
