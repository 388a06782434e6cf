"""From bytes to lines: gzip, byte order marks, UTF-16 and Windows-1252, without holding a file in memory."""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from domains.imports.errors import FileRefused
from domains.imports.tables import FailureReason
from settings import settings

BLOCK = 1 << 20
SNIFFED = 4096
GZIP_MAGIC = b"\x1f\x8b"
# A gzip file may unpack to this many times the upload limit, no more: a bomb ends here.
LARGEST_UNPACKING = 8
BINARY_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"%PDF", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x7fELF", b"Rar!")
ESCAPED = re.compile("[\udc80-\udcff]")
NON_ASCII = re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked when they are gzip. Raises FileRefused for a broken or bloated archive."""
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == GZIP_MAGIC
            yield cast("BinaryIO", Unpacked(file)) if packed else file
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise FileRefused(FailureReason.UNDECODABLE, "The gzip archive is damaged.") from None
    except OSError as error:
        raise FileRefused(FailureReason.FILE_MISSING, f"The file cannot be read: {error.strerror}.") from None


class Unpacked(gzip.GzipFile):
    """A gzip stream that refuses to grow past its bound."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self.left = settings.max_upload_mb * LARGEST_UNPACKING << 20

    def read(self, size: int | None = -1) -> bytes:
        return self._count(super().read(size))

    def read1(self, size: int = -1) -> bytes:
        return self._count(super().read1(size))

    def _count(self, piece: bytes) -> bytes:
        self.left -= len(piece)
        if self.left < 0:
            raise FileRefused(FailureReason.TOO_LARGE, "The archive unpacks to more than is allowed.")
        return piece


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[TextIO]:
    """Lines with their own line ends. What cannot be decoded stays visible: surrogates, or U+FFFD in UTF-16."""
    errors = "replace" if encoding.startswith("utf-16") else "surrogateescape"
    with open_bytes(path) as file:
        yield io.TextIOWrapper(file, encoding, errors, newline="")


def detect_encoding(path: Path) -> str:
    """`utf-8-sig` (with or without the mark), `utf-16…` or `cp1252`, decided on the whole file."""
    with open_bytes(path) as file:
        start = file.read(SNIFFED)
    if not start.strip():
        raise FileRefused(FailureReason.EMPTY, "The file is empty.")
    if start.startswith(BINARY_MAGIC):
        raise FileRefused(FailureReason.NOT_A_TABLE, "This is not a table but another kind of file.")
    return _utf_16(start) or _eight_bit(path)


def _utf_16(start: bytes) -> str | None:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    half = len(start) // 2
    for encoding, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[0::2])):
        if half and zeros.count(0) > half * 0.9:
            return encoding
    return None


def _eight_bit(path: Path) -> str:
    """UTF-8 unless more of what is not ASCII is broken than whole: then the bytes are Windows-1252."""
    broken = whole = 0
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    with open_bytes(path) as file:
        while block := file.read(BLOCK):
            if block.isascii() and not decoder.getstate()[0]:
                continue
            text = decoder.decode(block)
            broken += len(ESCAPED.findall(text))
            whole += len(NON_ASCII.findall(text))
    return "cp1252" if broken > whole else "utf-8-sig"
