"""What storms of webhooks found: each is small enough to be told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from domains.shopify import inbox
from piccolo_conf import execute, fetch, fetch_value
from tests.shopify.making import row_of, settle, tell

SECOND = datetime(2026, 3, 1, 10, 0, 6, tzinfo=UTC)
PRODUCT, LOCATION = 7_000_000_000_000_000_001, 44
COME_BACK = "UPDATE inbound_webhook SET next_attempt_at = now() WHERE state = 'parked'"
SKUS = "SELECT sku FROM product WHERE shopify_variant_id IS NOT NULL ORDER BY shopify_variant_id"


def product(*skus: str, after: float = 0) -> dict[str, Any]:
    """Its variants are 1, 2 …, their items 11, 12 …"""
    variants = [
        {"id": number, "sku": sku, "price": "5.00", "inventory_item_id": 10 + number, "title": f"Size {number}"}
        for number, sku in enumerate(skus, 1)
    ]
    return {"id": PRODUCT, "title": "Lamp", "updated_at": at(after), "variants": variants}


def item(number: int, sku: str, after: float) -> dict[str, Any]:
    return {"id": number, "sku": sku, "updated_at": at(after)}


def at(seconds: float) -> str:
    return (SECOND + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def moment(seconds: float) -> dict[str, datetime]:
    return {"triggered_at": SECOND + timedelta(seconds=seconds)}


async def skus_at_the_end() -> list[str]:
    """When everything parked was tried again, and again."""
    for _turn in range(3):
        await execute(COME_BACK)
        await settle()
    assert not await fetch_value("SELECT count(*) FROM inbound_webhook WHERE state IN ('pending', 'parked')")
    return [row["sku"] for row in await fetch(SKUS)]


async def test_a_level_that_goes_and_comes_within_a_second_is_there(client: httpx.AsyncClient):
    level = {"inventory_item_id": 11, "location_id": LOCATION}
    await tell(client, "products/create", product("LAMP", after=-9), **moment(-9))
    await tell(client, "inventory_levels/disconnect", level, **moment(0.154))
    await tell(client, "inventory_levels/connect", level | {"available": 7, "updated_at": at(0)}, **moment(0.162))
    assert await fetch_value("SELECT inventory_quantity FROM product") == 7


async def test_a_variant_gets_the_sku_of_one_that_was_removed(client: httpx.AsyncClient):
    await tell(client, "products/create", product("ONE", "TWO"), **moment(0))
    await tell(client, "products/update", product("ONE", after=5), **moment(5))
    await tell(client, "products/update", product("TWO", after=9), **moment(9))
    assert await skus_at_the_end() == ["TWO"]
    assert await fetch_value("SELECT sku FROM product WHERE NOT is_active") == "TWO-removed-2"


async def test_an_item_gets_the_sku_of_a_variant_that_was_removed(client: httpx.AsyncClient):
    await tell(client, "products/create", product("ONE", "TWO"), **moment(0))
    await tell(client, "products/update", product("ONE", after=5), **moment(5))
    await tell(client, "inventory_items/update", item(11, "TWO", 9), **moment(9))
    assert await skus_at_the_end() == ["TWO"]


async def test_skus_that_items_exchange_wait_for_their_product(client: httpx.AsyncClient):
    await tell(client, "products/create", product("ONE", "TWO"), **moment(0))
    await tell(client, "inventory_items/update", item(11, "TWO", 6), **moment(6))
    await tell(client, "inventory_items/update", item(12, "ONE", 6), **moment(6.1))
    await tell(client, "products/update", product("TWO", "ONE", after=5), **moment(5.9))
    assert await skus_at_the_end() == ["TWO", "ONE"]


async def test_what_nobody_follows_may_be_processed_again(client: httpx.AsyncClient):
    row = await tell(client, "carts/update", {"id": 1})
    await inbox.ask_again(row["id"])
    await settle()
    assert (await row_of(row["id"]))["reason"] == "unhandled_topic"


async def test_an_item_that_goes_within_the_second_of_its_last_change_is_gone(client: httpx.AsyncClient):
    await tell(client, "products/create", product("ONE", "TWO"), **moment(0))
    await tell(client, "inventory_items/update", item(12, "TWO", 5), **moment(5))
    await tell(client, "products/update", product("ONE", after=5), **moment(5.2))
    level = {"inventory_item_id": 12, "location_id": LOCATION, "available": 7, "updated_at": at(4)}
    row = await tell(client, "inventory_levels/update", level, **moment(4))
    assert (row["state"], row["reason"]) == ("ignored", "removed")


async def test_what_an_import_said_of_a_product_without_options_stays(client: httpx.AsyncClient):
    await tell(client, "products/create", product("LAMP"), **moment(0))
    await execute("""UPDATE product SET options = '{"Finish": "Brass"}', attributes = '{"watts": 5}'""")
    plain = product("LAMP", after=1) | {"options": [{"name": "Title", "position": 1}]}
    plain["variants"][0] |= {"title": "Default Title", "option1": "Default Title", "price": "6.00"}
    await tell(client, "products/update", plain, **moment(1))
    told = await fetch_value("SELECT (options->>'Finish', attributes->>'watts', price)::text FROM product")
    assert told == "(Brass,5,6.00)"
