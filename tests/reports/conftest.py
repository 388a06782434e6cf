import time
from datetime import timedelta

import pytest

from lib import cache, clock
from lib.cache import Here

# No test here takes so long.
BEFORE_MIDNIGHT = timedelta(seconds=30)


@pytest.fixture(autouse=True)
def keeps_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else values are kept half a second after somebody has looked first. They are kept for a minute, so that none runs
    out where a step takes long."""
    monkeypatch.setattr(cache, "here", Here())
    monkeypatch.setattr(cache, "YOUNG_MICROSECONDS", 0)
    monkeypatch.setattr(cache, "GONE_SECONDS", 0)
    monkeypatch.setattr(cache, "REST", 10**6)


@pytest.fixture(autouse=True)
def one_day() -> None:
    """A test ends on the day on which it began, for PostgreSQL too: what happens today is counted by the day."""
    if (clock.now() + BEFORE_MIDNIGHT).date() != clock.now().date():
        time.sleep(BEFORE_MIDNIGHT.total_seconds())
