"""A client that is slow, hangs or talks costs the others nothing, and is told to come back."""

import httpx
import pytest

from domains.realtime import channels, connections, feed, replay
from domains.realtime.schemas import Message
from lib.redis_client import line
from tests.catalog.making import make_product
from tests.realtime.sockets import Socket, authorization, connect, heard, relay


async def publish(count: int) -> None:
    """Messages that are no events: nothing of them is found in the log."""
    told = [feed.write_line(feed.NO_EVENT, Message(action="import", message=str(number))) for number in range(count)]
    await line.ask(lambda redis: redis.publish(feed.CHANNEL, b"\n".join(told)))


async def number(socket: Socket) -> int:
    """The next one of those; what was said before them may come late."""
    return int((await socket.message(lambda message: message["message"].isdigit()))["message"])


async def test_who_is_too_slow_is_told_to_come_back_and_the_others_miss_nothing(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    piece = channels.MOST_WAITING // 2
    # Whoever takes nothing is not given up before what waits for them is too much.
    monkeypatch.setattr(connections, "LONGEST_SEND_SECONDS", 600)
    async with connect(**authorization(staff)) as slow, connect(**authorization(admin)) as quick:
        assert await heard(quick)
        slow.takes.clear()
        for _ in range(3):
            await publish(piece)
            assert [await number(quick) for _ in range(piece)] == list(range(piece))
        slow.takes.set()
        assert await slow.closed() == 1013


async def test_who_takes_nothing_for_too_long_is_given_up(staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "LONGEST_SEND_SECONDS", 0.1)
    async with connect(**authorization(staff)) as socket:
        socket.takes.clear()
        await make_product(staff, "A-1")
        await relay()
        await socket.ended()


async def test_what_a_client_says_is_ignored_and_not_for_ever(staff: httpx.AsyncClient):
    async with connect(**authorization(staff)) as socket:
        for _ in range(connections.MOST_HEARD - 1):
            await socket.say("hello")
        await make_product(staff, "A-1")
        await relay()
        assert (await socket.event())["event"]["sku"] == "A-1"
        await socket.say("hello")
        assert await socket.closed() == 1008


async def test_a_client_that_leaves_leaves_nothing_behind(staff: httpx.AsyncClient):
    async with connect(**authorization(staff)) as socket:
        assert socket.status == "accepted"
    assert socket.task.done()
    assert socket.task.exception() is None


async def test_without_the_database_a_client_is_told_to_come_back(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    async def fail() -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(replay, "find_place", fail)
    monkeypatch.setattr(channels, "LONGEST_BEGINNING_SECONDS", 0.1)
    async with connect(**authorization(staff)) as socket:
        assert await socket.closed() == 1013


async def test_a_replay_that_the_database_does_not_answer_ends_in_the_same_way(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    async def fail(since: int) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(connections, "replay", fail)
    async with connect("since=0", **authorization(staff)) as socket:
        assert await socket.closed() == 1013
