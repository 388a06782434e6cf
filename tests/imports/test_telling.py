"""An import moves its line in the live feed, and does not depend on it."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from domains.imports import telling, work
from lib.redis_client import RedisAway, line
from tests.imports.uploads import import_csv
from tests.realtime.sockets import Socket, authorization, connect, heard, relay

ROWS = "sku,name\n" + "".join(f"A-{number},Anvil\n" for number in range(3000))


async def moves(socket: Socket) -> list[dict[str, Any]]:
    """Until the import has ended."""
    found = []
    while not found or found[-1]["import"]["status"] == "importing":
        found.append(await socket.message(lambda message: "import" in message))
    return found


@pytest.fixture
def by_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "CHUNK_ROWS", 1000)


async def test_a_running_import_is_told_chunk_by_chunk_and_at_its_end(
    staff: httpx.AsyncClient, by_thousands: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(telling, "SECONDS_BETWEEN", 0)
    async with connect(**authorization(staff)) as socket:
        assert await heard(socket)
        job = await import_csv(staff, ROWS)
        told = await moves(socket)
        await relay()
        last = await socket.event()
    sentences = [f"catalogue.csv: {count} of 3,000 rows" for count in ("1,000", "2,000", "3,000")]
    assert [message["message"] for message in told] == [*sentences, "catalogue.csv: completed"]
    assert told[-1]["import"] == {name: job[name] for name in told[-1]["import"]}
    assert last["message"] == "catalogue.csv imported: 3,000 created"


async def test_an_import_is_told_twice_a_second_at_most(
    staff: httpx.AsyncClient, by_thousands: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(telling, "SECONDS_BETWEEN", 60)
    async with connect(**authorization(staff)) as socket:
        assert await heard(socket)
        await import_csv(staff, ROWS)
        told = await moves(socket)
    assert [message["import"]["processed_rows"] for message in told] == [1000, 3000]


async def test_a_dry_run_says_so(staff: httpx.AsyncClient):
    async with connect(**authorization(staff)) as socket:
        assert await heard(socket)
        await import_csv(staff, ROWS, dry_run="true")
        told = await moves(socket)
    assert told[-1]["message"] == "catalogue.csv (dry run): completed"


async def test_an_import_that_fails_says_so(staff: httpx.AsyncClient):
    async with connect(**authorization(staff)) as socket:
        assert await heard(socket)
        await import_csv(staff, "code,title\n1,2\n")
        told = await moves(socket)
    assert (told[-1]["message"], told[-1]["event"]) == ("catalogue.csv: failed", None)


async def test_without_redis_an_import_goes_on(staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    async def refuse(question: Callable[..., Awaitable[object]]) -> object:
        raise RedisAway

    monkeypatch.setattr(line, "ask", refuse)
    assert (await import_csv(staff, ROWS))["status"] == "completed"


async def test_an_import_whose_row_cannot_be_read_goes_on(staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    async def fail(import_id: object) -> object:
        raise ConnectionError

    monkeypatch.setattr(telling, "get_import", fail)
    assert (await import_csv(staff, ROWS))["status"] == "completed"
