"""Notifications are raised and resolved in the transaction of whatever makes a product low, or low no more."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from domains.catalog import low_stock
from domains.catalog.jobs import run_bulk_change
from domains.catalog.low_stock import forget_old_notifications, review_all
from domains.catalog.proof import find_differences
from domains.catalog.stock import Move, OutOfStock, lock_products, move_stock
from domains.catalog.tables import Reason
from piccolo_conf import execute, fetch, fetch_value, transaction
from settings import settings
from tests.catalog.making import make_product
from tests.imports.uploads import import_csv, make_csv

pytestmark = pytest.mark.usefixtures("database")

OPEN = "SELECT count(*) FROM low_stock_notification WHERE resolved_at IS NULL"
# In stock with 3, below the 5 of the settings, by plain SQL: nobody has looked at them.
UNNOTICED = """
    WITH made AS (
        INSERT INTO product (sku, name, inventory_quantity)
        SELECT 'P' || n, 'Thing ' || n, 3 FROM generate_series(1, $1) AS n RETURNING id, sku
    ), level AS (
        INSERT INTO stock_level (product, location, on_hand)
        SELECT made.id, l.id, 3 FROM made, location l WHERE l.is_default
    )
    INSERT INTO stock_movement (product_id, sku, location, delta, on_hand_after, reason)
    SELECT made.id, sku, l.id, 3, 3, 'count' FROM made, location l WHERE l.is_default
"""


async def count_open() -> int:
    return int(await fetch_value(OPEN))


async def move(product: dict[str, Any], delta: int) -> None:
    await move_stock([Move(product["id"], delta)], reason=Reason.SALE if delta < 0 else Reason.PURCHASE)


async def test_a_sale_below_the_threshold_raises_one_notification(staff: httpx.AsyncClient):
    mug = await make_product(staff, "MUG", inventory_quantity=5)
    assert await count_open() == 0
    await move(mug, -1)
    row = (await fetch("SELECT product, sku, message, stock, threshold FROM low_stock_notification"))[0]
    message = "Stock for product Product MUG is below 5. Current stock: 4."
    assert tuple(row) == (mug["id"], "MUG", message, 4, 5)


async def test_while_it_is_open_there_is_no_other_and_after_a_restock_there_is(staff: httpx.AsyncClient):
    mug = await make_product(staff, "MUG", inventory_quantity=5)
    for delta in (-1, -1, -3):
        await move(mug, delta)
    assert await fetch_value("SELECT count(*) FROM low_stock_notification") == 1
    await move(mug, 5)
    assert await count_open() == 0
    await move(mug, -1)
    assert await count_open() == 1
    assert await fetch_value("SELECT count(*) FROM low_stock_notification") == 2
    assert await find_differences() == []


async def test_a_product_may_have_a_threshold_of_its_own_and_zero_never_notifies(staff: httpx.AsyncClient):
    bulky = await make_product(staff, "BULKY", inventory_quantity=20, low_stock_threshold=20)
    never = await make_product(staff, "NEVER", inventory_quantity=1, low_stock_threshold=0)
    await move(bulky, -1)
    await move(never, -1)
    rows = await fetch("SELECT sku, threshold FROM low_stock_notification")
    assert [tuple(row) for row in rows] == [("BULKY", 20)]


async def test_what_was_never_in_stock_and_what_is_not_offered_are_not_low(staff: httpx.AsyncClient):
    await make_product(staff, "NEW")
    await make_product(staff, "GONE", inventory_quantity=1, is_active=False)
    assert await review_all() == 0
    assert await count_open() == 0


async def test_a_product_that_is_made_with_little_stock_is_low_at_once(staff: httpx.AsyncClient):
    await make_product(staff, "FEW", inventory_quantity=2)
    assert await count_open() == 1


@pytest.mark.parametrize(
    ("down", "up"),
    [
        ({"low_stock_threshold": 11}, {"low_stock_threshold": 10}),
        ({"low_stock_threshold": 11}, {"low_stock_threshold": None}),
        ({"inventory_quantity": 4}, {"inventory_quantity": 5}),
        ({"low_stock_threshold": 11}, {"is_active": False}),
    ],
)
async def test_changing_a_product_raises_and_resolves(
    staff: httpx.AsyncClient, down: dict[str, Any], up: dict[str, Any]
):
    mug = await make_product(staff, "MUG", inventory_quantity=10)
    for patch, expected in ((down, 1), (up, 0)):
        answer = await staff.patch(f"/api/products/{mug['id']}", json=patch)
        assert answer.status_code == 200, answer.text
        assert await count_open() == expected
    assert await find_differences() == []


async def test_replacing_a_product_reviews_it_too(staff: httpx.AsyncClient):
    mug = await make_product(staff, "MUG", inventory_quantity=10)
    body = {"sku": "MUG", "name": "Mug", "low_stock_threshold": 99}
    assert (await staff.put(f"/api/products/{mug['id']}", json=body)).status_code == 200
    assert await count_open() == 1


async def test_a_product_that_is_offered_again_is_low_again(staff: httpx.AsyncClient):
    mug = await make_product(staff, "MUG", inventory_quantity=2, is_active=False)
    await staff.patch(f"/api/products/{mug['id']}", json={"is_active": True})
    assert await count_open() == 1


async def test_creating_and_updating_in_bulk_reviews_what_was_written(staff: httpx.AsyncClient):
    items = [{"sku": f"P{number}", "name": "Thing", "inventory_quantity": number} for number in range(10)]
    await staff.post("/api/products/bulk", json=items)
    assert {row["sku"] for row in await fetch("SELECT sku FROM low_stock_notification")} == {"P1", "P2", "P3", "P4"}
    await staff.post("/api/products/bulk", json=[{"sku": "P1", "inventory_quantity": 9}, {"sku": "P9", "name": "New"}])
    assert await count_open() == 3
    assert await find_differences() == []


async def test_one_change_for_many_products_reviews_them(staff: httpx.AsyncClient):
    for sku, quantity in (("A", 10), ("B", 20), ("C", 2)):
        await make_product(staff, sku, inventory_quantity=quantity)
    await staff.post("/api/products/bulk-update", json={"all": True, "set": {"low_stock_threshold": 15}})
    assert await count_open() == 2
    await staff.post("/api/products/bulk-update", json={"all": True, "set": {"is_active": False}})
    assert await count_open() == 0


async def test_a_large_change_in_the_background_reviews_each_piece(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("domains.catalog.changes.PIECE", 2)
    monkeypatch.setattr("domains.catalog.bulk_jobs.PIECE", 2)
    await execute(UNNOTICED, 5)
    answer = await staff.post("/api/products/bulk-update", json={"all": True, "set": {"low_stock_threshold": 4}})
    assert answer.status_code == 202
    await run_bulk_change(job_id=answer.json()["job_id"])
    assert await count_open() == 5


async def test_an_import_raises_and_resolves_once_at_its_end(staff: httpx.AsyncClient):
    await import_csv(staff, make_csv(["A", "Thing", 1, 2], ["B", "Thing", 1, 9]))
    assert [row["sku"] for row in await fetch("SELECT sku FROM low_stock_notification")] == ["A"]
    await import_csv(staff, make_csv(["A", "Thing", 1, 9], ["B", "Thing", 1, 2]))
    rows = await fetch("SELECT sku FROM low_stock_notification WHERE resolved_at IS NULL")
    assert [row["sku"] for row in rows] == ["B"]


async def test_a_dry_run_raises_nothing(staff: httpx.AsyncClient):
    await import_csv(staff, make_csv(["A", "Thing", 1, 2]), dry_run="true")
    await execute(UNNOTICED, 1)
    await import_csv(staff, make_csv(["A", "Thing", 1, 2]), dry_run="true")
    assert await count_open() == 0


async def test_what_is_low_is_told_as_an_event_of_whoever_caused_it(staff: httpx.AsyncClient):
    mug = await make_product(staff, "MUG", inventory_quantity=2)
    event = (await fetch("SELECT * FROM event WHERE topic = 'inventory.low'"))[0]
    assert (event["subject"], event["product_id"], event["actor"]) == (f"product:{mug['id']}", mug["id"], "stan")
    data = msgspec.json.decode(event["data"])
    assert (data["product"], data["sku"], data["stock"], data["threshold"]) == (mug["id"], "MUG", 2, 5)


async def test_a_refused_move_raises_nothing(staff: httpx.AsyncClient):
    first = await make_product(staff, "A", inventory_quantity=5)
    second = await make_product(staff, "B", inventory_quantity=5)
    with pytest.raises(OutOfStock):
        await move_stock([Move(first["id"], -1), Move(second["id"], -6)], reason=Reason.SALE)
    assert await count_open() == 0


async def test_a_percent_sign_in_a_name_is_a_letter(staff: httpx.AsyncClient):
    await make_product(staff, "A", name="100% wool %s", inventory_quantity=1)
    message = await fetch_value("SELECT message FROM low_stock_notification")
    assert message == "Stock for product 100% wool %s is below 5. Current stock: 1."


async def test_the_check_finds_what_plain_sql_hid_in_pieces(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(low_stock, "PIECE", 3)
    await execute(UNNOTICED, 8)
    assert (await review_all(), await count_open()) == (8, 8)
    await execute("UPDATE product SET inventory_quantity = 9 WHERE sku <> 'P1'")
    assert (await review_all(), await count_open()) == (0, 1)


async def test_the_check_follows_a_new_setting(staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    await make_product(staff, "MUG", inventory_quantity=7)
    for threshold, expected in ((8, 1), (7, 0)):
        monkeypatch.setattr(low_stock, "settings", msgspec.structs.replace(settings, low_stock_threshold=threshold))
        await review_all()
        assert await count_open() == expected


async def test_the_check_looks_again_behind_the_lock_of_a_product():
    """Or it would raise for a product that was restocked since it looked."""
    await execute(UNNOTICED, 1)
    locked = asyncio.Event()

    async def check() -> int:
        await locked.wait()
        return await review_all()

    checking = asyncio.create_task(check())
    async with transaction():
        (product_id,) = await lock_products([await fetch_value("SELECT id FROM product")])
        locked.set()
        await asyncio.sleep(0.2)
        assert not checking.done()
        await move_stock([Move(product_id, 10)], reason=Reason.PURCHASE)
    assert (await checking, await count_open()) == (0, 0)


async def test_sales_restocks_checks_and_deletions_side_by_side_do_not_deadlock(staff: httpx.AsyncClient):
    products = [await make_product(staff, f"P{number}", inventory_quantity=6) for number in range(6)]

    async def trade(step: int) -> None:
        order = [product["id"] for product in (products if step % 2 else reversed(products))]
        sign = -1 if step % 3 else 1
        await move_stock([Move(product_id, sign) for product_id in order[:5]], reason=Reason.ADJUSTMENT)

    results = await asyncio.gather(
        *(trade(step) for step in range(24)), *(review_all() for _ in range(8)), return_exceptions=True
    )
    assert [it for it in results if isinstance(it, Exception) and not isinstance(it, OutOfStock)] == []
    wrong = await fetch(low_stock.WRONG, settings.low_stock_threshold)
    assert (list(wrong), await find_differences()) == ([], [])


async def test_times_of_a_notification_follow_each_other_whoever_began_first(staff: httpx.AsyncClient):
    """A transaction that waited for the lock began before the one that raised what it resolves."""
    mug = await make_product(staff, "MUG", inventory_quantity=5)
    has_begun, is_low = asyncio.Event(), asyncio.Event()

    async def restock() -> None:
        async with transaction():
            await fetch("SELECT 1")
            has_begun.set()
            await is_low.wait()
            await move_stock([Move(mug["id"], 5)], reason=Reason.PURCHASE)

    waiting = asyncio.create_task(restock())
    await has_begun.wait()
    await move(mug, -1)
    is_low.set()
    await waiting
    assert await fetch_value("SELECT resolved_at > created_at FROM low_stock_notification")


async def test_notifications_resolved_for_90_days_are_forgotten(staff: httpx.AsyncClient):
    for sku in ("OLD", "NEW", "OPEN"):
        await make_product(staff, sku, inventory_quantity=1)
    await execute("UPDATE low_stock_notification SET created_at = now() - interval '99 days'")
    ended = "UPDATE low_stock_notification SET resolved_at = now() - $1::text::interval WHERE sku = $2"
    await execute(ended, "91 days", "OLD")
    await execute(ended, "89 days", "NEW")
    await forget_old_notifications()
    assert [row["sku"] for row in await fetch("SELECT sku FROM low_stock_notification ORDER BY id")] == ["NEW", "OPEN"]
