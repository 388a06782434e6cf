"""Servers of this test on loopback, a pretended internet that leads to them, and certificates for them."""

import asyncio
import contextlib
import datetime
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[["Loopback", bytes, asyncio.StreamWriter], Awaitable[None]]


class Loopback:
    """A server, and what came to it."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def serving(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Loopback]:
    """`answer` is called once for each request and writes what it likes."""
    loopback = Loopback()
    tasks: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loopback.connections += 1
        tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                request = await read_request(reader)
                loopback.requests.append(request)
                await answer(loopback, request, writer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    loopback.port = server.sockets[0].getsockname()[1]
    try:
        yield loopback
    finally:
        server.close()
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + (await reader.readexactly(int(lengths[0].partition(b":")[2])) if lengths else b"")


def saying(text: bytes, *, then_close: bool = False) -> Answer:
    """An answer that is always these bytes."""

    async def answer(_loopback: Loopback, _request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        if then_close:
            await writer.drain()
            writer.close()

    return answer


def reply(status: str = "200 OK", body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


async def repeat(head: bytes, part: bytes, seconds: float, writer: asyncio.StreamWriter) -> None:
    """Write `head`, then `part` for ever, with a pause after each."""
    writer.write(head)
    while True:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(seconds)


class Internet:
    """What dials reach: addresses that stand in `places` lead to a port on loopback, all others nowhere."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.dialled: list[str] = []
        self._connect = asyncio.get_running_loop().sock_connect

    async def connect(self, sock: socket.socket, address: tuple[str, int]) -> None:
        self.dialled.append(address[0])
        if address[0] not in self.places:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        await self._connect(sock, ("127.0.0.1", self.places[address[0]]))


def certificate_for(name: str, directory: Path) -> Path:
    """A file with the key of a server called `name` and a certificate signed by that key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    file = directory / f"{name}.pem"
    file.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(encoding)
    )
    return file
