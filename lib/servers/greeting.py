"""The first words of PostgreSQL's protocol 3.0 ("Message Flow", Start-up): enough to ask whether it is ready."""

import socket
from pathlib import Path
from typing import BinaryIO

USER = "stockroom"
DATABASE = "stockroom"
PORT = 5432

OPEN = "00000"
NO_DATABASE = "3D000"
NOBODY_LISTENS = "08001"

PROTOCOL = 196608
HELLO = f"user\0{USER}\0database\0{DATABASE}\0\0".encode()


def greet(sockets: Path) -> str:
    """Open a session and leave: `OPEN`, or the SQLSTATE that says why not."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(sockets / f".s.PGSQL.{PORT}"))
            connection.sendall((len(HELLO) + 8).to_bytes(4) + PROTOCOL.to_bytes(4) + HELLO)
            with connection.makefile("rb") as replies:
                return _read_state(replies)
        except OSError:
            return NOBODY_LISTENS


def _read_state(replies: BinaryIO) -> str:
    """Read messages up to ReadyForQuery or ErrorResponse."""
    while kind := replies.read(1):
        body = replies.read(int.from_bytes(replies.read(4)) - 4)
        if kind == b"Z":
            return OPEN
        if kind == b"E":
            return _field(body, b"C")
    return NOBODY_LISTENS


def _field(body: bytes, kind: bytes) -> str:
    fields = [field for field in body.split(b"\0") if field.startswith(kind)]
    return fields[0][1:].decode() if fields else NOBODY_LISTENS
