"""Where a server has its unix socket: its path may have 107 bytes, so a short directory stands for that of the data."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from lib.servers.errors import EmbeddedFailed
from lib.servers.user import ServerUser

LONGEST_BASE_BYTES = 60  # What follows takes 38 of the 107.


def sockets_of(directory: Path) -> Path:
    """The same for every process of one user that has the same temp dir."""
    who = f"{os.geteuid()}:".encode() + os.fsencode(directory.resolve())
    base = Path(tempfile.gettempdir())
    if len(os.fsencode(base)) > LONGEST_BASE_BYTES:
        base = Path("/tmp")  # noqa: S108 - the directory in it is ours alone, or refused.
    return base / f"stockroom-{hashlib.sha256(who).hexdigest()[:12]}"


def make_sockets(sockets: Path, user: ServerUser) -> None:
    sockets.mkdir(mode=0o700, exist_ok=True)
    status = sockets.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {os.geteuid(), user.owns_as[0]}:
        raise EmbeddedFailed(
            f"{sockets} belongs to somebody else: remove it, or set TMPDIR to a directory of your own."
        )
    sockets.chmod(0o700)
    if status.st_uid != user.owns_as[0]:
        os.chown(sockets, *user.owns_as)
