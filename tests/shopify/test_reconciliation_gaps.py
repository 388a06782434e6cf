"""What becomes of a comparison that was stopped, and what happened until the next one begins."""

from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest

from domains.shopify import admin_api, queries, reconciling
from domains.shopify.admin_api import ShopRefused
from domains.shopify.reconciliation import LOCK, NothingListed
from domains.shopify.reconciling import reconcile
from piccolo_conf import GOODBYES, execute, fetch
from settings import settings
from tests.shopify.making import product_rows, tell
from tests.shopify.reconciling import check_same, grow_old, last_row, levels, place_of, reconcile_until_away
from tests.shopify.shop import ShopItem, SimulatedShop
from tests.shopify.shop_server import ShopServer, Trouble

END_LOCKED = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK}"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a shop that is asked once when it is away."""
    monkeypatch.setattr(queries, "VARIANTS_A_PAGE", 1)
    monkeypatch.setattr(queries, "LEVELS_A_PAGE", 1)
    monkeypatch.setattr(admin_api, "MOST_TRIES", 1)


@pytest.fixture
async def lamps(shop: SimulatedShop) -> list[ShopItem]:
    """Three, known here, with 5 of each at one place; the comparison is the first one."""
    place = shop.add_location()
    lamps = [shop.add_lamp(f"L-{number}") for number in range(3)]
    for lamp in lamps:
        shop.stock(lamp, place, 5)
    await reconcile(dry_run=False)
    return lamps


async def states() -> list[str]:
    return [row["state"] for row in await fetch("SELECT state FROM shopify_reconciliation ORDER BY id")]


async def test_what_is_gone_on_with_keeps_its_differences(
    server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem]
):
    lamps[0].price, lamps[2].price = "11.00", "12.00"
    await reconcile_until_away(server, 2)
    begun = (await last_row())["started_at"]
    report = await reconcile(dry_run=False)
    assert [it.sku for it in report.differences] == ["L-0", "L-2"]
    assert (report.id, report.resumes, report.started_at, report.counts.variants) == (2, 1, begun, 3)
    assert await states() == ["completed", "completed"]


async def test_a_page_that_was_read_is_not_asked_for_again(
    server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem]
):
    await reconcile_until_away(server, 2)
    asked = len(server.requests)
    await reconcile(dry_run=False)
    variants = [it["variables"]["after"] for it in server.requests[asked:] if "Variants" in it["query"]]
    assert (len(variants), variants[0], variants[1] is None) == (2, None, False)


@pytest.mark.parametrize("hours", [23, 25])
async def test_after_a_day_it_begins_anew(server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem], hours: int):
    await reconcile_until_away(server, 2)
    await grow_old(hours)
    assert (await reconcile(dry_run=False)).id == (2 if hours < 24 else 3)
    await check_same(shop)


async def test_from_the_start_when_that_is_asked_for(server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem]):
    await reconcile_until_away(server, 2)
    report = await reconcile(dry_run=False, from_start=True)
    assert (report.id, report.resumes, report.counts.variants) == (3, 0, 3)
    assert (await reconcile(dry_run=False)).id == 4
    assert await states() == ["completed", "failed", "completed", "completed"]


async def test_one_that_changes_nothing_neither_goes_on_nor_is_gone_on_with(
    server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem]
):
    await reconcile_until_away(server, 2)
    tried = await reconcile(dry_run=True)
    assert (tried.id, tried.resumes, tried.counts.variants) == (3, 0, 3)
    server.answers_left = 2
    with pytest.raises(admin_api.ShopUnavailable):
        await reconcile(dry_run=True)
    assert (await last_row())["progress"] is None
    server.answers_left = float("inf")
    assert (await reconcile(dry_run=False)).id == 2
    await check_same(shop)


async def test_another_shop_begins_anew(server: ShopServer, lamps: list[ShopItem], monkeypatch: pytest.MonkeyPatch):
    await reconcile_until_away(server, 2)
    other = msgspec.structs.replace(settings, shopify_shop="north-star.myshopify.com")
    monkeypatch.setattr(reconciling, "settings", other)
    assert (await reconcile(dry_run=False)).id == 3


async def test_what_the_shop_refused_begins_anew(server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem]):
    """The cursor perhaps."""
    await reconcile_until_away(server, 2)
    server.on_request = lambda _number: refuse_cursors(server)
    with pytest.raises(ShopRefused):
        await reconcile(dry_run=False)
    server.on_request = None
    assert (await reconcile(dry_run=False)).id == 3
    assert await states() == ["completed", "failed", "completed"]
    await check_same(shop)


async def refuse_cursors(server: ShopServer) -> None:
    if server.requests[-1]["variables"]["after"]:
        server.troubles = [Trouble(200, '{"errors": [{"message": "Invalid cursor"}]}')]


@pytest.mark.parametrize("answers", [2, 6])
async def test_a_token_that_sees_nothing_any_more_removes_nothing(
    server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem], answers: int
):
    """In the middle of the variants, and of the levels."""
    await reconcile_until_away(server, answers)
    items, stock = shop.items, shop.levels
    shop.levels = {}
    if answers == 2:
        shop.items = {}
    with pytest.raises(NothingListed, match="removed"):
        await reconcile(dry_run=False)
    shop.items, shop.levels = items, stock
    assert all(row["is_active"] and row["inventory_quantity"] == 5 for row in await product_rows())
    assert (await reconcile(dry_run=False)).id == 3
    await check_same(shop)


async def test_what_was_made_meanwhile_is_found(server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem]):
    await reconcile_until_away(server, 2)
    shop.stock(shop.add_lamp("L-3"), place_of(shop), 2)
    await reconcile(dry_run=False)
    await check_same(shop)


@pytest.mark.parametrize("answers", [2, 5])
async def test_what_a_webhook_made_behind_the_reader_is_kept(
    client: httpx.AsyncClient, server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem], answers: int
):
    """Ten hours after the comparison began, and ten before it goes on: it is on no page that it reads."""
    await reconcile_until_away(server, answers)
    await grow_old(20)
    ids = {"id": lamps[0].id - 1000, "inventory_item_id": lamps[0].id - 1001}
    product = {"id": lamps[0].id - 1002, "title": "Cup", "variants": [ids | {"sku": "C-1", "price": "3.00"}]}
    then = datetime.now(UTC) - timedelta(hours=10)
    told = {"updated_at": then.isoformat()}
    assert (await tell(client, "products/create", product | told, triggered_at=then))["state"] == "processed"
    level = {"inventory_item_id": lamps[0].id - 1001, "location_id": place_of(shop), "available": 4}
    await tell(client, "inventory_levels/update", level | told, triggered_at=then)
    assert (await reconcile(dry_run=False)).resumes == 1
    row = {row["sku"]: row for row in await product_rows()}["C-1"]
    assert (row["is_active"], row["inventory_quantity"]) == (True, 4)


async def test_what_went_behind_the_reader_goes_with_the_next_one(
    server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem]
):
    await reconcile_until_away(server, 2)
    shop.remove(lamps[0])
    await reconcile(dry_run=False)
    await reconcile(dry_run=False)
    await check_same(shop)


async def test_levels_that_webhooks_told_meanwhile_are_kept(
    client: httpx.AsyncClient, server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem]
):
    """Of one that was read and set already, and of one that is on no page."""
    shop.stock(lamps[0], place_of(shop), 8)
    del shop.levels[place_of(shop), lamps[1].item_id]
    await reconcile_until_away(server, 5)
    await grow_old(20)
    then = datetime.now(UTC) - timedelta(hours=10)
    for lamp, available in ((lamps[0], 9), (lamps[1], 3)):
        told = {"inventory_item_id": lamp.item_id, "location_id": place_of(shop), "available": available}
        await tell(client, "inventory_levels/update", told | {"updated_at": then.isoformat()}, triggered_at=then)
    assert (await reconcile(dry_run=False)).resumes == 1
    assert [level[2] for level in await levels()] == [9, 3, 5]


async def test_a_product_that_a_webhook_told_meanwhile_is_kept(
    client: httpx.AsyncClient, server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem]
):
    """It was read already, and repaired; the page that comes tells of what comes after the webhook."""
    for lamp in lamps:
        lamp.price = "11.00"
    await reconcile_until_away(server, 1)
    await grow_old(20)
    then = datetime.now(UTC) - timedelta(hours=10)
    for lamp in (lamps[0], lamps[1]):
        lamp.price = "12.00"
        payload = shop.product_payload(shop.products[lamp.product_id]) | {"updated_at": then.isoformat()}
        await tell(client, "products/update", payload, triggered_at=then)
    assert (await reconcile(dry_run=False)).counts.updated == 2
    assert [str(row["price"]) for row in await product_rows()] == ["12.00", "12.00", "11.00"]
    await check_same(shop)


@pytest.mark.parametrize("is_open", [False, True])
async def test_a_place_that_was_closed_or_opened_meanwhile(
    server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem], is_open: bool
):
    """Before the one that was stopped at, and the one itself."""
    first, second = place_of(shop), shop.add_location("Second")
    for lamp in lamps:
        shop.stock(lamp, second, 2)
    if is_open:
        first_name = shop.locations.pop(first)
    await reconcile_until_away(server, 5 if is_open else 8)
    assert msgspec.json.decode((await last_row())["progress"])["location"] == second
    if is_open:
        shop.locations[first] = first_name
    else:
        shop.locations = {shop.add_location("Third"): "Third"}
        shop.stock(lamps[0], place_of(shop), 1)
    await grow_old(1)
    report = await reconcile(dry_run=False)
    counts = report.counts
    assert (report.resumes, counts.levels, counts.removed) == ((1, 6, 0) if is_open else (1, 5, 4))
    await check_same(shop)


async def test_one_that_lost_its_lock_ends_at_its_next_page(
    server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem]
):
    """Another one may be at work by then, here until its end."""
    asked = len(server.requests)

    async def come_between(number: int) -> None:
        if number == asked + 2:
            await execute(END_LOCKED)
            assert (await reconcile(dry_run=False)).resumes == 1

    server.on_request = come_between
    with pytest.raises(GOODBYES):
        await reconcile(dry_run=False)
    assert len(server.requests) - asked == 2 + 1 + 2 + 4
    assert await states() == ["completed", "completed"]


@pytest.mark.parametrize("answers", [0, 9])
async def test_one_that_lost_its_lock_is_gone_on_with(
    server: ShopServer, shop: SimulatedShop, lamps: list[ShopItem], answers: int
):
    """It ends with its page, or because the shop is away, and writes neither down."""
    asked = len(server.requests)

    async def come_between(number: int) -> None:
        if number == asked + 2:
            await execute(END_LOCKED)
            server.answers_left = answers

    server.on_request = come_between
    with pytest.raises(GOODBYES):
        await reconcile(dry_run=False)
    assert (await states(), len(server.requests) - asked) == (["completed", "running"], 2)
    server.answers_left, server.on_request = float("inf"), None
    assert (await reconcile(dry_run=False)).resumes == 1
    await check_same(shop)


async def test_the_api_tells_that_it_was_taken_up(server: ShopServer, lamps: list[ShopItem], staff: httpx.AsyncClient):
    for answers in (2, 3):
        await reconcile_until_away(server, answers)
    (last, first) = (await staff.get("/api/shopify-reconciliations/")).json()["results"]
    assert (last["state"], last["resumes"], first["resumes"]) == ("failed", 1, 0)
