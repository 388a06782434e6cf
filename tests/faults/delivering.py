"""Workers that may die at a point of the test's choice: python -m tests.faults.delivering. See tests/faults/crew.py.

For each line of its standard input, "POINT PASSES", it forks one, and prints its pid: starting Python for each of a
hundred would take longer than all that they do. The worker dies behind the point once it has passed it so many times.
WEBHOOK_LEASE_SECONDS shortens the time for which deliveries stay with a worker that died, WEBHOOK_DEADLINE_SECONDS the
time that a receiver has, and SHOPIFY_PARKED_SECONDS the one after which a parked webhook of a shop is tried again.
"""

import ctypes
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import ModuleType
from typing import Any, NamedTuple

import uvloop

from domains.shopify import inbox
from domains.shopify import jobs as shopify_jobs
from domains.webhooks import deliverer, deliveries, jobs, lines, relay
from lib import egress, log
from queues import worker

PR_SET_PDEATHSIG = 1


class Point(NamedTuple):
    """Behind a verb, which is called as a global of a module, when what it returned `counts`."""

    module: ModuleType
    verb: str
    counts: Callable[[Any], bool] = lambda _found: True

    def lie_in_wait(self, passes: int) -> None:
        verb: Callable[..., Awaitable[object]] = getattr(self.module, self.verb)
        left = passes

        async def act(*args: object, **kwargs: object) -> object:
            nonlocal left
            found = await verb(*args, **kwargs)
            left -= self.counts(found)
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        setattr(self.module, self.verb, act)


DELIVERY_POINTS = {
    # Deliveries are written, and not committed.
    "relaying": Point(relay, "fetch", lambda rows: rows[0]["made"] > 0),
    # They are committed, and nobody was rung for.
    "relayed": Point(jobs, "relay_events", lambda relayed: relayed.deliveries > 0),
    # They are held, and not sent.
    "claimed": Point(deliveries, "claim", bool),
    # The receiver said 200, and that is not recorded.
    "answered": Point(deliverer, "send", lambda outcome: outcome.is_success),
    # It is written, and not committed.
    "recording": Point(deliveries, "finish"),
}
INBOX_POINTS = {
    # A webhook of a shop is held, and has had no effect.
    "reading": Point(inbox, "claim", bool),
    # Its effect is written, and not committed.
    "settling": Point(inbox, "settle"),
    # It is committed, and who waited for it is not woken.
    "settled": Point(shopify_jobs, "_settle_one", bool),
}
POINTS = DELIVERY_POINTS | INBOX_POINTS
NEVER = "never"


def work(order: str) -> None:
    """With its own dice, and gone when the process that forked it is."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    random.seed()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    point, passes = order.split()
    if point != NEVER:
        POINTS[point].lie_in_wait(int(passes))
    if seconds := os.environ.get("WEBHOOK_LEASE_SECONDS"):
        deliveries.LEASE = timedelta(seconds=float(seconds))
        lines.LONGEST_WAIT_SECONDS = float(seconds) / 2
    if seconds := os.environ.get("WEBHOOK_DEADLINE_SECONDS"):
        egress.post.__kwdefaults__["deadline"] = float(seconds)
    if seconds := os.environ.get("SHOPIFY_PARKED_SECONDS"):
        inbox.PARKED_AGAIN, inbox.PARKED_AT_MOST_AGAIN = (), timedelta(seconds=float(seconds))
    log.configure()
    uvloop.run(worker.work_forever())


if __name__ == "__main__":
    # Nobody has to wait for those that died.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for order in sys.stdin:
        if (pid := os.fork()) == 0:
            work(order)
            os._exit(0)
        print(pid, flush=True)
