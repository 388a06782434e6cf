"""A program of its own: `python follow.py PROGRAM [ARGUMENT...]` runs PROGRAM, which gets SIGTERM when our parent dies.

The kernel sends it when the *thread* that started us ends (prctl(2)); exec keeps it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent = os.getppid()
    # Elsewhere than on Linux there is no such call, and the program simply runs.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == parent:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - No shell is what we want.


if __name__ == "__main__":
    main()
