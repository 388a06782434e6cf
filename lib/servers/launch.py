"""A program of its own: become who a server may run as, tie its life to ours, and exec it under the same pid.

    python -I -S launch.py PARENT SIGNAL WAY UID GID DIRECTORY PROGRAM [ARGUMENT...]

WAY is `stay`; `map` (a user namespace in which we are UID and GID, outside we stay who we are: PostgreSQL refuses to
run as root); or `become` (really change to UID and GID). SIGNAL is sent to the server when the *thread* of PARENT that
started it ends (prctl(2)), so that thread must live as long as the server should. Whatever keeps the program from
running is one line on stderr and exit code 126.
"""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

CANNOT_RUN = 126

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522

# Settings for clients (PGPORT, PGOPTIONS, ...) and the locale of whoever starts us must not reach the servers.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    parent, death_signal, way, uid, gid, directory, *command = sys.argv[1:]
    try:
        _take_identity(way, int(uid), int(gid))
        os.chdir(directory)
        _die_with(int(parent), int(death_signal))
        _reset_signals()
        os.execve(command[0], command, ENVIRONMENT)  # noqa: S606 - no shell is what we want.
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]} ({way}): {error}\n")
        sys.exit(CANNOT_RUN)


def _take_identity(way: str, uid: int, gid: int) -> None:
    if way == "map":
        _map_to(uid, gid)
    elif way == "become":
        _become(uid, gid)


def _map_to(uid: int, gid: int) -> None:
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWUSER)
    # The kernel lets an ordinary user write gid_map only after setgroups has been given up.
    Path("/proc/self/setgroups").write_text("deny", "ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {outside_uid} 1", "ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {outside_gid} 1", "ascii")


def _become(uid: int, gid: int) -> None:
    _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    # Not allowed everywhere, and only needed where a directory on the way (root's home, say) is closed to others.
    with contextlib.suppress(OSError):
        _keep_reach()


def _keep_reach() -> None:
    """Let the next program pass closed directories as root does, and nothing else of what root may."""
    bit = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    _call("capset", header, sets)
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE)


def _die_with(parent: int, death_signal: int) -> None:
    """Comes after every change of identity: those clear the signal, the exec that follows does not."""
    _prctl(PR_SET_PDEATHSIG, death_signal)
    # A parent that died before the line above has sent nothing; we then belong to another one already.
    if os.getppid() != parent:
        sys.exit(CANNOT_RUN)


def _reset_signals() -> None:
    """Ignored and blocked signals pass through exec; Python ignores SIGPIPE, our caller may block others."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _prctl(option: int, *values: int) -> None:
    padded = [*values, 0, 0, 0, 0][:4]
    _call("prctl", option, *(ctypes.c_ulong(value) for value in padded))


def _call(function: str, *arguments: object) -> None:
    if libc[function](*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{function}: {os.strerror(code)}")


if __name__ == "__main__":
    main()
