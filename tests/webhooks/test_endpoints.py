"""Endpoints over HTTP: made, read, changed, disabled and deleted."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from domains.webhooks import endpoints
from domains.webhooks.topics import SENTENCES, EventType
from lib import clock
from piccolo_conf import execute, fetch_value
from tests.webhooks.front_door import PATH, URL, create, listed, refusal
from tests.webhooks.making import attempts, deliver, deliveries, make_endpoint, record, relay


async def switch(client: httpx.AsyncClient, endpoint_id: int, *, is_enabled: bool) -> dict[str, Any]:
    answer = await client.patch(f"{PATH}{endpoint_id}", json={"is_enabled": is_enabled})
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()
    return changed


async def test_an_administrator_makes_an_endpoint_and_sees_its_secret_once(admin: httpx.AsyncClient):
    answer = await admin.post(PATH, json={"url": URL, "event_types": ["order.placed"], "description": "ERP"})
    made = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    shown = await admin.get(answer.headers["location"])
    assert shown.json() == made
    assert (made["url"], made["event_types"], made["description"]) == (URL, ["order.placed"], "ERP")
    assert (made["is_enabled"], made["include_bulk"], made["max_per_second"]) == (True, False, None)
    assert (made["created_by"], made["live_secrets"], made["secret_expires_at"]) == ("ada", 1, [])
    assert secret not in str(await fetch_value("SELECT secrets FROM webhook_endpoint"))


async def test_staff_may_look_and_others_not_even_that(
    admin: httpx.AsyncClient, staff: httpx.AsyncClient, customer: httpx.AsyncClient, client: httpx.AsyncClient
):
    path = f"{PATH}{(await create(admin))['id']}"
    writes: list[tuple[str, str, Any]] = [
        ("POST", PATH, {"url": URL, "event_types": ["*"]}),
        ("PUT", path, {"url": URL, "event_types": ["*"]}),
        ("PATCH", path, {"is_enabled": False}),
        ("POST", f"{path}/secret-rotation", None),
        ("POST", f"{path}/test/", None),
        ("POST", f"{path}/recovery", {"since": clock.now().isoformat()}),
        ("DELETE", path, None),
    ]
    for caller, reading, writing in ((staff, 200, 403), (customer, 403, 403), (client, 401, 401)):
        for place in (PATH, path, f"{path}/deliveries/", f"{PATH}event-types"):
            assert (await caller.get(place)).status_code == reading, place
        for method, place, body in writes:
            assert (await caller.request(method, place, json=body)).status_code == writing, place
    assert await fetch_value("SELECT count(*) FROM webhook_endpoint WHERE is_enabled") == 1


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"url": "http://example.com/"}, "url", "https://"),
        ({"url": "ftp://example.com/"}, "url", "https://"),
        ({"url": ""}, "url", ""),
        ({"url": "https://user:secret@example.com/"}, "url", "user and password"),
        ({"url": "https://example.com/a b"}, "url", "blanks"),
        ({"url": " https://example.com/"}, "url", ""),
        ({"url": f"https://example.com/{'x' * 2000}"}, "url", "2000"),
        ({"event_types": []}, "event_types", "1"),
        ({"event_types": ["order.vanished"]}, "event_types[0]", "must be one of product.created,"),
        ({"event_types": ["*", "order.placed"]}, "event_types", "stands alone"),
        ({"event_types": ["order.placed", "order.placed"]}, "event_types", "twice"),
        ({"max_per_second": 0}, "max_per_second", "1"),
        ({"max_per_second": 1001}, "max_per_second", "1000"),
        ({"secret": "whsec_mine"}, "secret", "not a known field"),
    ],
)
async def test_what_is_wrong_is_named(admin: httpx.AsyncClient, fields: dict[str, Any], field: str, sentence: str):
    whole = {"url": URL, "event_types": ["*"], **fields}
    made = await create(admin)
    for answer in (
        await admin.post(PATH, json=whole),
        await admin.put(f"{PATH}{made['id']}", json=whole),
        await admin.patch(f"{PATH}{made['id']}", json=fields),
    ):
        ((named, message),) = refusal(answer)
        assert named == field
        assert sentence in message
    assert await fetch_value("SELECT count(*) FROM webhook_endpoint WHERE url = $1", URL) == 1


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[64:ff9b::a9fe:a9fe]", "2130706433", "0x7f.1", "127.1"],
)
async def test_an_address_inside_is_refused_at_once_where_it_can_be_seen(admin: httpx.AsyncClient, host: str):
    answer = await admin.post(PATH, json={"url": f"https://{host}/hook", "event_types": ["*"]})
    assert refusal(answer) == [("url", "The URL leads to an address that must not be reached from here.")]


async def test_a_change_leaves_the_rest_and_a_replacement_takes_defaults(admin: httpx.AsyncClient):
    made = await create(admin, description="ERP", include_bulk=True, max_per_second=7)
    path = f"{PATH}{made['id']}"
    changed = (await admin.patch(path, json={"event_types": ["order.placed"], "max_per_second": None})).json()
    assert (changed["event_types"], changed["max_per_second"]) == (["order.placed"], None)
    assert (changed["description"], changed["include_bulk"]) == ("ERP", True)
    assert changed["updated_at"] > made["updated_at"]
    replaced = (await admin.put(path, json={"url": f"{URL}/2", "event_types": ["*"]})).json()
    assert (replaced["url"], replaced["description"], replaced["include_bulk"]) == (f"{URL}/2", "", False)
    assert (await admin.get(path)).json() == replaced


async def test_disabling_pauses_what_waits_and_enabling_makes_it_due(admin: httpx.AsyncClient):
    made = await create(admin)
    await record()
    await relay()
    off = await switch(admin, made["id"], is_enabled=False)
    assert (off["is_enabled"], off["disabled_reason"], off["pending"], off["paused"]) == (False, "by_hand", 0, 1)
    assert off["disabled_at"] is not None
    on = await switch(admin, made["id"], is_enabled=True)
    assert (on["is_enabled"], on["disabled_reason"], on["disabled_at"]) == (True, None, None)
    assert (on["pending"], on["paused"]) == (1, 0)


async def test_what_is_disabled_already_keeps_its_reason(admin: httpx.AsyncClient):
    made = await create(admin)
    await execute("UPDATE webhook_endpoint SET is_enabled = false, disabled_reason = 'gone', disabled_at = now()")
    assert (await switch(admin, made["id"], is_enabled=False))["disabled_reason"] == "gone"


async def test_an_endpoint_can_be_made_disabled(admin: httpx.AsyncClient):
    made = await create(admin, is_enabled=False)
    await record()
    await relay()
    assert (made["disabled_reason"], made["disabled_at"]) == ("by_hand", made["created_at"])
    assert await deliveries() == []


async def test_another_address_begins_with_a_clean_record(admin: httpx.AsyncClient):
    made = await create(admin)
    await execute("UPDATE webhook_endpoint SET failing_since = now(), exhausted_at = now(), warned_at = now()")
    same = await admin.patch(f"{PATH}{made['id']}", json={"description": "x"})
    assert same.json()["failing_since"] is not None
    other = await admin.patch(f"{PATH}{made['id']}", json={"url": f"{URL}/2"})
    assert other.json()["failing_since"] is None
    assert await fetch_value("SELECT exhausted_at IS NULL AND warned_at IS NULL FROM webhook_endpoint")


async def test_what_was_sent_is_counted(admin: httpx.AsyncClient, receiver: Any):
    endpoint = await make_endpoint(receiver.url)
    for _ in range(3):
        await record()
    await deliver()
    shown = (await admin.get(f"{PATH}{endpoint}")).json()
    assert [shown[name] for name in ("delivered", "failed", "pending", "paused")] == [3, 0, 0, 0]
    assert shown["last_delivery_at"] is not None
    await execute("UPDATE webhook_attempt SET status_code = 500")
    assert (await admin.get(f"{PATH}{endpoint}")).json()["last_delivery_at"] is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["a", "b", "c"]),
        ({"ordering": "-id"}, ["c", "b", "a"]),
        ({"ordering": "-url"}, ["c", "b", "a"]),
        ({"is_enabled": "false"}, ["b"]),
        ({"disabled_reason": "by_hand"}, ["b"]),
        ({"disabled_reason": "gone"}, []),
        ({"is_failing": "true"}, ["c"]),
        ({"include_bulk": "true"}, ["a"]),
        ({"url__icontains": "EXAMPLE.COM/B"}, ["b"]),
        ({"event_type": "order.placed"}, ["a", "b"]),
        ({"event_type": "product.created"}, ["b", "c"]),
        ({"search": "erp example"}, ["a"]),
        ({"created_at__gte": "2999-01-01"}, []),
    ],
)
async def test_the_list_is_filtered_and_sorted(admin: httpx.AsyncClient, query: dict[str, str], expected: list[str]):
    await create(admin, url="https://example.com/a", event_types=["order.placed"], include_bulk=True, description="ERP")
    await create(admin, url="https://example.com/b", is_enabled=False)
    await create(admin, url="https://example.com/c", event_types=["product.created"])
    await execute("UPDATE webhook_endpoint SET failing_since = now() WHERE url LIKE '%c'")
    found = await listed(admin, **query)
    assert [one["url"][-1] for one in found] == expected
    assert not any("secret" in one or "secrets" in one for one in found)


async def test_there_are_a_hundred_at_most_also_when_many_are_made_at_once(
    admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(endpoints, "MOST_ENDPOINTS", 3)
    body = {"url": URL, "event_types": ["*"]}
    answers = await asyncio.gather(*(admin.post(PATH, json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    assert next(one.json()["code"] for one in answers if one.status_code == 409) == "too_many_endpoints"


async def test_deleting_takes_the_log_along_in_batches(
    admin: httpx.AsyncClient, receiver: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(endpoints, "DELETED_AT_ONCE", 2)
    endpoint, other = await make_endpoint(receiver.url), await make_endpoint(receiver.url)
    for _ in range(5):
        await record()
    await deliver()
    assert (await admin.delete(f"{PATH}{endpoint}")).status_code == 204
    assert (await admin.get(f"{PATH}{endpoint}")).status_code == 404
    assert {row["endpoint"] for row in (*await deliveries(), *await attempts())} == {other}
    assert (await admin.delete(f"{PATH}{endpoint}")).status_code == 404


async def test_an_endpoint_whose_deletion_was_interrupted_gets_nothing_more(
    admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    made = await create(admin)
    monkeypatch.setattr(endpoints, "DELETE_SOME", ["SELECT no_such_function()"])
    assert (await admin.delete(f"{PATH}{made['id']}")).status_code == 500
    await record()
    await relay()
    assert not (await admin.get(f"{PATH}{made['id']}")).json()["is_enabled"]
    assert await deliveries() == []


async def test_what_is_not_there_is_not_found(admin: httpx.AsyncClient):
    body = {"url": URL, "event_types": ["*"]}
    since = {"since": (clock.now() - timedelta(hours=1)).isoformat()}
    for method, path, json in (
        ("GET", "7", None),
        ("PUT", "7", body),
        ("PATCH", "7", {}),
        ("DELETE", "7", None),
        ("POST", "7/secret-rotation", None),
        ("POST", "7/test/", None),
        ("POST", "7/recovery", since),
        ("GET", "7/deliveries/", None),
        ("GET", "7/deliveries/7", None),
        ("POST", "7/deliveries/7/redelivery", None),
        ("GET", "99999999999", None),
        ("GET", "7/deliveries/99999999999999999999", None),
    ):
        assert (await admin.request(method, f"{PATH}{path}", json=json)).status_code == 404, path


async def test_every_event_type_is_told_with_a_sentence(staff: httpx.AsyncClient):
    told = (await staff.get(f"{PATH}event-types")).json()
    assert [one["event_type"] for one in told] == list(EventType)
    assert [*SENTENCES] == list(EventType)
    assert all(one["description"].endswith(".") for one in told)
