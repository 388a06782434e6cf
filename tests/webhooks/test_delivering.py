"""What is due is sent, signed, and recorded; several workers share the work and no limit is broken."""

import asyncio
import time
from datetime import timedelta

import httpx
import msgspec
import pytest
from standardwebhooks import Webhook

from domains.webhooks import deliverer
from domains.webhooks import deliveries as rows
from domains.webhooks.deliverer import Deliverer
from domains.webhooks.holding import holding
from domains.webhooks.jobs import deliver_due, stop_delivering
from domains.webhooks.signing import new_secret
from lib import clock
from piccolo_conf import execute, fetch_value
from tests.catalog.making import make_product
from tests.faults.harness import HANGS_SECONDS, until
from tests.lib.loopback import Loopback, reply, saying, serving
from tests.webhooks.making import attempts, deliver, deliveries, make_endpoint, record, relay


def headers_of(request: bytes) -> dict[str, str]:
    head = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in head)}


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


async def test_a_receiver_that_uses_the_reference_library_accepts_what_we_send(database: None, receiver: Loopback):
    secret = new_secret()
    await make_endpoint(receiver.url, secret=secret)
    await record("order.placed", number="SO-1", total="29.90")
    await deliver()
    [request] = receiver.requests
    told = Webhook(secret).verify(body_of(request), headers_of(request))
    assert told["type"] == told["event_type"] == "order.placed"
    assert told["data"] == {"number": "SO-1", "total": 29.9}


async def test_a_delivery_that_arrived_is_recorded_with_its_attempt_and_counted(database: None, receiver: Loopback):
    endpoint = await make_endpoint(receiver.url)
    await record()
    await deliver()
    [delivery], [attempt] = await deliveries(), await attempts()
    assert (delivery["state"], delivery["attempt"], delivery["last_status_code"]) == ("delivered", 1, 200)
    assert delivery["delivered_at"] is not None
    assert delivery["locked_until"] is None
    assert (attempt["delivery"], attempt["number"], attempt["trigger"]) == (delivery["id"], 1, "scheduled")
    assert (attempt["status_code"], attempt["error_class"], attempt["response_excerpt"]) == (200, None, "{}")
    tally = await fetch_value("SELECT (endpoint_id, delivered, failed, failed_attempts) FROM webhook_tally")
    assert tally == (endpoint, 1, 0, 0)


async def test_a_failed_attempt_is_tried_again_with_the_same_id_and_body(database: None, lane: None):
    answers = [reply("500 No", b"later"), reply()]

    async def answer(_server: Loopback, _request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop(0))

    async with serving(answer) as server:
        await make_endpoint(server.url)
        await record()
        await deliver()
        [delivery] = await deliveries()
        assert (delivery["state"], delivery["step"], delivery["last_status_code"]) == ("pending", 1, 500)
        await execute("UPDATE webhook_delivery SET next_attempt_at = now()")
        await deliver()
    first, second = server.requests
    assert headers_of(first)["webhook-id"] == headers_of(second)["webhook-id"]
    assert body_of(first) == body_of(second)
    assert [row["status_code"] for row in await attempts()] == [500, 200]
    assert (await deliveries())[0]["state"] == "delivered"


async def test_no_endpoint_gets_more_than_four_requests_at_once_whoever_sends(database: None, lane: None):
    at_once, most = 0, 0

    async def answer(_server: Loopback, _request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1
        writer.write(reply())

    async with serving(answer) as server:
        await make_endpoint(server.url)
        for _ in range(40):
            await record()
        await relay()
        await asyncio.gather(*(_take_a_turn() for _ in range(4)))
    assert most == 4
    assert len(server.requests) == 40


async def _take_a_turn() -> None:
    """As another worker would: with a connection of its own."""
    async with holding() as holder:
        await Deliverer(holder).run()


async def test_no_more_are_sent_in_a_second_than_an_endpoint_takes(database: None, receiver: Loopback):
    await make_endpoint(receiver.url, max_per_second=5)
    for _ in range(12):
        await record()
    await relay()
    began = time.monotonic()
    await deliver_due()
    assert len(receiver.requests) == 12
    assert time.monotonic() - began >= 2


async def has_come(receiver: Loopback, requests: int) -> bool:
    return len(receiver.requests) >= requests


async def has_come_by_another_turn(receiver: Loopback, requests: int) -> bool:
    """The one before may not have let go of it yet."""
    await deliver_due()
    return await has_come(receiver, requests)


async def test_an_endpoint_that_hangs_holds_up_nobody_else(database: None, receiver: Loopback):
    done = asyncio.Event()

    async def hang(_server: Loopback, _request: bytes, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.write(reply())

    async with serving(hang) as hanging:
        await make_endpoint(hanging.url)
        await make_endpoint(receiver.url)
        for _ in range(20):
            await record()
        await relay()
        turn = asyncio.create_task(deliver_due())
        await until(lambda: has_come(hanging, 4), HANGS_SECONDS)
        await until(lambda: has_come(receiver, 20), HANGS_SECONDS)
        stop_delivering()
        # The next turn has the healthy one while this one still waits for its answers.
        await record()
        await relay()
        await until(lambda: has_come_by_another_turn(receiver, 21), HANGS_SECONDS)
        assert len(receiver.requests) == 21
        assert len(hanging.requests) == 4
        done.set()
        await turn
    held = await fetch_value("SELECT count(*) FROM webhook_delivery WHERE locked_until IS NOT NULL")
    assert held == 0
    assert await fetch_value("SELECT max(attempt) FROM webhook_delivery") == 1


async def test_what_was_claimed_and_not_sent_counts_as_no_attempt(database: None):
    endpoint = await make_endpoint("https://example.com/")
    await record()
    await relay()
    claimed = await rows.claim({endpoint: 10})
    assert [due.attempt for due in claimed] == [1]
    await rows.give_back(claimed)
    [delivery] = await deliveries()
    assert (delivery["attempt"], delivery["step"], delivery["locked_until"]) == (0, 0, None)


async def test_an_attempt_whose_worker_died_is_logged_as_interrupted_and_sent_again_behind_its_lease(
    database: None, receiver: Loopback, monkeypatch: pytest.MonkeyPatch
):
    endpoint = await make_endpoint(receiver.url)
    await record()
    await relay()
    await rows.claim({endpoint: 10})
    await deliver_due()
    assert receiver.requests == []
    later = clock.now() + rows.LEASE
    monkeypatch.setattr(clock, "now", lambda: later)
    await deliver_due()
    assert [(row["number"], row["error_class"]) for row in await attempts()] == [(1, "interrupted"), (2, None)]
    assert (await deliveries())[0]["state"] == "delivered"


async def test_who_lost_a_delivery_cannot_say_how_it_ended_but_is_believed_in_the_log(database: None):
    endpoint = await make_endpoint("https://example.com/")
    await record()
    await relay()
    [slow] = await rows.claim({endpoint: 1})
    await execute("UPDATE webhook_delivery SET locked_until = now()")
    [quick] = await rows.claim({endpoint: 1})
    failed = rows.Outcome(500, None, 7, "no")
    await rows.finish([rows.Result(slow, clock.now(), failed, timedelta(seconds=5))])
    [delivery] = await deliveries()
    assert (delivery["attempt"], delivery["last_status_code"]) == (2, None)
    await rows.finish([rows.Result(quick, clock.now(), rows.Outcome(204, None, 3), None)])
    assert [(row["number"], row["status_code"]) for row in await attempts()] == [(1, 500), (2, 204)]
    assert (await deliveries())[0]["state"] == "delivered"


async def test_a_success_counts_although_its_endpoint_was_disabled_meanwhile(database: None):
    endpoint = await make_endpoint("https://example.com/")
    await record()
    await record()
    await relay()
    first, second = await rows.claim({endpoint: 2})
    await execute("UPDATE webhook_delivery SET state = 'paused'")
    await rows.finish([rows.Result(first, clock.now(), rows.Outcome(200, None, 3), None)])
    await rows.finish([rows.Result(second, clock.now(), rows.Outcome(500, None, 3), timedelta(seconds=5))])
    assert [row["state"] for row in await deliveries()] == ["delivered", "paused"]


async def test_results_of_a_deleted_endpoint_stop_nobody(database: None):
    gone, stays = await make_endpoint("https://example.com/a"), await make_endpoint("https://example.com/b")
    await record()
    await relay()
    claimed = await rows.claim({gone: 1, stays: 1})
    await execute("DELETE FROM webhook_endpoint WHERE id = $1", gone)
    await rows.finish([rows.Result(due, clock.now(), rows.Outcome(200, None, 3), None) for due in claimed])
    assert [(row["endpoint"], row["state"]) for row in await deliveries()] == [(stays, "delivered")]


async def test_an_address_that_leads_inside_is_a_failed_attempt_and_no_connection(database: None):
    async with serving(saying(reply())) as inside:
        await make_endpoint(inside.url)
        await make_endpoint("http://[]@")
        await record()
        await deliver()
    assert inside.connections == 0
    assert [row["error_class"] for row in await attempts()] == ["blocked_address", "bad_url"]
    assert {row["state"] for row in await deliveries()} == {"pending"}


async def test_the_body_of_a_product_has_its_prices_as_numbers_and_its_version(
    staff: httpx.AsyncClient, receiver: Loopback
):
    product = await make_product(staff, "A-1", price="29.90")
    await make_endpoint(receiver.url, "product.updated")
    await staff.patch(f"/api/products/{product['id']}", json={"price": "31.05"})
    await deliver()
    text = body_of(receiver.requests[0])
    told = msgspec.json.decode(text)
    assert b'"price": 31.05' in text or b'"price":31.05' in text
    assert told["changes"] == {"price": [29.9, 31.05]}
    assert (told["data"]["sku"], told["data"]["version"]) == ("A-1", 2)


async def test_a_delivery_that_kills_its_workers_is_given_up(database: None, receiver: Loopback):
    await make_endpoint(receiver.url)
    await record()
    await relay()
    await execute("UPDATE webhook_delivery SET attempt = 15, step = 15")
    await deliver_due()
    assert receiver.requests == []
    assert [(row["state"], row["last_error"]) for row in await deliveries()] == [("failed", "interrupted")]


async def test_an_end_that_cannot_be_recorded_takes_no_other_with_it(
    database: None, receiver: Loopback, monkeypatch: pytest.MonkeyPatch
):
    poisoned = await make_endpoint(f"{receiver.url}/poisoned")
    healthy = await make_endpoint(f"{receiver.url}/healthy")
    real = deliverer.send

    async def send(target: object, webhook_id: str, body: bytes) -> rows.Outcome:
        outcome = await real(target, webhook_id, body)
        excerpt = "\0" if target.endpoint_id == poisoned else ""
        return rows.Outcome(outcome.status_code, None, outcome.milliseconds, excerpt)

    monkeypatch.setattr(deliverer, "send", send)
    await record()
    await deliver()
    assert {row["endpoint"]: row["state"] for row in await deliveries()} == {poisoned: "pending", healthy: "delivered"}


async def test_an_endpoint_whose_secret_cannot_be_read_gets_nothing_and_holds_up_nobody(
    database: None, receiver: Loopback
):
    """As after SECRET_KEY was changed."""
    await make_endpoint(f"{receiver.url}/broken", secrets='[{"sealed": "rubbish", "expires_at": null}]')
    await make_endpoint(f"{receiver.url}/healthy")
    await record()
    await deliver()
    assert [row["last_error"] for row in await deliveries()] == ["no_secret", None]
    assert len(receiver.requests) == 1
