"""R11, second half: who does not hear us is warned, then disabled; nothing that waits is lost."""

import asyncio
from datetime import timedelta

import pytest

from domains.accounts.tables import Role
from domains.webhooks import health
from domains.webhooks.retries import WAITS
from domains.webhooks.tables import DisabledReason
from piccolo_conf import fetch, fetch_value
from tests.conftest import make_user
from tests.lib.loopback import Loopback, reply, saying, serving
from tests.webhooks.conftest import FrozenClock
from tests.webhooks.making import deliver, deliver_at_its_time, deliveries, endpoint_row, make_endpoint, record


async def letters() -> list[tuple[str, str]]:
    return [(row["to"], row["template"]) for row in await fetch('SELECT "to", template FROM mail ORDER BY id')]


async def test_after_four_failed_attempts_the_owner_is_told_once(database: None, lane: None, frozen: FrozenClock):
    owner = await make_user(Role.ADMIN, "ada")
    await make_user(Role.ADMIN, "bert")
    async with serving(saying(reply("500 No"))) as server:
        await make_endpoint(f"{server.url}/hook?token=secret", created_by=owner)
        await record()
        await record()
        await deliver()
        for _ in range(2):
            await deliver_at_its_time(frozen)
            await deliver_at_its_time(frozen)
        assert await letters() == []
        for _ in range(4):
            await deliver_at_its_time(frozen)
    assert await letters() == [("ada@example.com", "webhook_failing")]
    assert "secret" not in await fetch_value("SELECT text || html FROM mail")


async def test_where_the_owner_is_gone_every_administrator_is_told(database: None, lane: None, frozen: FrozenClock):
    await make_user(Role.ADMIN, "ada")
    await make_user(Role.STAFF, "stan")
    async with serving(saying(reply("410 Gone"))) as server:
        await make_endpoint(server.url)
        await record()
        await deliver()
    assert await letters() == [("ada@example.com", "webhook_disabled")]


async def test_five_days_without_a_success_disable_it_with_one_notice_and_pause_what_waits(
    database: None, lane: None, frozen: FrozenClock
):
    await make_user(Role.ADMIN, "ada")
    async with serving(saying(reply("500 No"))) as server:
        endpoint = await make_endpoint(server.url)
        await record("order.placed")
        await deliver()
        for _ in WAITS[1:]:
            await deliver_at_its_time(frozen)
        assert (await endpoint_row(endpoint))["exhausted_at"] is not None
        assert (await endpoint_row(endpoint))["is_enabled"]
        await record("order.shipped")
        # The ten attempts took between two and a half and four days: waits are a fifth more or less.
        frozen.pass_by(timedelta(days=2.6))
        await deliver()
    row = await endpoint_row(endpoint)
    assert (row["is_enabled"], row["disabled_reason"]) == (False, "failing")
    assert [row["state"] for row in await deliveries()] == ["failed", "paused"]
    assert [template for _to, template in await letters()] == ["webhook_failing", "webhook_disabled"]


async def test_a_success_in_between_begins_the_five_days_anew(database: None, lane: None, frozen: FrozenClock):
    answers = [reply("500 No"), reply(), reply("500 No")]

    async def answer(_server: Loopback, _request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop(0))

    async with serving(answer) as server:
        endpoint = await make_endpoint(server.url)
        await record()
        await deliver()
        first = (await endpoint_row(endpoint))["failing_since"]
        assert first == frozen.time
        await deliver_at_its_time(frozen)
        assert (await endpoint_row(endpoint))["failing_since"] is None
        frozen.pass_by(timedelta(days=6))
        await record()
        await deliver()
    row = await endpoint_row(endpoint)
    assert (row["is_enabled"], row["failing_since"]) == (True, frozen.time)


async def test_enabling_makes_what_was_paused_due_with_all_its_attempts(database: None, receiver: Loopback):
    endpoint = await make_endpoint(receiver.url)
    await record()
    await health.disable(endpoint, DisabledReason.BY_HAND)
    await deliver()
    assert receiver.requests == []
    await health.enable(endpoint)
    await record()
    await deliver()
    assert len(receiver.requests) == 1


async def test_paused_deliveries_go_on_after_enabling(database: None, lane: None, frozen: FrozenClock):
    async with serving(saying(reply("500 No"))) as server:
        endpoint = await make_endpoint(server.url)
        await record()
        await deliver()
        await health.disable(endpoint, DisabledReason.BY_HAND)
        frozen.pass_by(timedelta(hours=1))
        await deliver()
        assert len(server.requests) == 1
        await health.enable(endpoint)
        [delivery] = await deliveries()
        assert (delivery["state"], delivery["step"], delivery["next_attempt_at"]) == ("pending", 0, frozen.time)
        await deliver()
    assert len(server.requests) == 2
    assert await letters() == []


async def test_an_endpoint_that_is_not_there_cannot_be_enabled(database: None):
    with pytest.raises(health.EndpointNotFound):
        await health.enable(7)
