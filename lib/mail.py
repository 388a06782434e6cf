"""Mail: rendered from templates, then sent by SMTP within one deadline, or not sent with a reason. Knows no table.

Port 465 is TLS from the first byte. Elsewhere EMAIL_USE_TLS demands STARTTLS, and a server that does not offer it gets
nothing. Certificates are checked against the system's authorities (or SSL_CERT_FILE).
"""

import asyncio
import contextlib
import functools
import os
import re
import ssl
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import aiosmtplib
import anyio.to_thread
import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from lib import clock, log
from settings import settings

logger = log.get("lib.mail")

DEADLINE_SECONDS = 30.0
GOODBYE_SECONDS = 2.0
IMPLICIT_TLS_PORT = 465
AUTHENTICATION_REQUIRED = 530

SUBJECT = "Subject: "
# Whatever a mail program or server may take for the end of a header, and what it may choke on.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Of letters in any script; quoted ones, which nobody has, are refused.
LOCAL_PART = re.compile(r"""[^\s<>()\[\]\\,;:@"]+""")
DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
# "5.1.1" of RFC 3463, at the beginning of an answer.
ENHANCED_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


class BadEmail(ValueError):
    """An address or a subject must be one line, and an address must be one."""


class MailError(Exception):
    """Why a mail was not sent, in words without its address and text, and without the server's, who may quote them."""


class Refused(MailError):
    """It will never be taken."""


class TryLater(MailError):
    """It may be taken later."""


class Email(msgspec.Struct, frozen=True):
    """One letter to one address. Raises BadEmail for what could become another header."""

    to: str
    subject: str
    text: str
    html: str

    def __post_init__(self) -> None:
        if CONTROL.search(self.to + self.subject):
            raise BadEmail

    def __repr__(self) -> str:
        """Nothing of what it says: it may hold codes, and would be printed with every traceback."""
        return "Email(…)"


def render(folder: Path, template: str, facts: Mapping[str, object]) -> tuple[str, str, str]:
    """Subject, text and HTML from `<template>.txt`, whose first line is the subject, and `<template>.html`.

    Facts are escaped in HTML, and never read as templates. Raises jinja2.UndefinedError when one is missing.
    """
    templates = _templates(folder)
    head, _, text = templates.get_template(f"{template}.txt").render(facts).partition("\n")
    html = templates.get_template(f"{template}.html").render(facts)
    return head.removeprefix(SUBJECT), text.strip() + "\n", html


@functools.cache
def _templates(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


async def send(email: Email, message_id: str) -> None:
    """Returns when the server has taken it; raises Refused or TryLater. `message_id` is what stands before its "@".

    When the answer to the last byte is lost the server may have taken it all the same: send it again with the same
    `message_id`, by which mail programs know a copy. Without EMAIL_HOST a developer finds it in the log and under
    DATA_DIR/mail.
    """
    if not settings.email_host and not settings.debug:
        raise Refused("EMAIL_HOST is not set")
    message = _compose(email, message_id)
    if settings.email_host:
        await _deliver(message)
    else:
        logger.info("mail_printed", to=email.to, subject=email.subject, text=email.text)
        await anyio.to_thread.run_sync(_keep, message)


def _compose(email: Email, message_id: str) -> EmailMessage:
    message, sender = EmailMessage(), _sender()
    message["Subject"] = email.subject
    message["From"] = sender
    try:
        message["To"] = _address(email.to)
    except BadEmail:
        raise Refused("BadEmail") from None
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = f"<{message_id}@{sender.domain}>"
    # RFC 3834: no out-of-office answers to this, please.
    message["Auto-Submitted"] = "auto-generated"
    # Short lines of plain ASCII pass every relay unchanged.
    message.set_content(email.text, cte="quoted-printable")
    message.add_alternative(email.html, subtype="html", cte="quoted-printable")
    return message


def _sender() -> Address:
    """Commas need no quotes: this is one address, whatever its name."""
    name, _, address = settings.email_from.rpartition("<")
    try:
        return _address(address.strip(" >"), name.strip(' "'))
    except BadEmail:
        raise TryLater("EMAIL_FROM is not an address") from None


def _address(address: str, name: str = "") -> Address:
    """One address, never a list of them; its domain as DNS has it, so that only other local parts need SMTPUTF8."""
    local, _, domain = address.rpartition("@")
    try:
        known = domain.encode("idna").decode("ascii")
    except UnicodeError:
        raise BadEmail from None
    if not LOCAL_PART.fullmatch(local) or not DOMAIN.fullmatch(known):
        raise BadEmail
    return Address(name, username=local, domain=known)


async def _deliver(message: EmailMessage) -> None:
    client = _client(message["From"].addresses[0].domain)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await _connect(client)
            await _hand_over(client, message)
        # It is theirs now: what happens to the goodbye changes nothing.
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=GOODBYE_SECONDS)
    except TimeoutError:
        raise TryLater("TimeoutError") from None
    finally:
        client.close()


def _client(sender_domain: str) -> aiosmtplib.SMTP:
    implicit = settings.email_port == IMPLICIT_TLS_PORT
    return aiosmtplib.SMTP(
        hostname=settings.email_host,
        port=settings.email_port,
        username=settings.email_host_user or None,
        password=settings.email_host_password or None,
        use_tls=implicit,
        start_tls=settings.email_use_tls and not implicit,
        tls_context=tls_context(),
        # Asking DNS for the name of this machine may take longer than the mail.
        local_hostname=sender_domain,
        timeout=DEADLINE_SECONDS,
    )


@functools.cache
def tls_context() -> ssl.SSLContext:
    """One for all: reading the authorities takes longer than a mail."""
    return ssl.create_default_context()


async def _connect(client: aiosmtplib.SMTP) -> None:
    """Up to here everything that fails can be mended on this side or theirs, a wrong password included."""
    try:
        await client.connect()
    except (aiosmtplib.SMTPException, OSError) as error:
        raise TryLater(_reason(error)) from None


async def _hand_over(client: aiosmtplib.SMTP, message: EmailMessage) -> None:
    try:
        await client.send_message(message)
    except aiosmtplib.SMTPRecipientsRefused as error:
        raise _verdict(error.recipients[0]) from None
    except aiosmtplib.SMTPNotSupported:
        raise Refused("the server knows no such addresses (SMTPUTF8)") from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _verdict(error) from None
    except ValueError:
        raise Refused("BadEmail") from None


def _verdict(error: Exception) -> MailError:
    refusals = aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError
    if isinstance(error, refusals) and error.code >= 500 and error.code != AUTHENTICATION_REQUIRED:
        return Refused(_reason(error))
    return TryLater(_reason(error))


def _reason(error: Exception) -> str:
    """ "SMTPRecipientRefused 550 5.1.1" or "SMTPConnectError (ConnectionRefusedError)"."""
    kind = type(error).__name__
    if isinstance(error, aiosmtplib.SMTPResponseException):
        status = ENHANCED_STATUS.match(error.message)
        return f"{kind} {error.code} {status.group() if status else ''}".strip()
    return f"{kind} ({type(error.__cause__).__name__})" if error.__cause__ else kind


def _keep(message: EmailMessage) -> None:
    """Under DATA_DIR/mail, for its owner's eyes: it holds codes."""
    folder = settings.data_dir / "mail"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = re.sub(r"\W", "", message["Message-ID"].partition("@")[0])
    path = folder / f"{clock.now():%Y%m%dT%H%M%S}-{number}.eml"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(message.as_bytes())
