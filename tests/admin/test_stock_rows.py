"""Locations and notifications as rows of the site's tables: by the rules of their services."""

import httpx
import pytest

from piccolo_conf import execute, fetch, fetch_row, fetch_value
from tests.admin.visiting import SITE, TABLES

LOCATIONS, NOTIFICATIONS = f"{TABLES}/location/", f"{TABLES}/low_stock_notification/"


async def test_a_location_is_made_changed_and_deleted(site: httpx.AsyncClient) -> None:
    made = await site.post(LOCATIONS, json={"code": " north ", "name": "North", "is_active": "true"})
    assert made.status_code == 201, made.text
    path = f"{LOCATIONS}{made.json()[0]['id']}/"
    assert (await site.patch(path, json={"name": "Far north", "is_default": "false"})).status_code == 200
    row = await fetch_row("SELECT code, name, is_default FROM location WHERE NOT is_default")
    assert row is not None
    assert tuple(row) == ("north", "Far north", False)
    assert (await site.delete(path)).status_code == 204


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"code": "MAIN", "name": "Another"}, 409, "Another location already uses this code."),
        ({"code": " ", "name": "x"}, 422, "code"),
        ({"code": "x", "name": ""}, 422, "name"),
        ({"code": "x", "name": "x", "id": 7}, 422, "is not changed here"),
        ({"code": "x", "name": "x", "is_default": "true", "is_active": "false"}, 422, "must be true"),
    ],
)
async def test_a_location_that_cannot_be_is_refused(
    site: httpx.AsyncClient, fields: dict[str, str], status: int, told: str
) -> None:
    response = await site.post(LOCATIONS, json=fields)
    assert (response.status_code, told in response.text) == (status, True), response.text
    assert await fetch_value("SELECT count(*) FROM location") == 1


async def test_the_default_location_stays_until_another_one_is_it(site: httpx.AsyncClient) -> None:
    default = await fetch_value("SELECT id FROM location WHERE is_default")
    for answer in (
        await site.delete(f"{LOCATIONS}{default}/"),
        await site.patch(f"{LOCATIONS}{default}/", json={"is_active": "false"}),
        await site.patch(f"{LOCATIONS}{default}/", json={"is_default": "false"}),
    ):
        assert answer.status_code == 409
        assert "This is the default location" in answer.text
    assert await fetch_value("SELECT is_active AND is_default FROM location")


async def test_the_flag_of_the_default_moves(site: httpx.AsyncClient) -> None:
    main = await fetch_value("SELECT id FROM location")
    made = await site.post(LOCATIONS, json={"code": "north", "name": "North", "is_default": "true"})
    try:
        assert made.status_code == 201, made.text
        assert [row["code"] for row in await fetch("SELECT code FROM location WHERE is_default")] == ["north"]
    finally:
        assert (await site.patch(f"{LOCATIONS}{main}/", json={"is_default": "true"})).status_code == 200


async def test_a_location_with_a_history_is_not_deleted(site: httpx.AsyncClient) -> None:
    made = await site.post(LOCATIONS, json={"code": "north", "name": "North"})
    location = made.json()[0]["id"]
    await execute(
        "INSERT INTO stock_movement (product_id, sku, location, delta, on_hand_after, reason) "
        f"VALUES (1, 'P-1', {location}, 1, 1, 'count')"
    )
    response = await site.delete(f"{LOCATIONS}{location}/")
    assert response.status_code == 409
    assert "deactivate it instead" in response.text


@pytest.fixture
async def low(site: httpx.AsyncClient) -> httpx.AsyncClient:
    await execute(
        "INSERT INTO product (sku, name) SELECT 'P-' || n, 'Lamp' FROM generate_series(1, 3) AS n;"
        "INSERT INTO low_stock_notification "
        "(product, sku, message, stock, threshold, resolved_at, dismissed_at) VALUES "
        "(1, 'P-1', 'open', 1, 5, NULL, NULL), (2, 'P-2', 'resolved', 1, 5, now(), NULL),"
        "(3, 'P-3', 'dismissed', 1, 5, NULL, now())"
    )
    return site


async def test_what_was_dismissed_is_not_listed(low: httpx.AsyncClient) -> None:
    found = (await low.get(NOTIFICATIONS)).json()["rows"]
    assert sorted(row["sku"] for row in found) == ["P-1", "P-2"]
    assert (await low.get(f"{NOTIFICATIONS}count/")).json()["count"] == 2
    assert (await low.get(f"{NOTIFICATIONS}?sku=P-3")).json()["rows"] == []


async def test_an_open_notification_is_dismissed_and_a_resolved_one_deleted(low: httpx.AsyncClient) -> None:
    for notification in (1, 2):
        assert (await low.delete(f"{NOTIFICATIONS}{notification}/")).status_code == 204
    rows = await fetch("SELECT sku, dismissed_at IS NOT NULL AS dismissed FROM low_stock_notification ORDER BY id")
    assert [tuple(row) for row in rows] == [("P-1", True), ("P-3", True)]
    assert (await low.delete(f"{NOTIFICATIONS}3/")).status_code == 404


async def test_a_notification_is_neither_made_nor_changed(low: httpx.AsyncClient) -> None:
    row = (await low.get(f"{NOTIFICATIONS}1/")).json()
    assert (await low.post(NOTIFICATIONS, json=row)).status_code == 405
    for method in ("PUT", "PATCH"):
        assert (await low.request(method, f"{NOTIFICATIONS}1/", json={"message": "x"})).status_code == 405
    assert (await low.delete(NOTIFICATIONS)).status_code == 405
    assert (await low.get(f"{NOTIFICATIONS}1/")).json() == row


async def test_the_page_knows_that_notifications_are_only_deleted(site: httpx.AsyncClient) -> None:
    page = (await site.get(f"{SITE}/")).text
    assert "&quot;deletable&quot;:[&quot;low_stock_notification&quot;]" in page
