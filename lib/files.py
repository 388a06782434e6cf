"""Uploaded files: written once as a stream, read back by key, removed after their time. A directory of DATA_DIR."""

import hashlib
import os
import secrets
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import anyio.to_thread
import msgspec

from lib import clock
from lib.errors import TooLarge
from settings import settings

FOLDER = settings.data_dir / "files"
PIECE_BYTES = 1 << 20


class Saved(msgspec.Struct, frozen=True):
    """`digest` is the SHA-256 of the bytes, in hex."""

    key: str
    digest: str
    size: int


class Writer:
    """One file on its way in: `write` pieces, then `finish`. Left without finishing, nothing stays behind."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self.digest = hashlib.sha256()
        self.key = secrets.token_hex(16)
        self.saved: Saved | None = None

    async def __aenter__(self) -> Self:
        FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file: BinaryIO = await anyio.to_thread.run_sync(self._partial.open, "xb")
        return self

    async def write(self, piece: bytes) -> None:
        """Raises TooLarge once the limit is passed."""
        self.size += len(piece)
        if self.size > self.limit:
            raise TooLarge(f"The file is larger than {self.limit // (1 << 20)} MB.")
        await anyio.to_thread.run_sync(self._append, piece)

    async def finish(self) -> Saved:
        """The file is on disk, whole and under its key, when this returns."""
        await anyio.to_thread.run_sync(self._close)
        self.saved = Saved(self.key, self.digest.hexdigest(), self.size)
        return self.saved

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.saved is None:
            self.file.close()
            self._partial.unlink(missing_ok=True)

    def _append(self, piece: bytes) -> None:
        self.digest.update(piece)
        self.file.write(piece)

    def _close(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._partial.rename(path(self.key))

    @property
    def _partial(self) -> Path:
        return FOLDER / f"{self.key}.part"


async def save_file(source: Path, limit: int) -> Saved:
    """Keep a copy of a file of this machine."""
    async with Writer(limit) as writer:
        with source.open("rb") as file:
            while piece := await anyio.to_thread.run_sync(file.read, PIECE_BYTES):
                await writer.write(piece)
        return await writer.finish()


def keys_older_than(age: timedelta) -> list[str]:
    """Stored files by when they were last written, unfinished ones among them."""
    if not FOLDER.is_dir():
        return []
    oldest = clock.now().timestamp() - age.total_seconds()
    return [entry.name for entry in FOLDER.iterdir() if entry.stat().st_mtime < oldest]


def path(key: str) -> Path:
    return FOLDER / key


def remove(key: str) -> None:
    path(key).unlink(missing_ok=True)
