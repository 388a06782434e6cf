from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from domains.webhooks import deliverer
from lib import clock, egress
from lib.dialling import Rules
from tests.lib.loopback import Loopback, reply, saying, serving

LOCAL = Rules(allow_http=True, allow_private=True)


class FrozenClock:
    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def pass_by(self, wait: timedelta) -> None:
        self.time += wait


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[FrozenClock]:
    made = FrozenClock()
    monkeypatch.setattr(clock, "now", lambda: made.time)
    yield made


@pytest.fixture
async def lane(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Requests may go to this machine, and a turn of sending ends soon after the last one."""
    monkeypatch.setattr(egress, "post", partial(egress.post, rules=LOCAL))
    monkeypatch.setattr(deliverer, "IDLE_SECONDS", 0.15)
    async with egress.opened():
        yield


@pytest.fixture
async def receiver(lane: None) -> AsyncIterator[Loopback]:
    """Takes everything."""
    async with serving(saying(reply())) as server:
        yield server
