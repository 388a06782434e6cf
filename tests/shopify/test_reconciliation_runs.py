"""One comparison at a time, and a row that tells how it ended, whatever happens to it."""

import asyncio

import asyncpg
import msgspec
import pytest

from domains.shopify import levels, queries, reconciliation_report, versions
from domains.shopify.admin_api import ShopRefused
from domains.shopify.reconciliation import AnotherIsRunning
from domains.shopify.reconciliation_jobs import reconcile_shopify
from domains.shopify.reconciliation_report import Report
from domains.shopify.reconciling import reconcile
from piccolo_conf import execute, fetch, fetch_value
from tests.shopify.making import product_rows
from tests.shopify.reconciling import fields_of, last_row, place_of
from tests.shopify.shop import ShopItem, SimulatedShop
from tests.shopify.shop_server import ShopServer, Trouble


async def test_there_is_one_at_a_time(shop: SimulatedShop, lamp: ShopItem):
    ended = await asyncio.gather(*(reconcile(dry_run=False) for _turn in range(3)), return_exceptions=True)
    refused = [it for it in ended if isinstance(it, AnotherIsRunning)]
    assert (len(refused), [type(it) for it in ended].count(Report)) == (2, 1)
    assert (await reconcile(dry_run=True)).counts.differences == 0


async def test_one_whose_worker_died_was_interrupted(shop: SimulatedShop, lamp: ShopItem):
    await execute("INSERT INTO shopify_reconciliation (dry_run) VALUES (false)")
    await reconcile(dry_run=False)
    rows = await fetch("SELECT state, finished_at IS NOT NULL AS is_over FROM shopify_reconciliation ORDER BY id")
    assert [tuple(row) for row in rows] == [("completed", True), ("interrupted", True), ("completed", True)]


async def test_one_that_is_stopped_lets_the_next_one_begin(server: ShopServer, lamp: ShopItem):
    began = asyncio.Event()

    async def hang(number: int) -> None:
        began.set()
        await asyncio.Event().wait()

    server.on_request = hang
    task = asyncio.create_task(reconcile(dry_run=False))
    await began.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.on_request = None
    await reconcile(dry_run=False)
    states = await fetch("SELECT state FROM shopify_reconciliation ORDER BY id")
    assert [row["state"] for row in states] == ["completed", "interrupted", "completed"]


async def test_what_was_repaired_before_a_failure_stays(
    server: ShopServer, shop: SimulatedShop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queries, "VARIANTS_A_PAGE", 1)
    shop.add_lamp("L-1")
    shop.add_lamp("L-2")

    async def refuse_the_second(number: int) -> None:
        if number == 2:
            server.troubles = [Trouble(403)]

    server.on_request = refuse_the_second
    with pytest.raises(ShopRefused):
        await reconcile(dry_run=False)
    row = await last_row()
    assert (row["state"], row["detail"]) == ("failed", "Shopify refuses the app access to the shop (403).")
    assert (msgspec.json.decode(row["counts"])["variants"], len(await product_rows())) == (1, 1)


@pytest.mark.parametrize("error", [asyncpg.DeadlockDetectedError("two"), TimeoutError()])
async def test_who_is_in_the_way_stops_no_comparison(
    shop: SimulatedShop, lamp: ShopItem, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    async def collide(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(versions, "advance_all", collide)
    monkeypatch.setattr(levels, "set_level", collide)
    shop.stock(lamp, place_of(shop), 8)
    report = await reconcile(dry_run=False)
    assert (report.counts.differences, report.counts.refused) == (1, 1)
    assert (await last_row())["state"] == "completed"


async def test_an_error_of_ours_is_told_in_the_row(server: ShopServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("domains.shopify.reconciling.reconcile_levels", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await reconcile(dry_run=False)
    row = await last_row()
    assert (row["state"], row["detail"]) == ("failed", "Stockroom failed (ZeroDivisionError).")


async def test_the_first_differences_are_kept_and_all_are_counted(shop: SimulatedShop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reconciliation_report, "MOST_DIFFERENCES", 2)
    for number in range(3):
        shop.add_lamp(f"L-{number}")
    await reconcile(dry_run=True)
    row = await last_row()
    told = msgspec.json.decode(row["differences"])
    assert [it["sku"] for it in told] == ["L-0", "L-1"]
    assert set(told[0]) == {"what", "shopify_id", "sku", "field", "ours", "theirs"}
    assert msgspec.json.decode(row["counts"])["differences"] == 3


async def test_a_schedule_without_a_shop_says_so(database: None):
    assert "are not set" in (await reconcile_shopify() or "")
    assert await fetch_value("SELECT count(*) FROM shopify_reconciliation") == 0


async def test_a_schedule_tells_what_was_done(shop: SimulatedShop):
    shop.add_lamp("L-1")
    assert await reconcile_shopify() == "1 variant and 0 levels at 0 locations: 1 difference; 1 created."


async def test_a_dry_run_writes_nothing_but_its_row(shop: SimulatedShop):
    shop.stock(shop.add_lamp("L-1"), shop.add_location(), 5)
    report = await reconcile(dry_run=True)
    assert fields_of(report) == {"exists"}
    assert report.counts.unknown == 1
    for table in ("product", "shopify_version", "stock_movement", "event"):
        assert await fetch_value(f"SELECT count(*) FROM {table}") == 0
    assert await fetch_value("SELECT count(*) FROM location") == 1
    row = await last_row()
    assert (row["state"], row["dry_run"]) == ("completed", True)
    assert "nothing was changed" in row["detail"]
