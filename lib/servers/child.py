"""A process that ends with ours, started by a thread of its own."""

import subprocess
from concurrent.futures import Future
from pathlib import Path
from signal import Signals
from threading import Thread

from lib.servers.user import follow_owner

LOG_LINES_TOLD = 15
LARGEST_LOG_BYTES = 10_000_000


class Child:
    """`inherited` stays open in the process and in all that it starts; its output is appended to `log`.

    The kernel ends a child together with the thread that started it, so that thread only waits for it.
    """

    def __init__(self, command: list[str], log: Path, inherited: int) -> None:
        self._command = command
        self._log = log
        self._inherited = inherited
        self._log_start = _make_room(log)
        started: Future[subprocess.Popen[bytes]] = Future()
        self._keeper = Thread(target=self._keep, args=[started], name=f"keeper of {log.stem}", daemon=True)
        self._keeper.start()
        self._process = started.result()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def ends_with(self, signal: Signals, seconds: float) -> bool:
        """Send it and wait: whether the process has ended."""
        self._process.send_signal(signal)
        self._keeper.join(seconds)
        return not self._keeper.is_alive()

    def last_lines(self) -> str:
        """What it wrote last."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_TOLD:])

    def _keep(self, started: "Future[subprocess.Popen[bytes]]") -> None:
        try:
            process = self._start()
        except Exception as error:  # Whatever it is, the thread that waits for the process shall have it.
            started.set_exception(error)
            return
        started.set_result(process)
        process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            # Its own session: Ctrl-C in a terminal reaches us, and we end the servers last.
            return subprocess.Popen(  # noqa: S603 - paths of our own.
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[self._inherited],
                start_new_session=True,
            )


def _make_room(log: Path) -> int:
    """Where the next line goes; a large log becomes the old one."""
    if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    log.touch(mode=0o600)
    follow_owner(log)
    return log.stat().st_size
