"""Webhooks may be lost: afterwards everything here is as in the shop, and nothing else is touched."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from domains.shopify import queries, reconciliation, reconciling_products
from domains.shopify.reconciliation import NothingListed
from domains.shopify.reconciling import reconcile
from piccolo_conf import fetch_row, fetch_value
from settings import settings
from tests.shopify.making import SHOP, load, product_rows, tell
from tests.shopify.reconciling import compare, last_row, levels, place_of
from tests.shopify.shop import ShopItem, SimulatedShop
from tests.shopify.shop_server import ShopServer


async def test_an_empty_app_gets_what_the_shop_has(shop: SimulatedShop):
    warehouse, store = shop.add_location("Warehouse"), shop.add_location("Store")
    shirt = shop.add_product("Shirt", vendor="Acme", product_type="Shirts", image="https://cdn.example/shirt.jpg")
    small = shop.add_variant(shirt, "S-1", title="Small", options={"Size": "Small"}, cost="4.20")
    shop.stock(small, warehouse, 7)
    shop.stock(small, store, 2)
    report = await reconcile(dry_run=False)
    (row,) = await product_rows()
    assert (row["sku"], row["name"], row["brand"], row["price"]) == ("S-1", "Shirt - Small", "Acme", Decimal("10.00"))
    assert (row["inventory_quantity"], row["cost_price"]) == (9, Decimal("4.20"))
    assert (row["shopify_variant_id"], row["shopify_inventory_item_id"]) == (small.id, small.item_id)
    assert await levels() == [("S-1", warehouse, 7), ("S-1", store, 2)]
    assert (report.counts.created, report.counts.variants, report.counts.levels) == (1, 1, 2)
    assert await fetch_value("SELECT name FROM location WHERE shopify_location_id = $1", store) == "Store"


async def test_what_is_equal_is_left_alone(shop: SimulatedShop, lamp: ShopItem):
    before, events = await product_rows(), await fetch_value("SELECT count(*) FROM event")
    report = await reconcile(dry_run=False)
    assert report.counts.differences == 0
    assert await product_rows() == before
    assert await fetch_value("SELECT count(*) FROM event") == events
    assert report.tell() == "1 variant and 1 level at 1 location: everything is as in the shop."


async def test_what_webhooks_told_differs_in_nothing(client: httpx.AsyncClient, shop: SimulatedShop):
    shirt = shop.add_product("Shirt <b>", description="<p>Soft</p>", image="https://cdn.example/a.jpg", status="DRAFT")
    shop.add_variant(shirt, "S-1", title="Small / Red", options={"Size": "Small", "Colour": "Red"}, barcode="4006381")
    shop.add_variant(shirt, None, title="Large / Red", options={"Size": "Large", "Colour": "Red"}, price="12.5")
    shop.add_variant(shop.add_product("Cup"), "C-1", image="https://cdn.example/c.jpg", compare_at_price="11.00")
    for product in shop.products.values():
        row = await tell(client, "products/update", shop.product_payload(product))
        assert row["state"] == "processed", row["detail"]
    assert await compare() == []


async def test_skus_that_products_have_swapped_are_swapped_here(shop: SimulatedShop):
    items = [shop.add_variant(shop.add_product(name), name) for name in ("A", "B", "C")]
    await reconcile(dry_run=False)
    for item, sku in zip(items, ("B", "C", "A"), strict=True):
        item.sku = sku
        shop.touch(item.product_id)
    counts = (await reconcile(dry_run=False)).counts
    assert (counts.differences, counts.updated, counts.parked) == (3, 3, 0)
    assert await compare() == []


async def test_a_sku_that_a_product_is_to_have_no_more_is_not_given_to_it(shop: SimulatedShop):
    first, second = [shop.add_variant(shop.add_product(name), name) for name in ("A", "B")]
    await reconcile(dry_run=False)
    first.sku = "B"
    shop.touch(first.product_id)
    assert (await reconcile(dry_run=False)).counts.parked == 1
    first.sku, second.sku = "A", "C"
    shop.touch(first.product_id)
    shop.touch(second.product_id)
    await reconcile(dry_run=False)
    assert await compare() == []


@pytest.mark.parametrize(
    ("change", "column", "value"),
    [
        ({"price": "99.00"}, "price", Decimal("99.00")),
        ({"sku": "L-2"}, "sku", "L-2"),
        ({"barcode": "4006381333931"}, "gtin", "4006381333931"),
        ({"cost": "7.25"}, "cost_price", Decimal("7.25")),
        ({"cost": None, "updated_at": datetime.now(UTC) + timedelta(hours=1)}, "cost_price", None),
    ],
)
async def test_a_lost_change_is_made_good(
    shop: SimulatedShop, lamp: ShopItem, change: dict[str, Any], column: str, value: object
):
    for name, theirs in change.items():
        setattr(lamp, name, theirs)
    shop.touch(lamp.product_id)
    assert [field for _sku, field in await compare()] == [column]
    report = await reconcile(dry_run=False)
    assert (report.counts.updated, (await product_rows())[0][column]) == (1, value)
    assert await compare() == []


async def test_what_is_repaired_says_who_did_it(shop: SimulatedShop, lamp: ShopItem):
    shop.products[lamp.product_id].title = "Lantern"
    shop.stock(lamp, place_of(shop), 8)
    report = await reconcile(dry_run=False)
    reference = f"shopify-reconciliation:{report.id}"
    event = await fetch_row(
        "SELECT source, reference FROM event WHERE topic = 'product.updated' ORDER BY id DESC LIMIT 1"
    )
    assert tuple(event or ()) == ("shopify", reference)
    moved = await fetch_row("SELECT delta, reason, reference FROM stock_movement ORDER BY id DESC LIMIT 1")
    assert tuple(moved or ()) == (3, "shopify", reference)


async def test_a_product_that_is_newer_here_is_kept(
    client: httpx.AsyncClient, server: ShopServer, shop: SimulatedShop, lamp: ShopItem
):
    payload = shop.product_payload(shop.products[lamp.product_id]) | {"title": "Newest"}

    async def come_between(number: int) -> None:
        if number == len(before) + 1:
            await tell(client, "products/update", payload | {"updated_at": datetime.now(UTC).isoformat()})

    before = list(server.requests)
    server.on_request = come_between
    assert (await reconcile(dry_run=False)).counts.kept == 1
    assert (await product_rows())[0]["name"] == "Newest"


async def test_what_comes_late_after_a_repair_is_stale(client: httpx.AsyncClient, shop: SimulatedShop, lamp: ShopItem):
    old = shop.product_payload(shop.products[lamp.product_id])
    shop.products[lamp.product_id].title = "Lantern"
    shop.touch(lamp.product_id)
    await reconcile(dry_run=False)
    late = await tell(client, "products/update", old, triggered_at=datetime.now(UTC) - timedelta(hours=1))
    assert (late["state"], late["reason"]) == ("ignored", "stale")
    assert (await product_rows())[0]["name"] == "Lantern"


async def test_what_comes_late_where_nothing_differed_is_stale_too(
    client: httpx.AsyncClient, shop: SimulatedShop, lamp: ShopItem
):
    """The webhooks of two changes were lost that cancel each other out, and the first one comes after all."""
    between = shop.product_payload(shop.products[lamp.product_id]) | {"title": "Between"}
    between |= {"updated_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat()}
    shop.touch(lamp.product_id)
    assert (await reconcile(dry_run=False)).counts.differences == 0
    late = await tell(client, "products/update", between)
    assert (late["state"], late["reason"]) == ("ignored", "stale")


async def test_what_the_shop_no_longer_lists_is_taken_out_of_sale(shop: SimulatedShop, lamp: ShopItem):
    shop.add_lamp("L-2")
    shop.remove(lamp)
    assert await compare() == [("L-2", "exists"), ("L-1", "exists")]
    report = await reconcile(dry_run=False)
    old, new = await product_rows()
    assert (old["sku"], old["is_active"], old["shopify_variant_id"]) == ("L-1", False, None)
    assert (new["sku"], new["is_active"], report.counts.removed) == ("L-2", True, 1)


async def test_products_of_another_shop_are_none_of_its_business(
    client: httpx.AsyncClient, shop: SimulatedShop, lamp: ShopItem, monkeypatch: pytest.MonkeyPatch
):
    await tell(client, "products/create", load("product"), shop_domain="north-star.myshopify.com")
    for module in (reconciliation, reconciling_products):
        monkeypatch.setattr(module, "settings", msgspec.structs.replace(settings, shopify_shop=SHOP))
    assert await compare() == []
    shop.remove(lamp)
    shop.add_lamp("L-2")
    assert (await reconcile(dry_run=False)).counts.removed == 1


async def test_one_variant_goes_while_another_of_its_product_changes(shop: SimulatedShop):
    shirt = shop.add_product("Shirt")
    small, large = shop.add_variant(shirt, "S-1", title="Small"), shop.add_variant(shirt, "S-2", title="Large")
    await reconcile(dry_run=False)
    shop.remove(small)
    large.price = "12.00"
    report = await reconcile(dry_run=False)
    rows = {row["sku"]: row for row in await product_rows()}
    assert (rows["S-1"]["is_active"], rows["S-2"]["is_active"]) == (False, True)
    assert (report.counts.removed, report.counts.updated, report.counts.kept) == (1, 1, 0)
    assert await compare() == []


async def test_what_appears_while_we_compare_is_not_removed(
    client: httpx.AsyncClient, server: ShopServer, shop: SimulatedShop, lamp: ShopItem
):
    """A new product is told of by a webhook, and has no place on a page that was asked for before."""
    other = SimulatedShop()
    cup = other.add_product("Cup", updated_at=datetime.now(UTC))
    other.add_variant(cup, "C-1")
    payload = other.product_payload(cup) | {"id": cup.id + 1000}
    payload["variants"][0] |= {"id": lamp.id - 1000, "inventory_item_id": lamp.item_id - 1000}
    asked = len(server.requests)

    async def come_between(number: int) -> None:
        if number == asked + 1:
            await tell(client, "products/create", payload)

    server.on_request = come_between
    report = await reconcile(dry_run=False)
    assert (report.counts.removed, report.counts.kept) == (0, 1)
    assert [row["is_active"] for row in await product_rows()] == [True, True]


async def test_variants_of_one_product_on_two_pages_are_all_its_variants(
    shop: SimulatedShop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queries, "VARIANTS_A_PAGE", 2)
    shirt = shop.add_product("Shirt")
    for size in "SML":
        shop.add_variant(shirt, f"SHIRT-{size}", title=size)
    for _turn in range(2):
        await reconcile(dry_run=False)
        assert [row["is_active"] for row in await product_rows()] == [True] * 3
    assert await compare() == []


async def test_a_shop_that_lists_nothing_removes_nothing(shop: SimulatedShop, lamp: ShopItem):
    shop.remove(lamp)
    with pytest.raises(NothingListed, match="nothing was removed"):
        await reconcile(dry_run=False)
    assert (await product_rows())[0]["is_active"]
    row = await last_row()
    assert (row["state"], row["detail"].startswith("The shop lists no products")) == ("failed", True)


async def test_an_empty_shop_and_an_empty_app_are_equal(server: ShopServer):
    report = await reconcile(dry_run=False)
    assert report.counts.differences == 0
    assert (await last_row())["state"] == "completed"


async def test_a_sku_that_is_taken_parks_its_variant_and_no_other(shop: SimulatedShop):
    first, second = shop.add_lamp("L-1"), shop.add_lamp("L-1", price="20.00")
    shop.add_lamp("L-2")
    report = await reconcile(dry_run=False)
    assert {row["shopify_variant_id"] for row in await product_rows()} >= {first.id}
    assert (report.counts.created, report.counts.parked) == (2, 1)
    second.sku = "L-3"
    await reconcile(dry_run=False)
    assert [row["sku"] for row in await product_rows()] == ["L-1", "L-2", "L-3"]


@pytest.mark.parametrize("cost", ["99999999999999.00", "1e40", "NaN", "-1"])
async def test_a_variant_that_cannot_be_stored_stops_no_other(shop: SimulatedShop, cost: str):
    shop.add_lamp("L-1", price="1e400")
    shop.add_lamp("L-2", cost=cost)
    shop.add_lamp("L-3")
    report = await reconcile(dry_run=False)
    assert [row["sku"] for row in await product_rows()] == ["L-2", "L-3"]
    assert (report.counts.created, report.counts.refused) == (2, 2)
    assert (await last_row())["state"] == "completed"


async def test_what_the_shop_has_no_cost_of_keeps_ours(shop: SimulatedShop, admin: httpx.AsyncClient):
    mug = {"sku": "M-1", "name": "Mug", "price": "9.00", "cost_price": "4.00"}
    assert (await admin.post("/api/products/", json=mug)).status_code == 201
    shop.add_lamp("M-1")
    for _turn in range(2):
        await reconcile(dry_run=False)
        assert (await product_rows())[0]["cost_price"] == Decimal("4.00")
    assert await compare() == []


async def test_what_postgresql_cannot_store_is_left_out(shop: SimulatedShop):
    shop.add_variant(shop.add_product("La\0mp", vendor="\0"), "L\0-1", options={"Si\0ze": "\0S"})
    shop.add_location("Ware\0house")
    await reconcile(dry_run=False)
    (row,) = await product_rows()
    assert (row["sku"], row["name"], row["brand"]) == ("L-1", "Lamp", None)
    assert await compare() == []
