"""What the shop no longer has is taken out of sale, and only that."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from domains.shopify import jobs, removal
from domains.shopify.outcomes import Became
from domains.shopify.tables import Kind
from domains.shopify.versions import Version, find_known
from domains.shopify.webhooks import Told
from piccolo_conf import execute, fetch_value
from settings import settings
from tests.shopify.assortment import (
    BLACK,
    BLACK_ITEM,
    BRASS,
    BRASS_ITEM,
    LAMP,
    assert_laws,
    became,
    black,
    brass,
    lamp,
    minute,
    numbered,
    product_of,
    said,
    skus,
    tell_gone,
    tell_lamp,
)
from tests.shopify.making import SHOP, product_rows, send, settle
from tests.shopify.stocking import tell_level


@pytest.fixture
def deletes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "settings", msgspec.structs.replace(settings, shopify_deletes_products=True))


async def is_buried(item_id: int) -> bool:
    return any(item.is_removed for item in await find_known(Kind.ITEM, [item_id]))


def told_at(minutes: int) -> Told:
    return Told(SHOP, Version(minute(minutes), minute(minutes)))


async def test_a_deleted_product_is_out_of_sale_and_stands_for_nothing(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    row = await tell_gone(client, 1)
    assert (said(row), became(row)) == (("processed", None), ["removed", "removed"])
    assert await skus() == {"LAMP-BLACK": False, "LAMP-BRASS": False}
    ids = ("shopify_product_id", "shopify_variant_id", "shopify_inventory_item_id")
    assert {product[name] for product in await product_rows() for name in ids} == {None}
    assert await is_buried(BRASS_ITEM)
    assert await is_buried(BLACK_ITEM)


async def test_with_the_setting_its_rows_are_deleted(client: httpx.AsyncClient, deletes: None) -> None:
    await tell_lamp(client, 0)
    row = await tell_gone(client, 1)
    assert became(row) == ["removed", "removed"]
    assert await product_rows() == []
    await assert_laws()


async def test_what_was_told_before_the_deletion_comes_too_late(client: httpx.AsyncClient) -> None:
    row = await tell_gone(client, 5)
    assert said(row) == ("ignored", "not_here")
    row = await tell_lamp(client, 4)
    assert (said(row), await product_rows()) == (("ignored", "stale"), [])
    assert [known.is_removed for known in await find_known(Kind.PRODUCT, [LAMP])] == [True]


async def test_a_product_that_was_made_again_takes_its_rows_over(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    old = (await product_of(BRASS))["id"]
    await tell_gone(client, 1)
    row = await tell_lamp(client, 2, numbered(1, sku="LAMP-BRASS", inventory_quantity=9), id=LAMP + 1)
    product = await product_of(700_001)
    assert (became(row), product["id"], product["is_active"]) == (["updated"], old, True)
    assert product["inventory_quantity"] == 9
    await assert_laws()


async def test_a_variant_that_is_missing_from_a_whole_payload_is_gone(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    row = await tell_lamp(client, 1, black())
    assert became(row) == ["unchanged", "removed"]
    assert await skus() == {"LAMP-BLACK": True, "LAMP-BRASS": False}
    assert (await is_buried(BRASS_ITEM), await is_buried(BLACK_ITEM)) == (True, False)


async def test_a_variant_that_replaces_another_keeps_its_product(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    old = (await product_of(BRASS))["id"]
    await execute("UPDATE stock_level SET shopify_updated_at = now()")
    row = await tell_lamp(client, 1, numbered(1, sku="LAMP-BRASS"), black())
    assert (became(row), (await product_of(700_001))["id"]) == (["updated", "unchanged"], old)
    assert await is_buried(BRASS_ITEM)
    told = "SELECT count(*) FROM stock_level WHERE product = $1 AND shopify_updated_at IS NOT NULL"
    assert await fetch_value(told, old) == 0


async def test_a_variant_that_comes_back_is_offered_and_counted_again(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    await tell_lamp(client, 1, black())
    row = await tell_lamp(client, 2)
    assert became(row) == ["updated", "unchanged"]
    assert await skus() == {"LAMP-BLACK": True, "LAMP-BRASS": True}
    assert not await is_buried(BRASS_ITEM)


@pytest.mark.parametrize("variants", [None, []])
async def test_a_payload_without_variants_removes_nothing(
    client: httpx.AsyncClient, variants: list[Any] | None
) -> None:
    await tell_lamp(client, 0)
    row = await tell_lamp(client, 1, variants=variants)
    assert (said(row), set((await skus()).values())) == (("processed", None), {True})


async def test_a_hundred_of_a_hundred_and_fifty_variants_leave_the_others(client: httpx.AsyncClient) -> None:
    variants = [numbered(number) for number in range(150)]
    await tell_lamp(client, 0, *variants[:75])
    await tell_lamp(client, 1, *variants[75:], variant_gids=lamp(1, *variants)["variant_gids"])
    row = await tell_lamp(client, 2, *variants[:100], variant_gids=lamp(2, *variants[:100])["variant_gids"])
    assert became(row) == ["unchanged"] * 100
    assert set((await skus()).values()) == {True}


async def test_a_variant_that_is_only_listed_is_not_gone(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    await tell_lamp(client, 1, black(), variant_gids=lamp()["variant_gids"])
    assert set((await skus()).values()) == {True}


async def test_an_update_and_a_deletion_at_once_end_deleted(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    for at in range(1, 5):
        await send(client, "products/update", lamp(at, brass(price=f"{at}.00"), black()), triggered_at=minute(at))
    await send(client, "products/delete", {"id": LAMP}, triggered_at=minute(5))
    await asyncio.gather(*(jobs.work_one() for _ in range(5)))
    await settle()
    assert await skus() == {"LAMP-BLACK": False, "LAMP-BRASS": False}


async def test_ours_are_removed_as_of_a_moment_unless_something_newer_is_known(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 5)
    ids = [(await product_of(variant))["id"] for variant in (BRASS, BLACK)]
    kept = await removal.remove_variants(ids, told_at(4))
    assert [result.became for result in kept] == [Became.KEPT, Became.KEPT]
    assert not await is_buried(BRASS_ITEM)
    removed = await removal.remove_variants(ids[:1], told_at(6))
    assert [(result.became, result.shopify_id) for result in removed] == [(Became.REMOVED, BRASS)]
    assert await skus() == {"LAMP-BLACK": True, "LAMP-BRASS": False}


async def test_what_was_removed_since_is_not_made_again(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    await removal.remove_variants([(await product_of(BRASS))["id"]], told_at(9))
    await execute("DELETE FROM shopify_version WHERE kind = 'product'")
    row = await tell_lamp(client, 8)
    assert became(row) == ["kept", "unchanged"]


async def test_a_level_told_while_its_variant_was_gone_counts_when_it_is_back(
    client: httpx.AsyncClient,
) -> None:
    await tell_lamp(client, 0)
    await tell_level(client, 5, 1, item=BRASS_ITEM)
    await tell_gone(client, 2)
    assert said(await tell_level(client, 8, 3, item=BRASS_ITEM)) == ("ignored", "removed")
    await tell_lamp(client, 4)
    await settle()
    assert (await product_of(BRASS))["inventory_quantity"] == 8
