"""The receiver of the fault runs behaves as the path says, and its log holds all that came."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.faults.harness import HANGS_SECONDS, until
from tests.faults.receiver import Receiver, receiving
from tests.faults.receiving import LARGE_BYTES, make_bomb

HEADERS = {"webhook-id": "msg_1", "webhook-timestamp": "1614265330"}


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiving(tmp_path_factory.mktemp("receiver")) as receiver:
        yield receiver


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=HEADERS, timeout=aiohttp.ClientTimeout(total=HANGS_SECONDS)) as session:
        yield session


@pytest.mark.parametrize(
    ("path", "statuses"),
    [("ok", [200, 200]), ("status/410", [410]), ("busy/7", [429]), ("moved", [301]), ("flaky/2/a", [503, 503, 200])],
)
async def test_it_answers_as_the_path_says(receiver, session, path: str, statuses: list[int]):
    found = []
    for _ in statuses:
        async with session.post(receiver.url(path), data=b"{}", allow_redirects=False) as answer:
            found.append(answer.status)
    assert found == statuses
    assert len(receiver.at(path)) == len(statuses)


async def test_what_came_is_in_the_log_before_it_is_answered(receiver, session):
    began = time.monotonic()
    unanswered = asyncio.create_task(session.post(receiver.url("hang/log"), data=b'{"a": 1}'))
    await until(lambda: has_come(receiver, "hang/log"), HANGS_SECONDS)
    (request,) = receiver.at("hang/log")
    assert (request.webhook_id, request.timestamp, request.body) == ("msg_1", 1614265330, b'{"a": 1}')
    assert receiver.counted()["/hang/log", "msg_1"] == 1
    await asyncio.sleep(0.5)
    assert not unanswered.done()
    unanswered.cancel()
    await until(lambda: has_left(receiver, "hang/log"), HANGS_SECONDS)
    (left,) = [left for left in receiver.left if left.path == "/hang/log"]
    assert 0.4 < left.seconds < time.monotonic() - began


async def has_come(receiver: Receiver, path: str) -> bool:
    return bool(receiver.at(path))


async def has_left(receiver: Receiver, path: str) -> bool:
    return any(left.path == f"/{path}" for left in receiver.left)


async def test_a_reset_is_one(receiver, session):
    with pytest.raises(aiohttp.ClientOSError, match="reset"):
        await session.post(receiver.url("reset"))


async def test_what_drips_comes_to_no_end(receiver, session):
    async with session.post(receiver.url("drip")) as answer:
        assert await answer.content.readexactly(2) == b".."
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await answer.content.readexactly(1000)


async def test_what_is_huge_is_a_gigabyte(receiver, session):
    async with session.post(receiver.url("huge")) as answer:
        assert answer.content_length == LARGE_BYTES
        assert len(await answer.content.readexactly(10_000_000)) < LARGE_BYTES


def test_a_bomb_is_small_as_long_as_nobody_unpacks_it():
    assert len(make_bomb()) < LARGE_BYTES / 500
    assert len(gzip.decompress(make_bomb()[: len(make_bomb()) // 100])) == LARGE_BYTES // 100


def test_only_whole_lines_of_the_log_are_read(tmp_path: Path):
    (tmp_path / "log").write_bytes(b'{"path":"/ok","headers":{"webhook-id":"msg_1"},"at":1.0}\n{"path":"/o')
    receiver = Receiver(tmp_path / "log", 0)
    assert [request.webhook_id for request in receiver.received] == ["msg_1"]
    with (tmp_path / "log").open("ab") as file:
        file.write(b'k","headers":{},"at":2.0}\n')
    assert [request.at for request in receiver.received] == [1.0, 2.0]
