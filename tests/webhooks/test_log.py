"""What was sent: the list of deliveries, and one with its body and all attempts."""

from typing import Any

import httpx
import pytest

from piccolo_conf import execute, fetch_value
from tests.conftest import make_client
from tests.lib.loopback import Loopback, reply, saying, serving
from tests.webhooks.front_door import PATH, body_of, headers_of, listed, refusal
from tests.webhooks.making import deliver, deliveries, make_endpoint, record, relay


async def sent_twice(url: str) -> int:
    """An endpoint at `url` that was sent a placed and a cancelled order; its id."""
    endpoint = await make_endpoint(url)
    await record("order.placed", order=7)
    await record("order.cancelled", order=7)
    await deliver()
    return endpoint


async def test_staff_read_what_was_delivered(staff: httpx.AsyncClient, receiver: Loopback):
    endpoint = await sent_twice(receiver.url)
    cancelled, placed = await listed(staff, f"{PATH}{endpoint}/deliveries/")
    assert (placed["event_type"], cancelled["event_type"]) == ("order.placed", "order.cancelled")
    assert (placed["state"], placed["attempt"], placed["trigger"]) == ("delivered", 1, "scheduled")
    assert (placed["last_status_code"], placed["last_error"], placed["next_attempt_at"]) == (200, None, None)
    assert placed["last_duration_ms"] >= 0
    assert placed["delivered_at"] is not None
    assert placed["webhook_id"] == f"msg_{placed['event']}" == headers_of(receiver.requests[0])["webhook-id"]
    assert placed["subject"] == "order:1"


async def test_a_delivery_shows_its_body_as_it_was_sent(staff: httpx.AsyncClient, receiver: Loopback):
    endpoint = await sent_twice(receiver.url)
    _cancelled, placed = await listed(staff, f"{PATH}{endpoint}/deliveries/")
    shown = (await staff.get(f"{PATH}{endpoint}/deliveries/{placed['id']}")).json()
    assert shown.pop("payload").encode() == body_of(receiver.requests[0])
    (attempt,) = shown.pop("attempts")
    assert shown == placed
    assert (attempt["number"], attempt["trigger"], attempt["status_code"]) == (1, "scheduled", 200)
    assert (attempt["error_class"], attempt["response_excerpt"]) == (None, "{}")


async def test_attempts_stand_newest_first_with_what_was_answered(admin: httpx.AsyncClient, lane: None):
    async with serving(saying(reply("503 Busy", b"come back later"))) as busy:
        endpoint = await make_endpoint(busy.url)
        await record()
        await deliver()
        await execute("UPDATE webhook_delivery SET next_attempt_at = now()")
    await deliver()
    (one,) = await listed(admin, f"{PATH}{endpoint}/deliveries/")
    shown = (await admin.get(f"{PATH}{endpoint}/deliveries/{one['id']}")).json()
    assert (one["state"], one["attempt"], one["last_error"]) == ("pending", 2, "connect_failed")
    assert one["next_attempt_at"] is not None
    told = [(it["number"], it["status_code"], it["error_class"], it["response_excerpt"]) for it in shown["attempts"]]
    assert told == [(2, None, "connect_failed", ""), (1, 503, None, "come back later")]


async def test_a_delivery_is_found_at_its_own_endpoint_only(admin: httpx.AsyncClient, receiver: Loopback):
    endpoint, other = await sent_twice(receiver.url), await make_endpoint(receiver.url)
    (row, _) = await deliveries()
    path = f"deliveries/{row['id']}"
    assert (await admin.get(f"{PATH}{endpoint}/{path}")).status_code == 200
    assert (await admin.get(f"{PATH}{other}/{path}")).status_code == 404
    assert (await admin.post(f"{PATH}{other}/{path}/redelivery")).status_code == 404
    assert await listed(admin, f"{PATH}{other}/deliveries/") == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["order.cancelled", "order.placed"]),
        ({"ordering": "created_at"}, ["order.placed", "order.cancelled"]),
        ({"state": "delivered"}, ["order.placed"]),
        ({"state": "failed"}, ["order.cancelled"]),
        ({"state": "paused"}, []),
        ({"event_type": "order.placed"}, ["order.placed"]),
        ({"event_type": "product.created"}, []),
        ({"trigger": "manual"}, []),
        ({"last_status_code": "500"}, ["order.cancelled"]),
        ({"last_status_code__lte": "299"}, ["order.placed"]),
        ({"last_error": "timed_out"}, []),
        ({"created_at__gte": "2001-01-01", "created_at__lte": "2999-01-01"}, ["order.cancelled", "order.placed"]),
        ({"created_at__lte": "2001-01-01"}, []),
    ],
)
async def test_the_log_is_filtered(
    staff: httpx.AsyncClient, receiver: Loopback, query: dict[str, str], expected: list[str]
):
    endpoint = await sent_twice(receiver.url)
    await execute(
        "UPDATE webhook_delivery SET state = 'failed', last_status_code = 500 WHERE id = (SELECT max(id) FROM "
        "webhook_delivery)"
    )
    found = await listed(staff, f"{PATH}{endpoint}/deliveries/", **query)
    assert [one["event_type"] for one in found] == expected


async def test_a_receiver_asks_by_the_id_that_it_got(staff: httpx.AsyncClient, receiver: Loopback):
    endpoint = await sent_twice(receiver.url)
    path = f"{PATH}{endpoint}/deliveries/"
    webhook_id = headers_of(receiver.requests[0])["webhook-id"]
    (found,) = await listed(staff, path, webhook_id=webhook_id)
    assert (found["webhook_id"], found["event_type"]) == (webhook_id, "order.placed")
    assert await listed(staff, path, event=str(found["event"])) == [found]
    for nonsense in ("7", "msg_", "msg_test_7", "msg_99999999999999999999"):
        assert refusal(await staff.get(path, params={"webhook_id": nonsense}))[0][0] == "webhook_id"


async def test_the_log_is_walked_by_cursor(staff: httpx.AsyncClient, database: None):
    endpoint = await make_endpoint("https://example.com/")
    for _ in range(5):
        await record()
    await relay()
    page: dict[str, Any] = (await staff.get(f"{PATH}{endpoint}/deliveries/?page_size=2&after=")).json()
    ids = [one["id"] for one in page["results"]]
    while page["next"]:
        page = (await staff.get(page["next"])).json()
        ids += [one["id"] for one in page["results"]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == await fetch_value("SELECT count(*) FROM webhook_delivery") == 5


async def test_what_the_log_does_not_know_is_refused_by_name(staff: httpx.AsyncClient, database: None):
    path = f"{PATH}{await make_endpoint('https://example.com/')}/deliveries/"
    for query in ("state=lost", "ordering=state", "nothing=1", "last_status_code=x", "created_at__gte=x", "after=x"):
        answer = await staff.get(f"{path}?{query}")
        assert refusal(answer)[0][0] == query.partition("=")[0]


async def test_a_key_that_may_not_see_costs_reads_the_list_and_not_what_was_sent(admin: httpx.AsyncClient, lane: None):
    endpoint = await make_endpoint("https://nowhere.invalid/")
    await record()
    await relay()
    for scopes, status in ((["webhooks:read"], 403), (["webhooks:read", "products:internal"], 200)):
        made = await admin.post("/auth/api-keys/", json={"name": "Wall", "scopes": scopes})
        async with make_client(Authorization=f"Bearer {made.json()['secret']}") as machine:
            (one,) = await listed(machine, f"{PATH}{endpoint}/deliveries/")
            for path in (f"{PATH}{endpoint}/deliveries/{one['id']}", f"/webhooks/{endpoint}/deliveries/{one['id']}/"):
                assert (await machine.get(path, headers={"Accept": "*/*"})).status_code == status
