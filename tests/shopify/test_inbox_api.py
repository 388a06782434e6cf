"""The inbox and the reconciliations over HTTP: who reads what, and that a webhook is processed again."""

import json
from typing import Any

import asyncpg
import httpx
import pytest

from piccolo_conf import execute, fetch_value
from queues.job import QUEUES
from tests.conftest import make_client
from tests.shopify.making import SHOP, inbox_rows, row_of, send, settle

PATH = "/api/shopify-webhooks/"
RECONCILIATIONS = "/api/shopify-reconciliations/"
# Beyond what a JavaScript number holds.
LARGE = 788032119674292922
FILL = """
INSERT INTO inbound_webhook (shop, topic, webhook_id, subject, state, reason, awaits, received_at, processed_at)
    VALUES ('a.myshopify.com', 'products/update', 'w-1', 'product:788032119674292922', 'processed', NULL, NULL,
            '2030-01-01T00:00Z', now()),
        ('a.myshopify.com', 'inventory_levels/update', 'w-2', 'level:7@3', 'parked', 'unknown_item', 'item:7',
            '2030-01-02T00:00Z', now()),
        ('b.myshopify.com', 'products/update', 'w-3', 'product:8', 'failed', 'bad_payload', NULL,
            '2030-01-03T00:00Z', now()),
        ('b.myshopify.com', 'orders/create', 'w-4', 'order:9', 'pending', NULL, NULL, '2030-01-04T00:00Z', NULL)
"""
RECONCILED = """
INSERT INTO shopify_reconciliation (state, dry_run, detail, counts, differences, finished_at)
    VALUES ('completed', false, '1 repaired', '{"products": 3}', $1, now()), ('running', true, '', '{}', '[]', NULL)
"""
DIFFERENCE = {"what": "level", "shopify_id": LARGE, "sku": "L-1", "field": "on_hand", "ours": 3, "theirs": 5}


async def listed(client: httpx.AsyncClient, path: str = PATH, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


async def sent(client: httpx.AsyncClient, topic: str = "collections/update", **payload: object) -> asyncpg.Record:
    """The row of a webhook that nobody handles, and which came through the front door."""
    answer = await send(client, topic, payload)
    return await row_of(answer.json()["id"])


async def test_staff_read_what_came_newest_first_and_without_bodies(staff: httpx.AsyncClient):
    first = await sent(staff, id=LARGE, title="SECRET")
    second = await sent(staff, id=12)
    found = await listed(staff)
    assert [one["id"] for one in found] == [second["id"], first["id"]]
    assert {"body", "results"} & found[0].keys() == set()
    assert (found[1]["shop"], found[1]["topic"], found[1]["state"]) == (SHOP, "collections/update", "ignored")
    assert (found[1]["reason"], found[1]["next_attempt_at"]) == ("unhandled_topic", None)


async def test_one_is_read_with_its_body_character_for_character(staff: httpx.AsyncClient):
    row = await sent(staff, id=LARGE, title="Lampe für draußen")
    results = [{"became": "updated", "shopify_id": LARGE, "sku": "L-1", "product": 7}]
    await execute("UPDATE inbound_webhook SET results = $1", json.dumps(results))
    shown = (await staff.get(f"{PATH}{row['id']}")).json()
    assert shown["body"] == row["body"]
    assert shown["results"] == [results[0] | {"order": None, "detail": ""}]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"shop": "B.myshopify.com"}, [4, 3]),
        ({"topic": "products/update"}, [3, 1]),
        ({"topic__in": "products/update,orders/create"}, [4, 3, 1]),
        ({"state": "parked"}, [2]),
        ({"reason": "bad_payload"}, [3]),
        ({"subject": "product:788032119674292922"}, [1]),
        ({"webhook_id": "w-2"}, [2]),
        ({"received_at__gte": "2030-01-02T00:00:00Z", "received_at__lte": "2030-01-03T00:00:00Z"}, [3, 2]),
        ({"ordering": "received_at"}, [1, 2, 3, 4]),
    ],
)
async def test_the_list_is_narrowed_and_ordered(staff: httpx.AsyncClient, query: dict[str, str], ids: list[int]):
    await execute(FILL)
    first = await fetch_value("SELECT min(id) FROM inbound_webhook")
    assert [one["id"] - first + 1 for one in await listed(staff, **query)] == ids


async def test_what_waits_tells_when_it_is_tried_again(staff: httpx.AsyncClient):
    await execute(FILL)
    waiting, failed, parked, processed = await listed(staff)
    assert waiting["next_attempt_at"] is not None
    assert parked["next_attempt_at"] is not None
    assert parked["awaits"] == "item:7"
    assert (failed["next_attempt_at"], processed["next_attempt_at"]) == (None, None)


async def test_an_administrator_has_one_processed_again(admin: httpx.AsyncClient):
    row = await sent(admin, topic="products/delete", id="none")
    await settle()
    await QUEUES["default"].redis.flushdb()
    answer = await admin.post(f"{PATH}{row['id']}/reprocessing/")
    assert (answer.status_code, answer.json()["state"], answer.json()["attempts"]) == (202, "pending", 0)
    assert await QUEUES["default"].count("queued") == 1
    await settle()
    settled = await row_of(row["id"])
    assert (settled["state"], settled["reason"], settled["attempts"]) == ("failed", "bad_payload", 1)


async def test_a_topic_that_nobody_follows_stays_ignored_when_it_is_processed_again(admin: httpx.AsyncClient):
    row = await sent(admin, id=1)
    assert (await admin.post(f"{PATH}{row['id']}/reprocessing/")).json()["state"] == "pending"
    await settle()
    assert (await row_of(row["id"]))["reason"] == "unhandled_topic"


async def test_one_that_waits_anyway_goes_on_waiting(admin: httpx.AsyncClient):
    await execute(FILL)
    await execute("UPDATE inbound_webhook SET attempts = 3 WHERE webhook_id = 'w-4'")
    pending = (await listed(admin))[0]
    answer = await admin.post(f"{PATH}{pending['id']}/reprocessing/")
    assert (answer.status_code, answer.json()["attempts"]) == (202, 3)


async def test_a_body_that_was_removed_is_not_processed_again(admin: httpx.AsyncClient):
    row = await sent(admin, id=1)
    await execute("UPDATE inbound_webhook SET reason = 'redacted', body = ''")
    answer = await admin.post(f"{PATH}{row['id']}/reprocessing/")
    assert (answer.status_code, answer.json()["code"]) == (409, "body_is_gone")
    assert (await inbox_rows())[0]["state"] == "ignored"


@pytest.mark.parametrize("webhook_id", [1, LARGE, 2**63])
async def test_what_is_not_there_is_not_found(admin: httpx.AsyncClient, webhook_id: int):
    assert (await admin.get(f"{PATH}{webhook_id}")).status_code == 404
    assert (await admin.post(f"{PATH}{webhook_id}/reprocessing/")).status_code == 404


async def test_staff_may_not_have_it_processed_again(staff: httpx.AsyncClient):
    row = await sent(staff, id=1)
    assert (await staff.post(f"{PATH}{row['id']}/reprocessing/")).status_code == 403


async def key_with(owner: httpx.AsyncClient, scopes: list[str]) -> httpx.AsyncClient:
    answer = await owner.post("/auth/api-keys/", json={"name": "erp", "scopes": scopes})
    assert answer.status_code == 201, answer.text
    return make_client(Authorization=f"Bearer {answer.json()['secret']}")


@pytest.mark.parametrize(
    ("scopes", "status"),
    [
        (["webhooks:read"], 403),
        (["webhooks:read", "orders:read"], 403),
        (["webhooks:read", "products:internal"], 403),
        (["orders:read", "products:internal"], 403),
        (["webhooks:read", "orders:read", "products:internal"], 200),
    ],
)
async def test_a_body_needs_every_scope_of_what_it_tells(staff: httpx.AsyncClient, scopes: list[str], status: int):
    row = await sent(staff, id=1)
    async with await key_with(staff, scopes) as key:
        assert (await key.get(f"{PATH}{row['id']}")).status_code == status


async def test_reconciliations_are_listed_without_their_differences(staff: httpx.AsyncClient):
    await execute(RECONCILED, json.dumps([DIFFERENCE]))
    running, completed = await listed(staff, RECONCILIATIONS)
    assert (running["state"], running["dry_run"], running["finished_at"]) == ("running", True, None)
    assert (completed["counts"], completed["detail"]) == ({"products": 3}, "1 repaired")
    assert "differences" not in completed
    assert await listed(staff, RECONCILIATIONS, dry_run="true", state="running") == [running]


async def test_a_reconciliation_tells_its_differences(staff: httpx.AsyncClient):
    await execute(RECONCILED, json.dumps([DIFFERENCE]))
    _running, completed = await listed(staff, RECONCILIATIONS)
    shown = (await staff.get(f"{RECONCILIATIONS}{completed['id']}")).json()
    assert shown == completed | {"differences": [DIFFERENCE]}
    missing = await staff.get(f"{RECONCILIATIONS}{completed['id'] + 99}")
    assert (missing.status_code, missing.json()["code"]) == (404, "reconciliation_not_found")
