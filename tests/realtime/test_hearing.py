"""Redis is heard again after every way of losing it; telling never hurts who tells."""

import asyncio
import contextlib
from datetime import datetime

import asyncpg
import httpx
import pytest

from domains.realtime import feed, following, hearing, replay
from lib.redis_client import line
from piccolo_conf import fetch
from tests.catalog.making import make_product
from tests.realtime.sockets import authorization, connect, heard, relay


@pytest.fixture
def by_redis_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks into the log."""
    monkeypatch.setattr(following, "LOOK_SECONDS", 600)


async def test_a_connection_that_breaks_is_made_anew(staff: httpx.AsyncClient, by_redis_only: None):
    async with connect(**authorization(staff)) as socket:
        assert await heard(socket)
        for _ in range(3):
            await line.ask(lambda redis: redis.client_kill_filter(_type="pubsub"))
            assert await heard(socket)


async def test_a_redis_that_falls_silent_is_given_up_and_found_again(
    staff: httpx.AsyncClient, by_redis_only: None, monkeypatch: pytest.MonkeyPatch
):
    for name, seconds in {"WAIT_SECONDS": 0.05, "SILENCE_SECONDS": 0.1, "LONGEST_SILENCE_SECONDS": 1}.items():
        monkeypatch.setattr(hearing, name, seconds)
    lost: asyncio.Queue[str] = asyncio.Queue()
    monkeypatch.setattr(hearing.logger, "warning", lambda event, **_: lost.put_nowait(event))
    async with connect(**authorization(staff)) as socket:
        assert await heard(socket)
        await asyncio.sleep(1.5)
        assert lost.empty()
        # The server takes commands and answers none.
        await line.ask(lambda redis: redis.client_pause(3000))
        assert await asyncio.wait_for(lost.get(), 10) == "feed_not_heard"
        assert await heard(socket)


async def test_what_cannot_be_read_makes_nobody_deaf(staff: httpx.AsyncClient, by_redis_only: None):
    async with connect(**authorization(staff)) as socket:
        assert await heard(socket)
        for nonsense in (b"garbage", b"", b"7", b"0 \xff", b"\n\n"):
            await line.ask(lambda redis, said=nonsense: redis.publish(feed.CHANNEL, said))
        assert await heard(socket)


async def test_an_event_that_is_heard_while_the_log_is_looked_at_is_told_once(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    look = replay.ids_since

    async def look_slowly(place: datetime) -> list[asyncpg.Record]:
        rows = await look(place)
        monkeypatch.setattr(replay, "ids_since", look)
        await asyncio.sleep(0.5)
        await make_product(staff, "A-1")
        await relay()
        await asyncio.sleep(0.5)
        return rows

    monkeypatch.setattr(replay, "ids_since", look_slowly)
    async with connect(**authorization(staff)) as socket:
        assert (await socket.event())["event"]["sku"] == "A-1"
        await socket.hears_nothing(0.3)


async def test_more_events_than_are_remembered_are_told_once(staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(following, "MOST_REMEMBERED", 3)
    async with connect(**authorization(staff)) as socket:
        for number in range(6):
            await make_product(staff, f"A-{number}")
        await relay()
        assert len([await socket.event() for _ in range(6)]) == 6
        await socket.hears_nothing(0.3)


async def test_what_is_heard_after_the_last_has_gone_is_not_remembered():
    alone = following.Following()
    alone.ear.take([b"1 {}"])
    assert alone.lines.empty()
    await alone.subscribe([feed.CHANNEL])
    alone.ear.take([b"1 {}"])
    assert alone.lines.get_nowait() == b"1 {}"


async def test_the_end_does_not_wait_for_a_cancellation_that_was_swallowed():
    async def swallow() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    ending = following.Following()
    ending.tasks = [asyncio.create_task(swallow())]
    await asyncio.sleep(0)
    await asyncio.wait_for(ending.on_shutdown(), 5)
    assert ending.tasks[0].cancelled()


async def test_events_told_at_once_are_all_heard_in_their_order(staff: httpx.AsyncClient, by_redis_only: None):
    async with connect(**authorization(staff)) as socket:
        assert await heard(socket)
        for number in range(5):
            await make_product(staff, f"A-{number}")
        await relay()
        assert [(await socket.event())["event"]["sku"] for _ in range(5)] == [f"A-{number}" for number in range(5)]


@pytest.mark.parametrize("data", ["null", "[]", "7", '{"name": 7}', '{"sku": null, "changed": "many"}'])
async def test_an_event_of_any_shape_is_told_or_left_out_and_never_raises(database: None, data: str):
    rows = await fetch(event_like("'product.created'", data)) + await fetch(event_like("'inventory.low'", data))
    await feed.tell(rows)
    assert len(feed.make_lines(rows)) in {0, 2}


def event_like(topic: str, data: str, changes: str = "null") -> str:
    return f"""SELECT {feed.COLUMNS} FROM (
        SELECT 1::bigint AS id, {topic} AS topic, now() AS occurred_at, now() AS relayed_at, 'ada' AS actor,
            'sql' AS source, '' AS reference, false AS bulk, 'product:1' AS subject, 1 AS product_id,
            '{changes}'::jsonb AS changes, '{data}'::jsonb AS data
    ) AS event"""


@pytest.mark.parametrize("changes", ["7", "[]", '{"name": 7}', '{"name": {"old": 1}}', '{"name": [null, {}, 3]}'])
async def test_changes_of_any_shape_and_length_are_read(database: None, changes: str):
    """By the relay too, which would stand still for ever otherwise."""
    long = changes.replace("7", f'"{"x" * 9000}"').replace("{}", f'["{"x" * 9000}"]')
    rows = await fetch(event_like("'product.updated'", "{}", changes)) + await fetch(event_like("'x'", "{}", long))
    await feed.tell(rows)
    assert len(rows) == 2


async def test_of_long_texts_little_is_read(staff: httpx.AsyncClient):
    product = await make_product(staff, "A-1", description="x" * 100_000, attributes={"note": "y" * 50_000})
    await staff.patch(f"/api/products/{product['id']}/", json={"description": "z" * 100_000, "name": "Lamp"})
    rows = await fetch(f"SELECT {feed.COLUMNS} FROM event ORDER BY id")
    assert sum(len(row["changes"] or "") + len(row["data"]) for row in rows) < 10_000
    assert [len(row["data"]) > 100 for row in rows] == [True, True]
    assert b'"name":"Lamp"' in feed.make_lines(rows)[1]


async def test_a_long_value_is_told_by_its_beginning(staff: httpx.AsyncClient):
    product = await make_product(staff, "A-1", description="x")
    await staff.patch(f"/api/products/{product['id']}/", json={"description": "y" * 5000})
    rows: list[asyncpg.Record] = await fetch(f"SELECT {feed.COLUMNS} FROM event WHERE topic = 'product.updated'")
    [told] = feed.make_lines(rows)
    assert b'"description":["x","' + b"y" * 1000 + "…".encode() + b'"]' in told
