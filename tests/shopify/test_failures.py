"""What fails is tried again, and given up at last; it spoils neither what others did meanwhile nor their turn."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import httpx
import msgspec
import pytest

from domains.shopify import inbox, jobs, processing
from domains.shopify.outcomes import Outcome
from domains.shopify.processing import Topic
from domains.shopify.webhooks import Told, Webhook
from lib import clock
from piccolo_conf import execute
from tests.shopify.making import inbox_rows, row_of, send, settle, tell

TOPIC = "products/update"

Take = Callable[["Thing", Told], Awaitable[Outcome]]


class Thing(msgspec.Struct):
    id: int = 0


@pytest.fixture
def take_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Take], None]:
    """Has webhooks taken by something else."""
    return lambda take: monkeypatch.setitem(processing.HANDLED, TOPIC, Topic(Thing, take))


async def succeed(_thing: Thing, _told: Told) -> Outcome:
    return Outcome()


async def race(_thing: Thing, _told: Told) -> Outcome:
    raise asyncpg.DeadlockDetectedError


async def take_too_long(_thing: Thing, _told: Told) -> Outcome:
    raise TimeoutError


async def test_one_that_was_parked_for_days_is_not_given_up_for_one_race(
    client: httpx.AsyncClient, take_with: Callable[[Take], None]
) -> None:
    waiting = await tell(client, "inventory_items/update", {"id": 1})
    await execute("UPDATE inbound_webhook SET attempts = 20, next_attempt_at = now(), topic = $1", TOPIC)
    take_with(race)
    await jobs.work_one()
    row = await row_of(waiting["id"])
    assert (row["state"], row["reason"], row["attempts"]) == ("pending", None, 1)
    assert row["next_attempt_at"] <= clock.now()


async def test_what_somebody_else_has_settled_meanwhile_is_not_given_up(
    client: httpx.AsyncClient, take_with: Callable[[Take], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    note = inbox.note_failure

    async def note_late(webhook: Webhook, error: Exception, *, is_race: bool) -> None:
        take_with(succeed)
        assert await jobs.work_one()
        await note(webhook, error, is_race=is_race)

    take_with(race)
    monkeypatch.setattr(inbox, "note_failure", note_late)
    await send(client, TOPIC, {"id": 1})
    await execute("UPDATE inbound_webhook SET attempts = 9")
    await jobs.work_one()
    [row] = await inbox_rows()
    assert (row["state"], row["reason"], row["attempts"]) == ("processed", None, 10)


async def test_a_statement_that_takes_too_long_counts_as_a_failure(
    client: httpx.AsyncClient, take_with: Callable[[Take], None]
) -> None:
    take_with(take_too_long)
    await send(client, TOPIC, {"id": 1})
    assert await asyncio.create_task(jobs.work_one())
    [row] = await inbox_rows()
    assert (row["state"], row["attempts"], row["next_attempt_at"] > clock.now()) == ("pending", 1, True)


async def test_one_that_has_to_wait_for_long_does_not_keep_the_others(
    client: httpx.AsyncClient, take_with: Callable[[Take], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def wait(_thing: Thing, _told: Told) -> Outcome:
        take_with(succeed)
        has_begun.set()
        await may_end.wait()
        return Outcome()

    take_with(wait)
    monkeypatch.setattr(jobs, "TURN_SECONDS", 0.1)
    await send(client, TOPIC, {"id": 1})
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(settle())
        await has_begun.wait()
        await asyncio.sleep(0.2)
        assert (await tell(client, TOPIC, {"id": 2}))["state"] == "processed"
        may_end.set()
    assert [row["state"] for row in await inbox_rows()] == ["processed", "processed"]
