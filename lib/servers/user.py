"""Who an embedded server runs as: PostgreSQL refuses root, and its data must belong to whoever runs it."""

import contextlib
import os
import pwd
import subprocess
import sys
from pathlib import Path
from signal import Signals
from typing import Literal, NamedTuple

LAUNCHER = Path(__file__).with_name("launch.py")


class ServerUser(NamedTuple):
    """WAY, UID and GID of `launch.py`."""

    way: Literal["stay", "map", "become"]
    uid: int = 0
    gid: int = 0

    @property
    def owns_as(self) -> tuple[int, int]:
        """The uid and gid that its files have on the disk."""
        return (self.uid, self.gid) if self.way == "become" else (os.geteuid(), os.getegid())

    def command(self, program: list[str], directory: Path, death_signal: Signals) -> list[str]:
        """To be started by the thread whose end shall send `death_signal`."""
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(death_signal))]
        return [*launcher, self.way, str(self.uid), str(self.gid), str(directory), *program]

    def version(self, program: Path, directory: Path) -> subprocess.CompletedProcess[str]:
        """Runs `program --version` in `directory`: tells also whether this user can reach and run it."""
        command = self.command([str(program), "--version"], directory, Signals.SIGKILL)
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - paths of our own.


def possible_users(directory: Path, *, may_be_root: bool) -> list[ServerUser]:
    """Best first. What exists keeps its owner, so that one start as root does not lock an ordinary user out."""
    me = os.geteuid()
    owners = [_owner(directory if directory.exists() else directory.parent)] if me == 0 else []
    strangers = [owner for owner in owners if owner.uid != 0]
    if may_be_root or (me != 0 and _has_name(me)):
        return [*strangers, ServerUser("stay")]
    last = ServerUser("become", *_nobody()) if me == 0 else ServerUser("stay")
    return [*strangers, ServerUser("map", *_nobody()), last]


def give(path: Path, user: ServerUser) -> None:
    """The top comes last: whoever is interrupted here starts again next time."""
    if path.lstat().st_uid == user.owns_as[0]:
        return
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            os.chown(Path(folder, name), *user.owns_as, follow_symlinks=False)
        os.chown(folder, *user.owns_as)


def follow_owner(file: Path) -> None:
    """What root puts into the directory of an ordinary user shall be theirs."""
    if os.geteuid() != 0:
        return
    directory = file.parent.stat()
    # Some containers have a root that may not do this, or an owner of whom they know no number.
    with contextlib.suppress(OSError):
        os.chown(file, directory.st_uid, directory.st_gid, follow_symlinks=False)


def _owner(directory: Path) -> ServerUser:
    status = directory.stat()
    return ServerUser("become", status.st_uid, status.st_gid)


def _has_name(uid: int) -> bool:
    """initdb refuses a uid without an account, as containers use (`docker run -u 12345`)."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _nobody() -> tuple[int, int]:
    try:
        account = pwd.getpwnam("nobody")
    except KeyError:
        account = next(entry for entry in pwd.getpwall() if entry.pw_uid != 0)
    return account.pw_uid, account.pw_gid
