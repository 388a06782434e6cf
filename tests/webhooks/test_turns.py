"""What happens to a turn of sending from outside: lost connections, switches, limits, and others' locks."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from domains.accounts.tables import Role
from domains.webhooks import deliverer, health, recovery
from domains.webhooks import deliveries as rows
from domains.webhooks.deliverer import Deliverer
from domains.webhooks.holding import LOCK_CLASS, holding
from domains.webhooks.jobs import deliver_due, stop_delivering
from domains.webhooks.pruning import forget_old_deliveries
from domains.webhooks.tables import DisabledReason
from lib import clock
from piccolo_conf import execute, fetch, fetch_value, transaction
from tests.conftest import make_user
from tests.faults.harness import HANGS_SECONDS, until
from tests.lib.loopback import Loopback, reply, serving
from tests.webhooks.conftest import FrozenClock
from tests.webhooks.making import attempts, deliver, deliveries, endpoint_row, make_endpoint, record, relay

KILL_HOLDERS = (
    f"SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND classid = {LOCK_CLASS}"
)


async def take_a_turn() -> None:
    async with holding() as holder:
        await Deliverer(holder).run()


async def test_what_was_sent_is_recorded_although_the_connection_with_the_locks_is_lost(
    database: None, receiver: Loopback
):
    is_lost = asyncio.Event()

    async def answer_late(_server: Loopback, _request: bytes, writer: asyncio.StreamWriter) -> None:
        await is_lost.wait()
        writer.write(reply())

    async with serving(answer_late) as server:
        await make_endpoint(receiver.url, "order.placed")
        await make_endpoint(server.url)
        for topic in ("order.placed", "order.shipped", "order.delivered", "order.cancelled"):
            await record(topic)
        await relay()
        turn = asyncio.create_task(deliver_due())
        await until(lambda: came(server, 4), HANGS_SECONDS)
        await execute(KILL_HOLDERS)
        stop_delivering()
        is_lost.set()
        await asyncio.gather(turn, return_exceptions=True)
    assert [row["state"] for row in await deliveries()] == ["delivered"] * 5


async def came(server: Loopback, requests: int) -> bool:
    return len(server.requests) >= requests


async def test_the_limit_of_requests_a_second_holds_from_one_turn_to_the_next(database: None, receiver: Loopback):
    await make_endpoint(receiver.url, max_per_second=5)
    for _ in range(5):
        await record()
    began = time.monotonic()
    await deliver()
    for _ in range(5):
        await record()
    await relay()
    turns = 0
    while len(receiver.requests) < 10:
        await take_a_turn()
        turns += 1

    assert time.monotonic() - began >= 1


async def test_the_rest_of_a_second_is_kept_by_a_turn_that_was_told_to_stop(
    database: None, receiver: Loopback, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(deliverer, "TURN_SECONDS", 0.1)
    await make_endpoint(receiver.url, max_per_second=5)
    for _ in range(15):
        await record()
    await relay()
    began = time.monotonic()
    while len(receiver.requests) < 15:
        await take_a_turn()
    assert time.monotonic() - began >= 2


async def test_a_turn_goes_on_however_long_postgresql_takes_to_record(
    database: None, receiver: Loopback, monkeypatch: pytest.MonkeyPatch
):
    real = rows.finish

    async def finish_slowly(results: Sequence[rows.Result]) -> None:
        await asyncio.sleep(2 * deliverer.IDLE_SECONDS)
        await real(results)

    monkeypatch.setattr(rows, "finish", finish_slowly)
    await make_endpoint(receiver.url)
    for _ in range(6):
        await record()
    await deliver()
    assert [row["state"] for row in await deliveries()] == ["delivered"] * 6


async def test_switched_off_and_on_under_a_claim_a_delivery_keeps_its_place_in_the_schedule(database: None):
    endpoint = await make_endpoint("https://example.com/")
    await record()
    await relay()
    claimed = await rows.claim({endpoint: 1})
    await health.disable(endpoint, DisabledReason.BY_HAND)
    await health.enable(endpoint)
    await rows.give_back(claimed)
    [delivery] = await deliveries()
    assert (delivery["attempt"], delivery["step"]) == (0, 0)


async def test_switched_on_again_a_delivery_has_all_its_attempts_although_its_last_one_was_under_way(database: None):
    endpoint = await make_endpoint("https://example.com/")
    await record()
    await relay()
    await execute("UPDATE webhook_delivery SET attempt = 9, step = 9")
    [last] = await rows.claim({endpoint: 1})
    await health.disable(endpoint, DisabledReason.BY_HAND)
    await health.enable(endpoint)
    await rows.finish([rows.Result(last, clock.now(), rows.Outcome(500, None, 3), None)])
    [delivery] = await deliveries()
    assert (delivery["state"], delivery["step"]) == ("pending", 0)


async def test_behind_a_410_nothing_more_is_sent_and_what_waited_is_paused(database: None, lane: None):
    gone = False

    async def answer(server: Loopback, _request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(reply("410 Gone") if gone or len(server.requests) > 20 else reply())

    async with serving(answer) as server:
        endpoint = await make_endpoint(server.url)
        for _ in range(100):
            await record()
        await deliver()
        assert len(server.requests) <= 24 + 4
    states = [row["state"] for row in await deliveries()]
    assert states.count("failed") <= 8
    assert states.count("paused") == 100 - states.count("delivered") - states.count("failed")
    assert not (await endpoint_row(endpoint))["is_enabled"]


async def test_a_success_behind_a_failure_in_the_same_turn_clears_it(database: None, lane: None):
    async def answer(server: Loopback, _request: bytes, writer: asyncio.StreamWriter) -> None:
        is_first = len(server.requests) == 1
        if not is_first:
            await until(is_one_recorded, HANGS_SECONDS)
        writer.write(reply("500 No") if is_first else reply())

    async with serving(answer) as server:
        endpoint = await make_endpoint(server.url)
        await record()
        await record()
        await deliver()
    assert [row["status_code"] for row in await attempts()] == [500, 200]
    assert (await endpoint_row(endpoint))["failing_since"] is None


async def is_one_recorded() -> bool:
    return len(await attempts()) == 1


async def test_an_endpoint_that_refuses_some_and_takes_others_brings_a_letter_a_day_at_most(
    database: None, lane: None, frozen: FrozenClock
):
    await make_user(Role.ADMIN, "ada")

    async def answer(_server: Loopback, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(reply("422 No") if b"order.cancelled" in request else reply())

    async with serving(answer) as server:
        await make_endpoint(server.url)
        for _ in range(3):
            await record("order.cancelled")
        for _ in range(12):
            await deliver()
            await record("order.placed")
            await deliver()
            frozen.pass_by(timedelta(minutes=1))
            await execute("UPDATE webhook_delivery SET next_attempt_at = $1 WHERE state = 'pending'", frozen.time)
    assert await fetch_value("SELECT count(*) FROM mail") == 1


@contextlib.asynccontextmanager
async def held_meanwhile(lock: str, waiting: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Locked by somebody, and `waiting` is on its way outside of that transaction."""
    go = asyncio.Event()

    async def follow() -> None:
        await go.wait()
        await waiting()

    task = asyncio.create_task(follow())
    async with transaction():
        await fetch(lock)
        go.set()
        await asyncio.sleep(0.3)
        yield
    await task


@pytest.mark.parametrize("is_given_back", [False, True])
async def test_whoever_ends_deliveries_waits_for_their_endpoint_before_any_of_them_is_locked(
    database: None, is_given_back: bool
):
    """So does who switches it off: both lock many deliveries, in orders of their own, and would end in a deadlock."""
    endpoint = await make_endpoint("https://example.com/")
    await record()
    await relay()
    claimed = await rows.claim({endpoint: 1})

    async def end() -> None:
        if is_given_back:
            await rows.give_back(claimed)
            return
        async with holding() as holder:
            turn = Deliverer(holder)
            turn.results = [rows.Result(due, clock.now(), rows.Outcome(200, None, 3), None) for due in claimed]
            await turn._record()

    async with held_meanwhile("SELECT FROM webhook_endpoint FOR NO KEY UPDATE", end):
        await fetch("SELECT FROM webhook_delivery FOR UPDATE NOWAIT")
        assert (await deliveries())[0]["locked_until"] is not None
    assert (await deliveries())[0]["locked_until"] is None


async def test_an_event_is_relayed_although_a_recovery_refers_to_it_at_that_moment(database: None):
    await make_endpoint("https://example.com/")
    await record()
    async with held_meanwhile("SELECT FROM event FOR KEY SHARE", relay):
        pass
    assert len(await deliveries()) == 1


async def test_pruning_leaves_what_somebody_asks_for_at_that_moment(database: None):
    endpoint = await make_endpoint("https://example.com/")
    await record()
    await relay()
    await execute(
        "UPDATE webhook_delivery SET state = 'failed', created_at = now() - interval '31 days', "
        "next_attempt_at = now() - interval '31 days'"
    )
    [delivery] = await deliveries()

    async with held_meanwhile("SELECT FROM webhook_delivery FOR UPDATE", forget_old_deliveries):
        await recovery.redeliver(endpoint, delivery["id"])
    assert [row["state"] for row in await deliveries()] == ["pending"]
