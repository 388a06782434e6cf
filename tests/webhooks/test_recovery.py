"""Sending again: one delivery that somebody asks for, and all that an endpoint has missed."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from domains.webhooks import recovery
from lib import clock
from piccolo_conf import execute
from tests.lib.loopback import Loopback
from tests.webhooks.front_door import PATH, headers_of, listed, refusal
from tests.webhooks.making import deliver, deliveries, make_endpoint, record, record_in_bulk, relay

URL = "https://example.com/hook"
GIVEN_UP = "UPDATE webhook_delivery SET state = 'failed', attempt = 10, step = 10"


async def recover(client: httpx.AsyncClient, endpoint: int, **back: float) -> httpx.Response:
    since = clock.now() - timedelta(**back)
    return await client.post(f"{PATH}{endpoint}/recovery", json={"since": since.isoformat()})


async def resend(client: httpx.AsyncClient, endpoint: int) -> httpx.Response:
    (row,) = await deliveries()
    return await client.post(f"{PATH}{endpoint}/deliveries/{row['id']}/redelivery")


async def topics(client: httpx.AsyncClient, endpoint: int) -> list[str]:
    return [one["event_type"] for one in await listed(client, f"{PATH}{endpoint}/deliveries/", ordering="id")]


async def test_a_delivery_is_sent_again_under_the_same_id(admin: httpx.AsyncClient, receiver: Loopback):
    endpoint = await make_endpoint(receiver.url)
    await record()
    await deliver()
    answer = await resend(admin, endpoint)
    assert (answer.status_code, answer.json()["state"], answer.json()["trigger"]) == (202, "pending", "manual")
    await deliver()
    first, second = (headers_of(request)["webhook-id"] for request in receiver.requests)
    assert first == second
    (row,) = await deliveries()
    assert (row["state"], row["attempt"], row["trigger"]) == ("delivered", 2, "manual")


async def test_one_that_was_given_up_has_all_its_attempts_again(admin: httpx.AsyncClient, database: None):
    endpoint = await make_endpoint(URL)
    await record()
    await relay()
    await execute(GIVEN_UP)
    assert (await resend(admin, endpoint)).status_code == 202
    (row,) = await deliveries()
    assert (row["state"], row["step"], row["attempt"]) == ("pending", 0, 10)
    assert row["next_attempt_at"] <= clock.now()


async def test_one_that_is_being_sent_is_not_sent_twice(admin: httpx.AsyncClient, database: None):
    endpoint = await make_endpoint(URL)
    await record()
    await relay()
    await execute("UPDATE webhook_delivery SET locked_until = now() + interval '30 seconds'")
    answer = await resend(admin, endpoint)
    assert (answer.status_code, answer.json()["code"]) == (409, "delivery_under_way")
    await execute("UPDATE webhook_delivery SET locked_until = now() - interval '1 second'")
    assert (await resend(admin, endpoint)).status_code == 202
    assert (await deliveries())[0]["locked_until"] is not None, "The next claim logs the attempt that was interrupted."


async def test_nothing_is_sent_again_to_an_endpoint_that_is_disabled(admin: httpx.AsyncClient, database: None):
    endpoint = await make_endpoint(URL)
    await record()
    await relay()
    await admin.patch(f"{PATH}{endpoint}", json={"is_enabled": False})
    for answer in (await resend(admin, endpoint), await recover(admin, endpoint, hours=1)):
        assert (answer.status_code, answer.json()["code"]) == (409, "endpoint_disabled")
    assert [row["state"] for row in await deliveries()] == ["paused"]


async def test_recovery_sends_what_failed_and_what_happened_while_disabled(admin: httpx.AsyncClient, database: None):
    endpoint = await make_endpoint(URL)
    await record("order.placed")
    await relay()
    await execute(GIVEN_UP)
    await admin.patch(f"{PATH}{endpoint}", json={"is_enabled": False})
    await record("order.cancelled")
    await relay()
    await admin.patch(f"{PATH}{endpoint}", json={"is_enabled": True})
    answer = await recover(admin, endpoint, hours=1)
    assert (answer.status_code, answer.json()) == (202, {"deliveries": 2})
    assert await topics(admin, endpoint) == ["order.placed", "order.cancelled"]
    assert {(row["state"], row["trigger"], row["step"]) for row in await deliveries()} == {("pending", "manual", 0)}
    assert (await recover(admin, endpoint, hours=1)).json() == {"deliveries": 0}


async def test_recovery_leaves_alone_what_arrived_and_what_lies_before(admin: httpx.AsyncClient, receiver: Loopback):
    endpoint, other = await make_endpoint(receiver.url), await make_endpoint(receiver.url)
    await record()
    await deliver()
    await execute("UPDATE webhook_delivery SET state = 'failed' WHERE endpoint = $1", other)
    await execute("UPDATE webhook_delivery SET created_at = now() - interval '2 hours' WHERE endpoint = $1", other)
    for one in (endpoint, other):
        assert (await recover(admin, one, hours=1)).json() == {"deliveries": 0}
    assert (await recover(admin, other, hours=3)).json() == {"deliveries": 1}
    assert {row["state"] for row in await deliveries() if row["endpoint"] == endpoint} == {"delivered"}


async def test_recovery_goes_by_what_the_endpoint_subscribes_to_now(admin: httpx.AsyncClient, database: None):
    for topic in ("order.placed", "order.cancelled", "order.shipped"):
        await record(topic)
    await relay()
    endpoint = await make_endpoint(URL, "order.placed", "order.shipped")
    assert (await recover(admin, endpoint, hours=1)).json() == {"deliveries": 2}
    assert await topics(admin, endpoint) == ["order.placed", "order.shipped"]


@pytest.mark.parametrize(("include_bulk", "expected"), [(False, 1), (True, 4)])
async def test_recovery_sends_single_changes_of_imports_to_those_who_ask_for_them(
    admin: httpx.AsyncClient, include_bulk: bool, expected: int
):
    await record_in_bulk("product.updated", 3)
    await record("import.completed")
    await relay()
    endpoint = await make_endpoint(URL, include_bulk=include_bulk)
    assert (await recover(admin, endpoint, hours=1)).json() == {"deliveries": expected}


async def test_recovery_goes_through_the_log_in_pieces(admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recovery, "AT_ONCE", 3)
    endpoint = await make_endpoint(URL)
    for _ in range(10):
        await record()
    await relay()
    await execute(GIVEN_UP)
    other = await make_endpoint(URL)
    assert (await recover(admin, endpoint, hours=1)).json() == {"deliveries": 10}
    assert (await recover(admin, other, hours=1)).json() == {"deliveries": 10}


async def test_recovery_beside_the_relay_makes_each_delivery_once(admin: httpx.AsyncClient, database: None):
    endpoint = await make_endpoint(URL)
    for _ in range(200):
        await record()
    answers = await asyncio.gather(
        relay(), recover(admin, endpoint, hours=1), relay(), recover(admin, endpoint, hours=1)
    )
    made = sum(one.deliveries if not isinstance(one, httpx.Response) else one.json()["deliveries"] for one in answers)
    assert made == len(await deliveries()) == 200


@pytest.mark.parametrize(
    ("since", "sentence"),
    [
        (timedelta(minutes=-1), "must be in the past"),
        (timedelta(days=14, minutes=1), "must be at most 14 days ago"),
        ("yesterday", "time"),
        ("2030-01-31T12:00:00", "zone"),
        ("0001-01-01T00:00:00+23:59", "must be at most 14 days ago"),
        ("9999-12-31T23:59:59-23:59", "must be in the past"),
        (None, "time"),
    ],
)
async def test_recovery_names_a_time_that_it_does_not_take(admin: httpx.AsyncClient, since: Any, sentence: str):
    endpoint = await make_endpoint(URL)
    told = (clock.now() - since).isoformat() if isinstance(since, timedelta) else since
    ((field, message),) = refusal(await admin.post(f"{PATH}{endpoint}/recovery", json={"since": told}))
    assert field == "since"
    assert sentence in message
