"""A webhook has its whole effect and its state, or neither, whoever works on it and whatever dies meanwhile."""

import asyncio
import contextvars
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from domains.shopify import inbox, jobs, processing
from domains.shopify.outcomes import Became, Outcome, Result, parked
from domains.shopify.processing import Topic
from domains.shopify.tables import InboundReason
from domains.shopify.webhooks import Told
from lib import clock
from piccolo_conf import execute, fetch_value
from queues import job as queue_job
from queues.job import QUEUES
from tests.shopify.making import inbox_rows, row_of, send, settle, tell

TOPIC = "products/update"


class Thing(msgspec.Struct):
    id: int = 0


class Verb:
    """Stands where a real one does; writes a row of its own, and then does what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Told]] = []
        self.error: Exception | None = None
        self.outcome = Outcome(results=(Result(Became.CREATED, shopify_id=1),))

    async def __call__(self, thing: Thing, told: Told) -> Outcome:
        self.told.append((thing.id, told))
        await execute("INSERT INTO location (code, name) VALUES ('effect-' || $1::int, 'x')", thing.id)
        if self.error is not None:
            raise self.error
        return self.outcome

    async def effects(self) -> int:
        return int(await fetch_value("SELECT count(*) FROM location WHERE code LIKE 'effect-%'"))


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Verb:
    made = Verb()
    monkeypatch.setitem(processing.HANDLED, TOPIC, Topic(Thing, made))
    return made


async def make_due() -> None:
    await execute("UPDATE inbound_webhook SET next_attempt_at = $1", clock.now())


async def test_a_processed_webhook_tells_what_became_of_it(client: httpx.AsyncClient, verb: Verb):
    row = await tell(client, TOPIC, {"id": 5})
    assert (row["state"], row["reason"], row["attempts"]) == ("processed", None, 1)
    assert msgspec.json.decode(row["results"]) == [{"became": "created", "shopify_id": 1}]
    assert (verb.told[0][0], verb.told[0][1].webhook_id) == (5, row["id"])


async def test_what_is_done_is_not_done_again(client: httpx.AsyncClient, verb: Verb):
    await tell(client, TOPIC, {"id": 5})
    await settle()
    assert len(verb.told) == 1


async def test_an_error_rolls_the_effect_back_and_the_webhook_is_tried_again(client: httpx.AsyncClient, verb: Verb):
    verb.error = RuntimeError("secret text")
    row = await tell(client, TOPIC, {"id": 5})
    assert (row["state"], row["attempts"], await verb.effects()) == ("pending", 1, 0)
    assert row["next_attempt_at"] > clock.now()
    verb.error = None
    await make_due()
    await settle()
    assert (await row_of(row["id"]))["state"] == "processed"
    assert await verb.effects() == 1


async def test_what_fails_ten_times_is_given_up_and_does_not_say_why_in_public(client: httpx.AsyncClient, verb: Verb):
    verb.error = RuntimeError("secret text")
    row = await tell(client, TOPIC, {"id": 5})
    for _attempt in range(12):
        await make_due()
        await settle()
    row = await row_of(row["id"])
    assert (row["state"], row["reason"], row["attempts"]) == ("failed", "internal", 10)
    assert "secret" not in row["detail"]


async def test_one_that_fails_does_not_keep_the_others(client: httpx.AsyncClient, verb: Verb):
    verb.error = RuntimeError()
    await tell(client, TOPIC, {"id": 1})
    verb.error = None
    assert (await tell(client, TOPIC, {"id": 2}))["state"] == "processed"


async def test_after_a_race_it_is_tried_again_at_once(client: httpx.AsyncClient, verb: Verb):
    verb.error = asyncpg.DeadlockDetectedError("x")
    await send(client, TOPIC, {"id": 5})
    assert await jobs.work_one()
    verb.error = None
    await settle()
    [row] = await inbox_rows()
    assert (row["state"], row["attempts"], len(verb.told)) == ("processed", 2, 2)


async def test_what_is_a_race_each_time_is_none_and_is_given_up(client: httpx.AsyncClient, verb: Verb):
    verb.error = asyncpg.UniqueViolationError("x")
    row = await tell(client, TOPIC, {"id": 5})
    assert row["next_attempt_at"] > clock.now()
    for _attempt in range(12):
        await make_due()
        await settle()
    assert (await row_of(row["id"]))["state"] == "failed"


async def test_two_workers_never_have_the_same_webhook(client: httpx.AsyncClient, verb: Verb):
    for number in range(20):
        await send(client, TOPIC, {"id": number})
    await asyncio.gather(*(drain() for _worker in range(6)))
    assert sorted(number for number, _told in verb.told) == list(range(20))


async def drain() -> None:
    while await asyncio.create_task(jobs.work_one()):
        pass


async def test_a_worker_that_loses_its_connection_loses_neither_webhook_nor_effect(
    client: httpx.AsyncClient, verb: Verb, monkeypatch: pytest.MonkeyPatch
):
    async def die(thing: Thing, told: Told) -> Outcome:
        await verb(thing, told)
        await execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return Outcome()

    monkeypatch.setitem(processing.HANDLED, TOPIC, Topic(Thing, die))
    await send(client, TOPIC, {"id": 5})
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await asyncio.create_task(jobs.work_one())
    assert await verb.effects() == 0
    monkeypatch.setitem(processing.HANDLED, TOPIC, Topic(Thing, verb))
    await settle()
    assert [row["state"] for row in await inbox_rows()] == ["processed"]
    assert await verb.effects() == 1


async def test_what_is_parked_is_tried_again_by_itself_and_more_and_more_seldom(client: httpx.AsyncClient, verb: Verb):
    verb.outcome = parked(InboundReason.SKU_TAKEN, "A-1 is taken.")
    row = await tell(client, TOPIC, {"id": 1})
    first = row["next_attempt_at"] - row["processed_at"]
    await execute("DELETE FROM location WHERE NOT is_default")
    await make_due()
    await settle()
    row = await row_of(row["id"])
    assert (row["state"], row["reason"]) == ("parked", "sku_taken")
    assert first == timedelta(minutes=1) < row["next_attempt_at"] - row["processed_at"]


async def test_what_becomes_known_wakes_those_that_wait_for_it_alone(client: httpx.AsyncClient, verb: Verb):
    verb.outcome = parked(InboundReason.UNKNOWN_ITEM, "?", awaits="item:7")
    waiting = await tell(client, TOPIC, {"id": 1})
    verb.outcome = parked(InboundReason.UNKNOWN_ITEM, "?", awaits="item:8")
    other = await tell(client, TOPIC, {"id": 2})
    await execute("DELETE FROM location WHERE NOT is_default")
    verb.outcome = Outcome(known=("item:7",))
    await tell(client, TOPIC, {"id": 3})
    assert (await row_of(waiting["id"]))["state"] == "processed"
    assert (await row_of(other["id"]))["state"] == "parked"


async def test_what_became_known_unnoticed_is_found_now_and_then(client: httpx.AsyncClient, verb: Verb, staff: Any):
    verb.outcome = parked(InboundReason.UNKNOWN_ITEM, "?", awaits="item:7")
    waiting = await tell(client, TOPIC, {"id": 1})
    await inbox.wake_known()
    assert not await inbox.is_any_due()
    made = await staff.post("/api/products/", json={"sku": "A-1", "name": "Lamp"})
    await execute("UPDATE product SET shopify_inventory_item_id = 7 WHERE id = $1", made.json()["id"])
    await inbox.wake_known()
    assert await inbox.is_any_due()
    assert (await row_of(waiting["id"]))["state"] == "parked"


async def test_what_becomes_known_while_one_is_parked_for_it_wakes_it_at_once(
    client: httpx.AsyncClient, verb: Verb, staff: Any, monkeypatch: pytest.MonkeyPatch
):
    """The wake of a product looks at what is parked already: what is being parked at that moment has to look itself."""
    made = await staff.post("/api/products/", json={"sku": "A-1", "name": "Lamp"})

    async def park(_thing: Thing, _told: Told) -> Outcome:
        link = execute("UPDATE product SET shopify_inventory_item_id = 7 WHERE id = $1", made.json()["id"])
        await asyncio.create_task(link, context=contextvars.Context())
        await asyncio.create_task(inbox.wake(["item:7"]), context=contextvars.Context())
        monkeypatch.setitem(processing.HANDLED, TOPIC, Topic(Thing, verb))
        return parked(InboundReason.UNKNOWN_ITEM, "?", awaits="item:7")

    monkeypatch.setitem(processing.HANDLED, TOPIC, Topic(Thing, park))
    assert (await tell(client, TOPIC, {"id": 1}))["state"] == "processed"


async def test_a_webhook_is_processed_again_when_it_is_asked_for(client: httpx.AsyncClient, verb: Verb):
    row = await tell(client, TOPIC, {"id": 5})
    await execute("DELETE FROM location WHERE NOT is_default")
    await inbox.ask_again(row["id"])
    await settle()
    assert len(verb.told) == 2
    assert (await row_of(row["id"]))["state"] == "processed"


async def test_what_is_not_there_or_has_no_body_is_not_processed_again(client: httpx.AsyncClient, verb: Verb):
    row = await tell(client, TOPIC, {"id": 5})
    await execute("UPDATE inbound_webhook SET reason = 'redacted', body = ''")
    with pytest.raises(inbox.BodyIsGone):
        await inbox.ask_again(row["id"])
    with pytest.raises(inbox.WebhookNotFound):
        await inbox.ask_again(row["id"] + 1)


@pytest.mark.parametrize("body", [{"id": "x"}, {"id": None}, {"id": [1]}])
async def test_a_payload_that_is_not_what_its_topic_says_fails_with_the_field(
    client: httpx.AsyncClient, verb: Verb, body: dict[str, object]
):
    row = await tell(client, TOPIC, body)
    assert (row["state"], row["reason"]) == ("failed", "bad_payload")
    assert "$.id" in row["detail"]
    assert not verb.told


async def test_a_nul_is_left_out(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    seen: list[str] = []

    class Named(msgspec.Struct):
        name: str

    async def take(named: Named, _told: Told) -> Outcome:
        seen.append(named.name)
        return Outcome()

    monkeypatch.setitem(processing.HANDLED, TOPIC, Topic(Named, take))
    assert (await tell(client, TOPIC, {"name": "a\0b"}))["state"] == "processed"
    assert seen == ["ab"]


async def test_the_watch_rings_for_what_is_due(client: httpx.AsyncClient, verb: Verb):
    await send(client, TOPIC, {"id": 5})
    # What was rung for in this second before would be the same ring.
    await QUEUES["default"].redis.flushdb()
    assert await jobs.Watch().look()
    assert await QUEUES["default"].count("queued") == 1
    await settle()


async def test_while_redis_is_away_the_watch_has_the_work_done_here(
    client: httpx.AsyncClient, verb: Verb, monkeypatch: pytest.MonkeyPatch
):
    async def refuse(_job: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(QUEUES["default"], "enqueue", refuse)
    await send(client, TOPIC, {"id": 5})
    await jobs.Watch().look()
    await queue_job.wait_for_unrung()
    assert [row["state"] for row in await inbox_rows()] == ["processed"]
