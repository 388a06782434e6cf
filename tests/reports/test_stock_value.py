"""What the stock was worth at the end of each day, told from the ledger."""

from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from domains.reports.periods import last_days
from domains.reports.stock_value import value_by_day
from lib import clock
from piccolo_conf import execute
from tests.catalog.making import make_product

DAY = timedelta(days=1)


async def move_to_the_past(sku: str, days: int) -> None:
    """All that was moved of this product, so many days back."""
    await execute("ALTER TABLE stock_movement DISABLE TRIGGER stock_movement_append_only")
    sql = "UPDATE stock_movement SET occurred_at = occurred_at - $2 * interval '1 day' WHERE sku = $1"
    await execute(sql, sku, days)
    await execute("ALTER TABLE stock_movement ENABLE TRIGGER stock_movement_append_only")


async def values(currency: str = "USD") -> dict[int, Decimal]:
    """By how many days they are past; days on which nothing changed against the day before are left out."""
    found = (await value_by_day(currency, last_days()))[::-1]
    return {days: value for days, value in enumerate(found) if days == 29 or value != found[days + 1]}


async def test_movements_of_a_day_change_its_end(staff: httpx.AsyncClient) -> None:
    await make_product(staff, "A-1", price="2.00", stock=10)
    await move_to_the_past("A-1", 3)
    await make_product(staff, "A-2", price="5.00", stock=4)
    assert await values() == {0: Decimal(40), 3: Decimal(20), 29: Decimal(0)}


async def test_what_was_there_before_these_days_is_their_beginning(staff: httpx.AsyncClient) -> None:
    await make_product(staff, "A-1", price="2.00", stock=10)
    await move_to_the_past("A-1", 30)
    assert await values() == {29: Decimal(20)}


async def test_each_currency_is_told_by_itself_and_at_the_prices_of_today(staff: httpx.AsyncClient) -> None:
    await make_product(staff, "A-1", price="2.00", stock=10)
    await make_product(staff, "A-2", price="9.00", stock=1, currency="EUR")
    await staff.patch("/api/products/sku:A-1/", json={"price": "3.00", "stock": 20})
    assert (await values())[0] == Decimal(60)
    assert await values("EUR") == {0: Decimal(9), 29: Decimal(0)}


async def test_a_deleted_product_was_never_there(admin: httpx.AsyncClient) -> None:
    await make_product(admin, "A-1", price="2.00", stock=10)
    await move_to_the_past("A-1", 3)
    await admin.delete("/api/products/sku:A-1/")
    assert await values() == {29: Decimal(0)}


async def test_a_day_that_ends_keeps_its_value(staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await make_product(staff, "A-1", price="2.00", stock=10)
    assert await values() == {0: Decimal(20), 29: Decimal(0)}
    tomorrow = clock.now() + DAY
    monkeypatch.setattr(clock, "now", lambda: tomorrow)
    assert await values() == {1: Decimal(20), 29: Decimal(0)}
