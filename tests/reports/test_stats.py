"""The numbers of the dashboard, counted from what is there."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from domains.reports.services import get_stats
from lib import cache, clock
from tests.catalog.making import make_product
from tests.conftest import make_client
from tests.imports.uploads import import_csv, make_csv
from tests.orders.placing import place
from tests.reports.making import (
    STATS,
    day_of,
    days_ago,
    make_delivery,
    make_endpoint,
    make_import,
    make_sale,
    make_tally,
    stats,
)


async def with_key(owner: httpx.AsyncClient, *scopes: str) -> httpx.AsyncClient:
    made = await owner.post("/auth/api-keys/", json={"name": "Wall", "scopes": list(scopes)})
    return make_client(Authorization=f"Bearer {made.json()['secret']}")


class TestWhoMay:
    async def test_staff_and_administrators(self, staff: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
        assert (await staff.get(STATS)).json() == (await admin.get(STATS)).json()

    async def test_nobody_else(self, client: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
        assert [(await one.get(STATS)).status_code for one in (client, customer)] == [401, 403]

    async def test_a_key_that_may_only_read_the_dashboard_learns_no_costs(self, staff: httpx.AsyncClient) -> None:
        await make_product(staff, price="3.00", cost_price="2.00", stock=5)
        assert (await stats(staff))["inventory_cost"] == "10.00"
        async with await with_key(staff, "dashboard:read") as wall:
            found = await stats(wall)
        assert (found["inventory_value"], found["inventory_cost"]) == ("15.00", None)
        assert [value["cost"] for value in found["inventory_values"]] == [None]
        assert "10.00" not in str(found)

    async def test_a_key_without_the_scope_is_refused(self, staff: httpx.AsyncClient) -> None:
        async with await with_key(staff, "products:read", "products:internal") as machine:
            assert (await machine.get(STATS)).status_code == 403


async def test_an_empty_shop_has_zeros(staff: httpx.AsyncClient) -> None:
    found = await stats(staff)
    days = found.pop("days")
    assert {name: value for name, value in found.items() if value not in (0, "0.00")} == {
        "inventory_currency": "USD",
        "inventory_values": [],
        "revenue_today": {},
    }
    assert [day["day"] for day in days] == [str(days_ago(days)) for days in reversed(range(30))]
    assert {str(list(day.values())[1:]) for day in days} == {"[0, {}, 0, 0, 0, 0]"}


async def test_products_are_counted_also_those_that_are_not_offered(staff: httpx.AsyncClient) -> None:
    await make_product(staff, "A-1")
    await make_product(staff, "A-2", is_active=False)
    found = await stats(staff)
    assert (found["total_products"], found["active_products"]) == (2, 1)


async def test_low_stock_is_what_the_notifications_tell(admin: httpx.AsyncClient) -> None:
    for sku, quantity in (("A-1", 2), ("A-2", 1), ("A-3", 50)):
        await make_product(admin, sku, stock=quantity)
    assert (await stats(admin))["low_stock"] == 2
    [first, _second] = (await admin.get("/api/notifications/")).json()["results"]
    await admin.delete(f"/api/notifications/{first['id']}")
    await cache.forget("products")
    assert (await stats(admin))["low_stock"] == 1


async def test_where_nothing_is_priced_in_the_default_currency_another_counts(staff: httpx.AsyncClient) -> None:
    await make_product(staff, "A-1", price="5.00", stock=3, currency="EUR")
    await make_product(staff, "A-2", price="7.00", stock=2, currency="GBP")
    found = await stats(staff)
    assert (found["inventory_currency"], found["inventory_value"]) == ("EUR", "15.00")


async def test_stock_is_valued_in_each_currency(staff: httpx.AsyncClient) -> None:
    await make_product(staff, "A-1", price="19.99", cost_price="10.00", stock=3)
    await make_product(staff, "A-2", price="1.01", stock=10, is_active=False)
    await make_product(staff, "A-3", price="9999999999.99", cost_price="0.01", stock=2_000_000_000, currency="EUR")
    await make_product(staff, "A-4", price="5.00")
    found = await stats(staff)
    assert (found["inventory_value"], found["inventory_cost"]) == ("70.07", "30.00")
    assert found["inventory_values"] == [
        {"currency": "EUR", "units": 2_000_000_000, "value": "19999999999980000000.00", "cost": "20000000.00"},
        {"currency": "USD", "units": 13, "value": "70.07", "cost": "30.00"},
    ]


async def test_orders_count_on_their_day_unless_they_are_cancelled(staff: httpx.AsyncClient) -> None:
    for total, days, currency in (("10.00", 0, "USD"), ("2.50", 0, "USD"), ("7.00", 0, "EUR"), ("4.00", 29, "USD")):
        await make_sale(total, days=days, currency=currency)
    await make_sale("99.00", status="cancelled")
    await make_sale("99.00", days=30)
    found = await stats(staff)
    assert (found["orders_today"], found["revenue_today"]) == (3, {"EUR": "7.00", "USD": "12.50"})
    assert (day_of(found, 0)["orders"], day_of(found, 0)["revenue"]) == (3, {"EUR": "7.00", "USD": "12.50"})
    assert (day_of(found, 29)["orders"], day_of(found, 29)["revenue"]) == (1, {"USD": "4.00"})
    assert sum(day["orders"] for day in found["days"]) == 4


async def test_a_new_day_begins_with_nothing_though_yesterdays_numbers_are_kept(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = datetime(2030, 5, 1, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: midnight - timedelta(seconds=1))
    await make_sale("10.00")
    await make_tally(3, 1)
    assert (await get_stats(internal=True)).orders_today == 1
    monkeypatch.setattr(clock, "now", lambda: midnight)
    found = await get_stats(internal=True)
    assert (found.orders_today, found.revenue_today) == (0, {})
    assert [(str(day.day), day.orders, day.deliveries) for day in found.days[-2:]] == [
        ("2030-04-30", 1, 3),
        ("2030-05-01", 0, 0),
    ]


async def test_imports_of_seven_days_are_recent(staff: httpx.AsyncClient) -> None:
    await make_import(100, 3)
    await make_import(50, days=6)
    await make_import(20, days=8)
    await make_import(1000, dry_run=True)
    await make_import(status="failed")
    found = await stats(staff)
    assert found["recent_imports"] == 3
    assert [(day_of(found, days)["import_rows"], day_of(found, days)["import_errors"]) for days in (0, 6, 8)] == [
        (100, 3),
        (50, 0),
        (20, 0),
    ]


async def test_a_real_import_is_counted(staff: httpx.AsyncClient) -> None:
    await import_csv(staff, make_csv(["A", "Anvil", "2.00", 4], ["B", "Bellows", "free", 1]))
    found = await stats(staff)
    assert (found["total_products"], found["inventory_value"], found["recent_imports"]) == (1, "8.00", 1)
    assert (day_of(found, 0)["import_rows"], day_of(found, 0)["import_errors"]) == (2, 1)


async def test_a_real_order_is_counted(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, price="3.00", stock=10)
    await place(staff, (product["id"], 2))
    found = await stats(staff)
    assert (found["orders_today"], found["revenue_today"], found["inventory_value"]) == (1, {"USD": "6.00"}, "24.00")


async def test_deliveries_are_counted_from_the_tally_which_outlives_endpoints(staff: httpx.AsyncClient) -> None:
    await make_tally(5, 1)
    await make_tally(7, 2, endpoint=2)
    await make_tally(100, 40, days=200)
    found = await stats(staff)
    assert (found["total_events_sent"], found["failed_events"], found["configured_webhooks"]) == (112, 43, 0)
    assert (day_of(found, 0)["deliveries"], day_of(found, 0)["failed_deliveries"]) == (12, 3)


async def test_endpoints_and_what_they_have_not_heard_yet_are_counted(staff: httpx.AsyncClient) -> None:
    open_, closed = await make_endpoint(), await make_endpoint()
    for endpoint, state in ((open_, "pending"), (open_, "pending"), (closed, "paused"), (open_, "failed")):
        await make_delivery(endpoint, state)
    found = await stats(staff)
    assert (found["configured_webhooks"], found["deliveries_pending"], found["deliveries_paused"]) == (2, 2, 1)
