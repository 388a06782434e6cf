"""What happens reaches those who follow the feed, each event once, and those who missed something get it."""

import asyncio

import httpx
import pytest

from domains.events import services as events
from domains.realtime import connections, following
from lib.actor import acting
from piccolo_conf import fetch_value
from tests.catalog.making import make_product
from tests.realtime.sockets import authorization, connect, relay

# The pool's: so long may a relay take, which writes the time at which it began.
LONGEST_STATEMENT_SECONDS = 60


async def test_a_change_is_told_with_its_old_and_new_value(staff: httpx.AsyncClient):
    async with connect(**authorization(staff)) as socket:
        product = await make_product(staff, "L-1", name="Lamp", price="19.99")
        await relay()
        await socket.event()
        await staff.patch(f"/api/products/{product['id']}/", json={"price": "24.99"})
        await relay()
        told = await socket.event()
    assert (told["action"], told["message"]) == ("updated", "Lamp (L-1): price 19.99 → 24.99")
    event = told["event"]
    assert event["changes"] == {"price": ["19.99", "24.99"]}
    assert (event["product_id"], event["sku"], event["name"], event["version"]) == (product["id"], "L-1", "Lamp", 2)
    assert (event["topic"], event["actor"], event["source"]) == ("product.updated", "stan", "api")


async def test_a_product_is_told_when_it_is_created_and_when_it_is_deleted(admin: httpx.AsyncClient):
    async with connect(**authorization(admin)) as socket:
        product = await make_product(admin, "L-1", name="Lamp")
        await admin.delete(f"/api/products/{product['id']}/")
        await relay()
        told = [await socket.event(), await socket.event()]
    assert [message["action"] for message in told] == ["created", "deleted"]
    assert [message["message"] for message in told] == ["Lamp (L-1) created", "Lamp (L-1) deleted"]


async def test_changes_of_many_products_at_once_are_told_in_one_line(admin: httpx.AsyncClient):
    async with connect(**authorization(admin)) as socket:
        await make_product(admin, "L-1")
        await make_product(admin, "L-2")
        await relay()
        assert [(await socket.event())["action"] for _ in range(2)] == ["created", "created"]
        await admin.request("DELETE", "/api/products/bulk-delete/", json={"all": True, "confirm": "DELETE"})
        await relay()
        told = await socket.event()
        await socket.hears_nothing(0.2)
    assert (told["action"], told["message"]) == ("products.bulk_deleted", "2 products deleted at once")


async def test_orders_are_not_told_of(staff: httpx.AsyncClient):
    async with connect(**authorization(staff)) as socket:
        await events.record("order.placed", subject="order:1", data={})
        await events.record("inventory.low", subject="product:1", data={"message": "Few lamps."})
        await relay()
        assert (await socket.event())["message"] == "Few lamps."


async def test_an_event_that_nobody_published_is_found_in_the_log(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.1)
    async with connect(**authorization(staff)) as socket:
        await make_product(staff, "L-1")
        await relay(told=False)
        assert (await socket.event())["event"]["sku"] == "L-1"


async def test_an_event_that_was_published_and_found_in_the_log_is_told_once(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    async with connect(**authorization(staff)) as socket:
        await make_product(staff, "L-1")
        await relay()
        await socket.event()
        await socket.hears_nothing(0.4)


async def test_who_comes_back_gets_what_happened_meanwhile_and_then_the_rest(staff: httpx.AsyncClient):
    await make_product(staff, "A-1")
    [seen] = await relay()
    for sku in ("A-2", "A-3"):
        await make_product(staff, sku)
    await relay()
    async with connect(f"since={seen}", **authorization(staff)) as socket:
        replayed = [(await socket.event())["event"]["sku"] for _ in range(3)]
        await make_product(staff, "A-4")
        await relay()
        live = (await socket.event())["event"]["sku"]
    # The last one known comes again: ids are not in the order of commits, so a replay overlaps.
    assert [*replayed, live] == ["A-1", "A-2", "A-3", "A-4"]


@pytest.mark.parametrize("seconds", [5, LONGEST_STATEMENT_SECONDS])
async def test_an_event_that_was_committed_later_under_an_earlier_time_is_replayed(
    staff: httpx.AsyncClient, seconds: int
):
    seen = await make_event(staff, "SEEN", age=0)
    await make_event(staff, "LATE", age=seconds)
    async with connect(f"since={seen}", **authorization(staff)) as socket:
        assert [(await socket.event())["event"]["sku"] for _ in range(2)] == ["LATE", "SEEN"]


@pytest.mark.parametrize("seconds", [5, LONGEST_STATEMENT_SECONDS])
async def test_an_event_that_was_committed_later_under_an_earlier_time_is_found_in_the_log(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, seconds: int
):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.1)
    await make_event(staff, "SEEN", age=0)
    async with connect(**authorization(staff)) as socket:
        await make_event(staff, "LATE", age=seconds)
        assert (await socket.event())["event"]["sku"] == "LATE"


async def make_event(staff: httpx.AsyncClient, sku: str, *, age: float) -> int:
    """The id of one that was relayed `age` seconds ago, by another relay."""
    product = await make_product(staff, sku)
    return int(
        await fetch_value(
            "UPDATE event SET relayed_at = now() - $2 * interval '1 second' WHERE product_id = $1 RETURNING id",
            product["id"],
            age,
        )
    )


async def test_a_replay_and_live_events_leave_no_gap_and_nothing_twice(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    """Events are relayed all the while that clients come: each of them sees each one once."""
    await make_product(staff, "FIRST")
    [first] = await relay()

    async def write() -> None:
        for number in range(40):
            await make_product(staff, f"N-{number:02}")
            await relay(told=number % 3 > 0)

    monkeypatch.setattr(following, "LOOK_SECONDS", 0.1)
    writing = asyncio.create_task(write())
    counts = await asyncio.gather(*(follow_late(staff, first, 0.05 * late) for late in range(6)))
    await writing
    assert all(sorted(skus) == ["FIRST", *(f"N-{number:02}" for number in range(40))] for skus in counts)


async def follow_late(staff: httpx.AsyncClient, since: int, seconds: float) -> list[str]:
    await asyncio.sleep(seconds)
    async with connect(f"since={since}", **authorization(staff)) as socket:
        return [(await socket.event())["event"]["sku"] for _ in range(41)]


async def test_who_missed_too_much_is_told_so_and_gets_the_newest(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("domains.realtime.replay.MOST_REPLAYED", 2)
    seen = await make_event(staff, "A-0", age=1)
    for number in range(1, 4):
        await make_product(staff, f"A-{number}")
    await relay()
    async with connect(f"since={seen}", **authorization(staff)) as socket:
        assert (await socket.message())["action"] == "gap"
        assert [(await socket.event())["event"]["sku"] for _ in range(2)] == ["A-2", "A-3"]


async def test_who_missed_nothing_is_not_told_of_a_gap_however_much_was_told_before(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("domains.realtime.replay.MOST_REPLAYED", 2)
    ids = [await make_event(staff, f"A-{number}", age=9 - number) for number in range(4)]
    async with connect(f"since={ids[-1]}", **authorization(staff)) as socket:
        assert (await socket.message())["event"]["sku"] == "A-2"


async def test_since_zero_replays_from_the_beginning(staff: httpx.AsyncClient):
    await make_product(staff, "A-1")
    await relay()
    async with connect("since=0", **authorization(staff)) as socket:
        assert (await socket.event())["event"]["sku"] == "A-1"


@pytest.mark.parametrize("since", ["987654321", "abc", "-1", "1e3", "9" * 30])
async def test_a_since_that_names_no_event_ends_the_connection(staff: httpx.AsyncClient, since: str):
    async with connect(f"since={since}", **authorization(staff)) as socket:
        assert await socket.closed() == 4400


async def test_single_changes_of_an_import_are_neither_told_nor_replayed(staff: httpx.AsyncClient):
    async with connect("since=0", **authorization(staff)) as socket:
        with acting(bulk=True):
            await events.record_all("inventory.low", [("product:1", 1, {"message": "bulk"})])
        await events.record("inventory.low", subject="product:1", data={"message": "single"})
        await relay()
        assert (await socket.event())["message"] == "single"


async def test_a_silent_feed_has_a_heartbeat(staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "HEARTBEAT_SECONDS", 0.05)
    async with connect(**authorization(staff)) as socket:
        beats = [await socket.message(lambda message: True) for _ in range(3)]
    assert beats == [{"action": "heartbeat", "message": "", "event": None}] * 3
