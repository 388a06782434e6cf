"""What waits for one endpoint in the hands of one worker: a few requests at once, no more a second than it takes."""

import time
from collections import deque

from domains.webhooks.deliveries import LEASE, Due, Waiting
from domains.webhooks.sending import Outcome, Target
from domains.webhooks.signing import keys_of
from lib import clock
from lib.egress import DEADLINE_SECONDS

AT_ONCE = 4
# Answered ones are among them until that is recorded: a worker that dies has so many sent again, and no more.
MOST_UNSETTLED = 2 * AT_ONCE
# Claimed ahead for an endpoint that answers quickly, so that no claim has to be waited for between two requests.
MOST_AHEAD = 64
QUICK_SECONDS = 0.2
# What is claimed has to be begun while its lease still covers the whole request.
LONGEST_WAIT_SECONDS = LEASE.total_seconds() - DEADLINE_SECONDS - 5


class Line:
    """`queue` holds what is claimed and not begun, with the time of its claim on the monotonic clock."""

    def __init__(self, waiting: Waiting) -> None:
        self.endpoint_id = waiting.id
        self.queue: deque[tuple[Due, float]] = deque()
        self.under_way = 0
        self.unsettled = 0
        self.is_quick = False
        self.has_more = False
        self.has_failed = False
        # It wants no more: what waits is given back before it is paused.
        self.is_gone = False
        self.begun_at: deque[float] = deque(maxlen=waiting.max_per_second or 1)
        self._read(waiting)

    def update(self, waiting: Waiting) -> None:
        """As the endpoint is now: its URL, secrets and limit may have been changed."""
        if waiting != self.waiting:
            self._read(waiting)

    def _read(self, waiting: Waiting) -> None:
        self.waiting = waiting
        keys = keys_of(waiting.secrets, clock.now())
        self.target = Target(waiting.id, waiting.url, keys)
        self.max_per_second = waiting.max_per_second
        if waiting.max_per_second and waiting.max_per_second != self.begun_at.maxlen:
            self.begun_at = deque(self.begun_at, maxlen=waiting.max_per_second)

    @property
    def is_failing(self) -> bool:
        """A success would be news."""
        return self.has_failed or self.waiting.is_failing

    @property
    def room(self) -> int:
        """How many more to claim."""
        if self.is_gone:
            return 0
        most = MOST_AHEAD if self.is_quick else AT_ONCE
        if self.max_per_second:
            most = min(most, max(AT_ONCE, 2 * self.max_per_second))
        return max(0, most - len(self.queue) - self.under_way)

    @property
    def is_empty(self) -> bool:
        return not self.queue and not self.under_way

    @property
    def is_resting(self) -> bool:
        """What was begun still counts for the limit of requests a second: whoever has the endpoint next knows nothing
        of it."""
        return bool(self.max_per_second and self.begun_at) and self.begun_at[-1] + 1 > time.monotonic()

    def add(self, claimed: list[Due], room: int) -> None:
        """What was claimed; where that filled the room there may be more."""
        now = time.monotonic()
        self.queue.extend((due, now) for due in claimed)
        self.has_more = len(claimed) >= room

    @property
    def runs_low(self) -> bool:
        """It is time to claim more, before the last one is begun."""
        return self.has_more and len(self.queue) < AT_ONCE <= self.room

    def begin(self) -> Due | None:
        """The next one to send now; None when enough are under way, too many were begun in the last second, or none
        waits."""
        is_full = self.under_way >= AT_ONCE or self.unsettled >= MOST_UNSETTLED
        if not self.queue or self.is_gone or is_full or self.rest_seconds > 0:
            return None
        self.under_way += 1
        self.unsettled += 1
        self.begun_at.append(time.monotonic())
        return self.queue.popleft()[0]

    @property
    def rest_seconds(self) -> float:
        """Until the limit of requests a second lets the next one go."""
        if not self.max_per_second or len(self.begun_at) < self.max_per_second:
            return 0.0
        return self.begun_at[0] + 1 - time.monotonic()

    def end(self, outcome: Outcome) -> None:
        self.under_way -= 1
        self.is_quick = outcome.is_success and outcome.milliseconds < QUICK_SECONDS * 1000
        self.has_failed |= not outcome.is_success
        self.is_gone |= outcome.is_gone

    def settle(self) -> None:
        """What one of them came to stands in the database."""
        self.unsettled -= 1

    def take_back(self, *, everything: bool = False) -> list[Due]:
        """What waited too long to be begun under its lease, or everything that was not begun."""
        latest = float("inf") if everything or self.is_gone else time.monotonic() - LONGEST_WAIT_SECONDS
        late: list[Due] = []
        while self.queue and self.queue[0][1] < latest:
            late.append(self.queue.popleft()[0])
        return late
