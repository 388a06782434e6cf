"""A comparison that is stopped anywhere is gone on with where it stopped, and ends like one that never was stopped."""

import random

import msgspec
import pytest

from domains.shopify import admin_api, queries
from domains.shopify.reconciling import reconcile
from piccolo_conf import execute, fetch
from tests.shopify.reconciling import check_same, killing, last_row, reconcile_until_away
from tests.shopify.shop import ShopItem, SimulatedShop
from tests.shopify.shop_server import ShopServer
from tests.shopify.test_reconciling_levels import change_something

# So often an undisturbed comparison asks the shop below.
QUERIES = 11


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a shop that is asked once when it is away."""
    monkeypatch.setattr(queries, "VARIANTS_A_PAGE", 2)
    monkeypatch.setattr(queries, "LEVELS_A_PAGE", 2)
    monkeypatch.setattr(queries, "LOCATIONS_A_PAGE", 3)
    monkeypatch.setattr(admin_api, "MOST_TRIES", 1)


@pytest.fixture
async def lamps(shop: SimulatedShop) -> list[ShopItem]:
    """Ten variants of five products at four places, known here; one of each kind of change was lost since."""
    places = [shop.add_location(f"Place {number}") for number in range(4)]
    products = [shop.add_product(f"Lamp {number}") for number in range(5)]
    lamps = [shop.add_variant(products[number // 2], f"L-{number}", title=f"No. {number}") for number in range(10)]
    for number, lamp in enumerate(lamps):
        shop.stock(lamp, places[number % 3], number)
        shop.stock(lamp, places[3], 7)
    await reconcile(dry_run=False)
    await execute("INSERT INTO product (sku, name, slug) VALUES ('OURS', 'Ours', 'ours')")
    for number in (1, 4, 7):
        shop.products[lamps[number].product_id].title = "Lantern"
        shop.stock(lamps[number], places[number % 3], 30)
    # Of a product that is repaired, of one that is not, and of one that goes.
    for number in (0, 3, 8, 9):
        shop.remove(lamps[number])
    shop.add_lamp("NEW-1")
    del shop.levels[places[2], lamps[2].item_id]
    # This place is closed, the first of all is emptied, and that one is new.
    del shop.locations[places[3]]
    shop.levels = {key: level for key, level in shop.levels.items() if key[0] != places[0]}
    shop.stock(lamps[5], shop.add_location("Late"), 2)
    return lamps


async def check_ended(shop: SimulatedShop, expected: tuple[int, int]) -> dict[str, int]:
    """Its counts. `expected` are its id, and how often it was taken up."""
    row = await last_row()
    assert (row["id"], row["resumes"], row["state"], row["progress"]) == (*expected, "completed", None)
    await check_same(shop)
    rows = await fetch("SELECT sku, is_active FROM product WHERE sku IN ('OURS', 'L-0', 'L-3', 'L-8', 'L-9')")
    assert {row["sku"] for row in rows if row["is_active"]} == {"OURS"}
    counts: dict[str, int] = msgspec.json.decode(row["counts"])
    return counts


@pytest.mark.parametrize("answers", range(QUERIES + 1))
async def test_whenever_the_shop_goes_away(
    server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem], answers: int
):
    await reconcile_until_away(server, answers)
    if answers < QUERIES:
        assert (await last_row())["state"] == "failed"
        await reconcile(dry_run=False)
    # Without a single page there is nothing to go on from.
    counts = await check_ended(shop, (3, 0) if answers == 0 else (2, int(answers < QUERIES)))
    assert (counts["variants"], counts["locations"], counts["levels"], counts["differences"]) == (7, 4, 5, 22)
    assert (counts["created"], counts["updated"], counts["removed"], counts["kept"]) == (1, 9, 12, 0)


@pytest.mark.parametrize("seed", range(5))
async def test_whenever_it_is_killed(shop: SimulatedShop, lamps: list[ShopItem], seed: int):
    """Again and again, before any statement; the most that a page needs here are fifty."""
    dice, kills = random.Random(seed), 0
    while (await last_row())["id"] == 1 or (await last_row())["state"] != "completed":
        with killing(dice.randint(8, 90)):
            await reconcile(dry_run=False)
        kills += (await last_row())["state"] == "running"
    assert kills > 2
    row = await last_row()
    await check_ended(shop, (row["id"], row["resumes"]))


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_was_lost_meanwhile_the_next_one_finds(server: ShopServer, shop: SimulatedShop, seed: int):
    dice = random.Random(seed)
    places = [shop.add_location(f"Place {number}") for number in range(3)]
    for number in range(8):
        shop.stock(shop.add_lamp(f"L-{number}"), dice.choice(places), dice.randint(0, 9))
    await reconcile(dry_run=False)
    for turn in range(3):
        for _stop in range(4):
            for _change in range(3):
                change_something(shop, places, dice, turn)
            await reconcile_until_away(server, dice.randint(1, 8))
            with killing(dice.randint(8, 90)):
                await reconcile(dry_run=False)
        # One that knows all this from the start: what was stopped may have read some of it before.
        await reconcile(dry_run=False)
        await reconcile(dry_run=False)
        await check_same(shop)


async def test_one_whose_place_another_release_has_noted_begins_anew(
    server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem]
) -> None:
    await reconcile_until_away(server, 3)
    await execute('UPDATE shopify_reconciliation SET progress = \'{"phase": "elsewhere"}\' WHERE progress IS NOT NULL')
    stopped = (await last_row())["id"]
    assert (await reconcile(dry_run=False)).id == stopped + 1
    await check_same(shop)
