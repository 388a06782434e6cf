"""When a delivery that failed is tried again."""

import random
from datetime import timedelta

from domains.webhooks.sending import Outcome

# Before each attempt, counted from the one before it: ten attempts in three days.
WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
JITTER = 0.2
SHORTEST_REST = timedelta(seconds=60)
# How many times as long as planned a receiver may put us off.
MOST_PATIENCE = 2


def wait_after(step: int, outcome: Outcome) -> timedelta | None:
    """How long to wait after the attempt at `step` (from 1) failed; None when that was the last one.

    A fifth more or less, so that what failed together does not come back together.
    """
    if step >= len(WAITS) or outcome.is_gone:
        return None
    planned = WAITS[step]
    asked = timedelta(seconds=outcome.retry_after or 0)
    wait = min(max(planned, asked), MOST_PATIENCE * planned)
    wait *= 1 + random.uniform(-JITTER, JITTER)  # noqa: S311 - Nobody gains by guessing it.
    return max(wait, SHORTEST_REST) if outcome.asks_for_rest else wait
