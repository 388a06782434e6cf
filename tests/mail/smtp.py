"""A real SMTP server on a free port of the loopback, in a thread of its own, that keeps what it takes.

    with smtp_server() as inbox:          # or `async with`
        monkeypatch.setattr(mail, "settings", inbox.settings())
        ...
        assert inbox.messages[0]["To"] == "ada@example.com"

For another process `inbox.environment()` holds the settings instead. `inbox.mode` may be changed at any time.
"""

import asyncio
import logging
import ssl
import threading
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import settings as settings_module
from settings import Settings

HOST = "127.0.0.1"
FOREVER = 3600
# It tells of every command.
logging.getLogger("mail.log").setLevel(logging.WARNING)


class Mode(StrEnum):
    """What it does with a mail."""

    ACCEPT = "accept"
    REFUSE = "refuse"  # 550: nobody has this address.
    REFUSE_SENDER = "refuse_sender"  # 550 too, of the sender.
    REFUSE_DATA = "refuse_data"  # 554 after the whole mail.
    DEFER = "defer"  # 451: not now.
    DROP = "drop"  # Hangs up in the middle.
    HANG = "hang"  # Answers no more.
    ACCEPT_THEN_HANG = "accept_then_hang"  # Keeps the mail and never says so.


ANSWERS = {Mode.REFUSE: "550 5.1.1 <ada@example.com> has no box here", Mode.DEFER: "451 4.3.0 not now, try later"}


class Tls(StrEnum):
    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class Inbox:
    """`messages` in the order of their arrival; `encrypted` and `logins` tell how each of them came."""

    def __init__(self, tls: Tls, login: tuple[str, str] | None, folder: Path | None, *, utf8: bool) -> None:
        self.mode = Mode.ACCEPT
        self.messages: list[EmailMessage] = []
        self.encrypted: list[bool] = []
        self.logins: list[str] = []
        self.port = 0
        self._tls = tls
        self._login = login
        self._utf8 = utf8
        self._context = make_certificate(folder) if folder else None
        self._ready = threading.Event()
        self._news = threading.Condition()

    def settings(self, **others: object) -> Settings:
        return msgspec.structs.replace(settings_module.settings, **{**self._given(), **others})

    def environment(self) -> dict[str, str]:
        return {name.upper(): str(value) for name, value in self._given().items()}

    def wait_for(self, count: int, seconds: float = 10) -> EmailMessage:
        """The last of `count` mails. In a coroutine: `await asyncio.to_thread(inbox.wait_for, 1)`."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.messages) >= count, seconds), f"{len(self.messages)} mails came"
        return self.messages[count - 1]

    def _given(self) -> dict[str, object]:
        user, password = self._login or ("", "")
        use_tls = self._tls is Tls.STARTTLS
        return {
            "email_host": HOST,
            "email_port": self.port,
            "email_host_user": user,
            "email_host_password": password,
            "email_use_tls": use_tls,
            "email_from": "Stockroom <shop@stockroom.example>",
        }

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),))
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.__exit__)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        outer = self._context if self._tls is Tls.IMPLICIT else None
        server = await self._loop.create_server(self._greet, HOST, 0, ssl=outer)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()

    def _greet(self) -> SMTP:
        return SMTP(
            self,
            loop=self._loop,
            hostname="smtp.example",
            enable_SMTPUTF8=self._utf8,
            tls_context=self._context if self._tls is Tls.STARTTLS else None,
            auth_required=self._login is not None,
            auth_require_tls=True,
            authenticator=self._check_login,
        )

    def _check_login(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _way: str, given: object
    ) -> AuthResult:
        login, password = self._login or ("", "")
        right = isinstance(given, LoginPassword) and given == (login.encode(), password.encode())
        if right:
            self.logins.append(login)
        return AuthResult(success=right, handled=False)

    async def handle_MAIL(self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name.
        if self.mode is Mode.REFUSE_SENDER:
            return "550 5.7.1 not from you"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, _: Session, envelope: Envelope, address: str, __: list[str]) -> str:  # noqa: N802 - aiosmtpd's name.
        if self.mode in ANSWERS:
            return ANSWERS[self.mode]
        if self.mode is Mode.DROP:
            server.transport.abort()
        if self.mode in {Mode.DROP, Mode.HANG}:
            await asyncio.sleep(FOREVER)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name.
        if self.mode is Mode.REFUSE_DATA:
            return "554 5.7.1 this looks like spam: https://smtp.example/why?code=K7M2QX"
        message = message_from_bytes(envelope.original_content.replace(b"\r\n", b"\n"), policy=policy.default)
        with self._news:
            self.encrypted.append(session.ssl is not None or self._tls is Tls.IMPLICIT)
            self.messages.append(message)
            self._news.notify_all()
        if self.mode is Mode.ACCEPT_THEN_HANG:
            await asyncio.sleep(FOREVER)
        return "250 2.0.0 taken"


def smtp_server(
    tls: Tls = Tls.NONE, *, login: tuple[str, str] | None = None, folder: Path | None = None, utf8: bool = True
) -> Inbox:
    """TLS needs a folder for its throw-away certificate: see `make_certificate`. A login is only taken under TLS."""
    return Inbox(tls, login, folder, utf8=utf8)


def make_certificate(folder: Path) -> ssl.SSLContext:
    """A server's context; who sets SSL_CERT_FILE to `folder / "certificate.pem"` trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smtp.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
