"""The log is kept thirty days; what is owed, and what was counted, for good."""

from datetime import timedelta

import pytest

from domains.webhooks import pruning
from piccolo_conf import execute, fetch_value
from tests.lib.loopback import Loopback
from tests.webhooks.conftest import FrozenClock
from tests.webhooks.making import attempts, deliver, deliveries, make_endpoint, record


async def test_what_is_older_than_thirty_days_goes_and_its_counts_stay(
    database: None, receiver: Loopback, frozen: FrozenClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pruning, "MOST_AT_ONCE", 1)
    await make_endpoint(receiver.url)
    await record()
    await record()
    await deliver()
    await pruning.forget_old_deliveries()
    assert (len(await deliveries()), len(await attempts())) == (2, 2)
    frozen.pass_by(timedelta(days=31))
    await pruning.forget_old_deliveries()
    assert (await deliveries(), await attempts()) == ([], [])
    assert await fetch_value("SELECT sum(delivered) FROM webhook_tally") == 2


@pytest.mark.parametrize("state", ["pending", "paused"])
async def test_what_is_owed_is_kept(database: None, receiver: Loopback, frozen: FrozenClock, state: str):
    await make_endpoint(receiver.url)
    await record()
    await deliver()
    await execute("UPDATE webhook_delivery SET state = $1", state)
    frozen.pass_by(timedelta(days=31))
    await pruning.forget_old_deliveries()
    assert [row["state"] for row in await deliveries()] == [state]
