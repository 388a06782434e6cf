"""Stock of the shop and stock here: whatever was lost, what the shop counts lies here afterwards."""

import random
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from domains.catalog.proof import find_differences
from domains.shopify.reconciliation import NothingListed
from domains.shopify.reconciling import reconcile
from piccolo_conf import execute
from tests.shopify.making import product_rows, row_of, settle, tell
from tests.shopify.reconciling import compare, levels, place_of
from tests.shopify.shop import ShopItem, SimulatedShop
from tests.shopify.shop_server import ShopServer


async def test_a_lost_level_is_set(shop: SimulatedShop, lamp: ShopItem):
    shop.stock(lamp, place_of(shop), 12, datetime.now(UTC))
    store = shop.add_location("Store")
    shop.stock(lamp, store, 1)
    assert await compare() == [("L-1", f"available@{place_of(shop)}"), ("L-1", f"available@{store}")]
    await reconcile(dry_run=False)
    assert await levels() == [("L-1", place_of(shop), 12), ("L-1", store, 1)]
    assert await find_differences() == []


async def test_less_than_nothing_is_nothing(shop: SimulatedShop, lamp: ShopItem):
    shop.stock(lamp, place_of(shop), -4)
    await reconcile(dry_run=False)
    assert await levels() == [("L-1", place_of(shop), 0)]
    assert await compare() == []


async def test_what_the_shop_does_not_count_is_not_compared(shop: SimulatedShop, lamp: ShopItem):
    lamp.is_tracked = False
    shop.stock(lamp, place_of(shop), 77)
    assert (await reconcile(dry_run=False)).counts.differences == 0
    assert await levels() == [("L-1", place_of(shop), 5)]


async def test_what_is_newer_here_is_kept(
    client: httpx.AsyncClient, server: ShopServer, shop: SimulatedShop, lamp: ShopItem
):
    """The answer was on its way when the webhook came: 20 is what the shop has now."""
    told = {"inventory_item_id": lamp.item_id, "location_id": place_of(shop), "available": 20}

    async def come_between(number: int) -> None:
        if "inventoryLevels" in server.requests[-1]["query"]:
            later = datetime.now(UTC) + timedelta(seconds=1)
            await tell(client, "inventory_levels/update", told | {"updated_at": later.isoformat()})

    server.on_request = come_between
    report = await reconcile(dry_run=False)
    assert (report.counts.differences, report.counts.kept, report.counts.updated) == (1, 1, 0)
    assert await levels() == [("L-1", place_of(shop), 20)]


async def test_a_shop_that_lists_no_stock_removes_none(shop: SimulatedShop, lamp: ShopItem):
    shop.levels.clear()
    with pytest.raises(NothingListed, match="none of it was removed"):
        await reconcile(dry_run=False)
    assert await levels() == [("L-1", place_of(shop), 5)]


@pytest.mark.parametrize("is_closed", [False, True])
async def test_a_level_that_the_shop_no_longer_lists_goes(shop: SimulatedShop, lamp: ShopItem, is_closed: bool):
    store = shop.add_location("Store")
    shop.stock(lamp, store, 3)
    await reconcile(dry_run=False)
    assert len(await levels()) == 2
    del shop.levels[store, lamp.item_id]
    if is_closed:
        del shop.locations[store]
    report = await reconcile(dry_run=False)
    assert await levels() == [("L-1", place_of(shop), 5)]
    assert (report.counts.removed, await find_differences()) == (1, [])


async def test_what_lies_at_a_fulfilment_service_is_compared_too(shop: SimulatedShop, lamp: ShopItem):
    service = shop.add_location("Ship it")
    shop.services.add(service)
    shop.stock(lamp, service, 3)
    for _turn in range(2):
        await reconcile(dry_run=False)
        assert await levels() == [("L-1", place_of(shop), 5), ("L-1", service, 3)]


@pytest.mark.parametrize("compared", [5, 7])
async def test_what_the_shop_does_within_the_second_behind_its_answer_is_newer(
    client: httpx.AsyncClient, shop: SimulatedShop, lamp: ShopItem, compared: int
):
    """Our clock is three seconds ahead."""
    now = datetime.now(UTC).replace(microsecond=0)
    shop.stock(lamp, place_of(shop), compared, now)
    await reconcile(dry_run=False)
    told = {"inventory_item_id": lamp.item_id, "location_id": place_of(shop), "available": 4}
    told_at = datetime.now(UTC) - timedelta(seconds=3)
    row = await tell(client, "inventory_levels/update", told | {"updated_at": now.isoformat()}, triggered_at=told_at)
    assert (row["state"], await levels()) == ("processed", [("L-1", place_of(shop), 4)])


async def test_stock_at_places_that_the_shop_does_not_know_stays(
    shop: SimulatedShop, lamp: ShopItem, admin: httpx.AsyncClient
):
    answer = await admin.post("/api/stock/adjustments", json={"product": "sku:L-1", "delta": 4})
    assert answer.status_code == 201, answer.text
    assert (await reconcile(dry_run=False)).counts.differences == 0
    assert (await product_rows())[0]["inventory_quantity"] == 9


async def test_a_webhook_that_waited_for_an_item_is_woken(client: httpx.AsyncClient, shop: SimulatedShop):
    lamp = shop.add_lamp("L-1")
    told = {"inventory_item_id": lamp.item_id, "location_id": shop.add_location(), "available": 4}
    row = await tell(client, "inventory_levels/update", told | {"updated_at": "2026-01-01T00:00:00Z"})
    assert (row["state"], row["reason"]) == ("parked", "unknown_item")
    await reconcile(dry_run=False)
    await settle()
    assert (await row_of(row["id"]))["state"] == "processed"
    assert [level[2] for level in await levels()] == [4]


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_was_lost_nothing_differs_afterwards(shop: SimulatedShop, seed: int):
    dice = random.Random(seed)
    places = [shop.add_location(f"Place {number}") for number in range(3)]
    for number in range(8):
        shop.stock(shop.add_lamp(f"L-{number}"), dice.choice(places), dice.randint(0, 9))
    for turn in range(3):
        await reconcile(dry_run=False)
        assert await compare() == []
        for _change in range(12):
            change_something(shop, places, dice, turn)
        await execute("UPDATE product SET price = price + 1, brand = 'Ours' WHERE id % 3 = $1", turn)
    await reconcile(dry_run=False)
    assert await compare() == []
    assert await find_differences() == []
    expected = sorted((shop_sku(shop, item), place, max(0, it.available)) for (place, item), it in shop.levels.items())
    assert await levels() == expected


def change_something(shop: SimulatedShop, places: list[int], dice: random.Random, turn: int) -> None:
    item = dice.choice(list(shop.items.values()))
    match dice.randrange(6):
        case 0:
            item.price = f"{dice.randint(1, 99)}.50"
        case 1:
            item.sku = f"L-{dice.randint(100, 999)}-{turn}"
        case 2 if len(shop.items) > 3:
            shop.remove(item)
        case 3:
            shop.levels.pop((dice.choice(places), item.item_id), None)
        case 4:
            shop.add_lamp(f"N-{dice.randrange(10**9)}")
        case _:
            shop.stock(item, dice.choice(places), dice.randint(-2, 30))


def shop_sku(shop: SimulatedShop, item_id: int) -> str:
    return next(item.sku or "" for item in shop.items.values() if item.item_id == item_id)
