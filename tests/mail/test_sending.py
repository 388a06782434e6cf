"""What a mail server gets, and what its answers mean."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib import clock, mail
from lib.mail import BadEmail, Email, Refused, TryLater
from tests.mail.smtp import Inbox, Mode, Tls, smtp_server

EMAIL = Email("ada@example.com", "Grüße, 東京 🎉", "Hallo Jürgen,\n.\n" + "ü" * 2000, "<p>Jürgen &amp; 東京</p>")
LOGIN = ("shop", "pass wörd")


async def test_a_mail_arrives_whole(inbox: Inbox):
    await mail.send(EMAIL, "abc123")
    message = inbox.messages[0]
    assert (message["To"], message["Subject"]) == ("ada@example.com", EMAIL.subject)
    assert (message["From"], message["Message-ID"]) == (
        "Stockroom <shop@stockroom.example>",
        "<abc123@stockroom.example>",
    )
    assert message.get_content_type() == "multipart/alternative"
    kinds = [(part.get_content_type(), part.get_content()) for part in message.iter_parts()]
    assert kinds == [("text/plain", EMAIL.text + "\n"), ("text/html", EMAIL.html + "\n")]


async def test_a_mail_says_when_and_that_a_program_sent_it(inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC))
    await mail.send(EMAIL, "abc123")
    message = inbox.messages[0]
    assert (message["Date"], message["Auto-Submitted"]) == ("Tue, 03 Feb 2026 04:05:06 +0000", "auto-generated")


async def test_only_plain_ascii_in_short_lines_travels(inbox: Inbox):
    await mail.send(EMAIL, "abc123")
    raw = inbox.messages[0].as_bytes()
    assert raw.isascii()
    assert max(map(len, raw.splitlines())) <= 78


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00"])
def test_no_header_can_be_smuggled_in(line_end: str):
    with pytest.raises(BadEmail):
        Email(f"ada@example.com{line_end}Bcc: eve@example.com", "Subject", "", "")
    with pytest.raises(BadEmail):
        Email("ada@example.com", f"Subject{line_end}Bcc: eve@example.com", "", "")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@example.com, eve@example.com",
        "ada@example.com> SIZE=1",
        "Ada <ada@example.com>",
        "a b@example.com",
        "ada@exa mple.com",
        f"ada@{'x' * 70}.com",
    ],
)
async def test_what_is_not_one_address_is_refused(inbox: Inbox, address: str):
    with pytest.raises(Refused):
        await mail.send(Email(address, "Subject", "", ""), "abc123")
    assert inbox.messages == []


@pytest.mark.parametrize(
    ("address", "arrives_as"),
    [("ada@bücher.example", "ada@xn--bcher-kva.example"), ("jürgen@example.com", "jürgen@example.com")],
)
async def test_addresses_may_be_written_in_any_script(inbox: Inbox, address: str, arrives_as: str):
    await mail.send(Email(address, "Subject", "", ""), "abc123")
    assert inbox.messages[0]["To"] == arrives_as


async def test_a_server_without_other_scripts_refuses_such_an_address(monkeypatch: pytest.MonkeyPatch):
    async with smtp_server(utf8=False) as inbox:
        monkeypatch.setattr(mail, "settings", inbox.settings())
        with pytest.raises(Refused):
            await mail.send(Email("jürgen@example.com", "Subject", "", ""), "abc123")


@pytest.mark.parametrize(
    ("mode", "error", "reason"),
    [
        (Mode.REFUSE, Refused, "SMTPRecipientRefused 550 5.1.1"),
        (Mode.REFUSE_SENDER, Refused, "SMTPSenderRefused 550 5.7.1"),
        (Mode.REFUSE_DATA, Refused, "SMTPDataError 554 5.7.1"),
        (Mode.DEFER, TryLater, "SMTPRecipientRefused 451 4.3.0"),
        (Mode.DROP, TryLater, "SMTPServerDisconnected"),
    ],
)
async def test_an_answer_of_the_server_is_told_without_its_words(
    inbox: Inbox, mode: Mode, error: type[Exception], reason: str
):
    inbox.mode = mode
    with pytest.raises(error, match=f"^{re.escape(reason)}"):
        await mail.send(EMAIL, "abc123")


@pytest.mark.parametrize("mode", [Mode.HANG, Mode.ACCEPT_THEN_HANG])
async def test_a_server_that_answers_no_more_is_left_at_the_deadline(
    inbox: Inbox, mode: Mode, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mail, "DEADLINE_SECONDS", 0.3)
    inbox.mode = mode
    async with asyncio.timeout(10):
        with pytest.raises(TryLater, match="TimeoutError"):
            await mail.send(EMAIL, "abc123")


async def test_without_a_server_it_is_tried_later(monkeypatch: pytest.MonkeyPatch):
    with smtp_server() as gone:
        pass
    monkeypatch.setattr(mail, "settings", gone.settings())
    with pytest.raises(TryLater, match="ConnectionRefusedError"):
        await mail.send(EMAIL, "abc123")


class TestTls:
    async def test_starttls_and_login_are_used(self, certificates: Path, monkeypatch: pytest.MonkeyPatch):
        async with smtp_server(Tls.STARTTLS, login=LOGIN, folder=certificates) as inbox:
            monkeypatch.setattr(mail, "settings", inbox.settings())
            await mail.send(EMAIL, "abc123")
        assert (len(inbox.messages), inbox.encrypted, inbox.logins) == (1, [True], ["shop"])

    async def test_the_port_of_implicit_tls_is_encrypted_from_the_start(
        self, certificates: Path, monkeypatch: pytest.MonkeyPatch
    ):
        async with smtp_server(Tls.IMPLICIT, folder=certificates) as inbox:
            monkeypatch.setattr(mail, "IMPLICIT_TLS_PORT", inbox.port)
            monkeypatch.setattr(mail, "settings", inbox.settings(email_use_tls=True))
            await mail.send(EMAIL, "abc123")
        assert (len(inbox.messages), inbox.encrypted) == (1, [True])

    async def test_nothing_is_sent_in_clear_to_a_server_without_starttls(
        self, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(mail, "settings", inbox.settings(email_use_tls=True))
        with pytest.raises(TryLater, match="SMTPException"):
            await mail.send(EMAIL, "abc123")
        assert inbox.messages == []

    async def test_a_certificate_that_nobody_vouches_for_gets_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        async with smtp_server(Tls.STARTTLS, folder=tmp_path) as inbox:
            monkeypatch.setattr(mail, "settings", inbox.settings())
            with pytest.raises(TryLater):
                await mail.send(EMAIL, "abc123")
        assert inbox.messages == []

    async def test_a_certificate_of_another_host_gets_nothing(
        self, certificates: Path, monkeypatch: pytest.MonkeyPatch
    ):
        async with smtp_server(Tls.STARTTLS, folder=certificates) as inbox:
            monkeypatch.setattr(mail, "settings", inbox.settings(email_host="localhost"))
            with pytest.raises(TryLater):
                await mail.send(EMAIL, "abc123")
        assert inbox.messages == []

    async def test_a_wrong_password_can_be_mended_and_is_not_told(
        self, certificates: Path, monkeypatch: pytest.MonkeyPatch
    ):
        async with smtp_server(Tls.STARTTLS, login=LOGIN, folder=certificates) as inbox:
            monkeypatch.setattr(mail, "settings", inbox.settings(email_host_password="hunter2"))
            with pytest.raises(TryLater, match=r"^SMTPAuthenticationError 535 5\.7\.8$"):
                await mail.send(EMAIL, "abc123")

    async def test_a_server_that_wants_a_login_first_can_be_given_one(
        self, certificates: Path, monkeypatch: pytest.MonkeyPatch
    ):
        async with smtp_server(Tls.STARTTLS, login=LOGIN, folder=certificates) as inbox:
            monkeypatch.setattr(mail, "settings", inbox.settings(email_host_user=""))
            with pytest.raises(TryLater, match=r"^SMTPSenderRefused 530"):
                await mail.send(EMAIL, "abc123")


async def test_a_sender_that_is_no_address_is_told(inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mail, "settings", inbox.settings(email_from="Stockroom"))
    with pytest.raises(TryLater, match="EMAIL_FROM"):
        await mail.send(EMAIL, "abc123")


async def test_a_shop_may_be_named_in_any_script(inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mail, "settings", inbox.settings(email_from="Großhändler, Köln <shop@stockroom.example>"))
    await mail.send(EMAIL, "abc123")
    assert inbox.messages[0]["From"].addresses[0].display_name == "Großhändler, Köln"
