"""Endpoints of webhooks in the tables of the site: changed by the rules of the API, made where a secret is shown."""

from typing import Any

import httpx
import pytest

from domains.webhooks.schemas import EndpointIn
from piccolo_conf import execute, fetch, fetch_row, fetch_value
from tests.admin.visiting import SITE, TABLES

ENDPOINTS = f"{TABLES}/webhook_endpoint/"
# All that the site's form for an endpoint sends.
FORM: dict[str, Any] = {
    "url": "https://example.com/hook",
    "description": "The till",
    "event_types": ["product.updated", "order.placed"],
    "include_bulk": "false",
    "max_per_second": None,
    "is_enabled": "true",
}
FILL = """
INSERT INTO webhook_endpoint (url, event_types, secrets, failing_since)
    VALUES ('https://old.example/', '{*}', '[{"sealed": "x"}]', now());
INSERT INTO event (topic, subject, source, relayed_at) VALUES ('product.updated', 'product:1', 'sql', now());
INSERT INTO webhook_delivery (event, endpoint, step) VALUES (1, 1, 4);
INSERT INTO webhook_attempt (endpoint, delivery, started_at) VALUES (1, 1, now());
"""


@pytest.fixture
async def desk(site: httpx.AsyncClient) -> httpx.AsyncClient:
    await execute(FILL)
    return site


async def change(desk: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await desk.patch(f"{ENDPOINTS}1/", json=fields)


async def delivery() -> tuple[Any, ...]:
    row = await fetch_row("SELECT state, step FROM webhook_delivery")
    assert row is not None
    return tuple(row)


async def test_what_the_form_sends_arrives_as_it_is_meant(desk: httpx.AsyncClient) -> None:
    assert (await change(desk, **FORM | {"include_bulk": "true", "max_per_second": "5"})).status_code == 200
    row = await fetch_row("SELECT url, description, event_types, include_bulk, max_per_second FROM webhook_endpoint")
    assert row is not None
    assert tuple(row) == ("https://example.com/hook", "The till", ["product.updated", "order.placed"], True, 5)
    assert await fetch_value("SELECT secrets::text FROM webhook_endpoint") == '[{"sealed": "x"}]'


async def test_the_form_sends_what_the_api_takes() -> None:
    assert set(FORM) == set(EndpointIn.__struct_fields__)


async def test_switched_off_its_deliveries_wait_and_switched_on_they_are_due(desk: httpx.AsyncClient) -> None:
    await change(desk, is_enabled="false")
    assert await delivery() == ("paused", 4)
    row = await fetch_row("SELECT is_enabled, disabled_reason, disabled_at IS NULL AS never FROM webhook_endpoint")
    assert row is not None
    assert tuple(row) == (False, "by_hand", False)
    await change(desk, is_enabled="true")
    assert await delivery() == ("pending", 0)
    assert await fetch_value("SELECT failing_since FROM webhook_endpoint") is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "ftp://example.com/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["product.sold"]}, "event_types[0]"),
        ({"max_per_second": "0"}, "max_per_second"),
        ({"max_per_second": "many"}, "max_per_second"),
        ({"is_enabled": None}, "is_enabled"),
        ({"description": "a\0b"}, "description"),
        ({"secrets": "[]"}, "secrets"),
        ({"disabled_reason": "gone"}, "disabled_reason"),
        ({"failing_since": None}, "failing_since"),
        ({"created_by": 1}, "created_by"),
    ],
)
async def test_what_is_wrong_is_told_by_its_field(desk: httpx.AsyncClient, fields: dict[str, Any], field: str) -> None:
    refused = await change(desk, **fields)
    assert refused.status_code == 422, refused.text
    assert refused.json()["detail"][0]["loc"] == ["body", field]
    assert await fetch_value("SELECT url FROM webhook_endpoint") == "https://old.example/"


async def test_one_is_made_where_its_secret_is_shown(desk: httpx.AsyncClient) -> None:
    refused = await desk.post(ENDPOINTS, json=FORM)
    assert (refused.status_code, "/webhooks/create/" in refused.text) == (409, True)
    assert await fetch_value("SELECT count(*) FROM webhook_endpoint") == 1
    page = (await desk.get(f"{SITE}/")).text
    assert "makers&quot;:{&quot;webhook_endpoint&quot;:&quot;/webhooks/create/&quot;}" in page


async def test_one_is_deleted_with_its_deliveries(desk: httpx.AsyncClient) -> None:
    assert (await desk.delete(f"{ENDPOINTS}1/")).status_code == 204
    for table in ("webhook_endpoint", "webhook_delivery", "webhook_attempt"):
        assert not await fetch(f"SELECT FROM {table}")
    assert (await desk.delete(f"{ENDPOINTS}1/")).status_code == 404


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_one_that_is_not_there_is_not_found(desk: httpx.AsyncClient, method: str) -> None:
    assert (await desk.request(method, f"{ENDPOINTS}77/", json={"description": "a"})).status_code == 404


async def test_types_of_events_are_told_in_the_form(desk: httpx.AsyncClient) -> None:
    described = (await desk.get(f"{ENDPOINTS}schema/")).json()["properties"]["event_types"]
    assert "product.updated" in described["extra"]["help_text"]


async def test_the_filters_of_lists_find_deliveries(desk: httpx.AsyncClient) -> None:
    path = f"{TABLES}/webhook_delivery/"
    for query in ({"state": "pending"}, {"endpoint": "1"}, {"created_at__gte": "2026-01-01T00:00:00Z"}):
        assert [row["id"] for row in (await desk.get(path, params=query)).json()["rows"]] == [1]
    assert (await desk.get(path, params={"state": "failed"})).json()["rows"] == []


async def test_a_stranger_changes_nothing(visitor: httpx.AsyncClient) -> None:
    await execute(FILL)
    assert (await visitor.patch(f"{ENDPOINTS}1/", json=FORM)).status_code in {401, 403}
    assert await fetch_value("SELECT url FROM webhook_endpoint") == "https://old.example/"
