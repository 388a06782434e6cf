"""Levels are what the shop last told, each counted once."""

import json

import httpx
import pytest

from domains.shopify.outcomes import Became
from lib import clock
from piccolo_conf import execute, fetch, fetch_value
from tests.catalog.making import make_product
from tests.inventory.shelves import adjust, make_location
from tests.shopify.making import row_of, settle, tell
from tests.shopify.stocking import (
    CODE,
    ITEM,
    OTHER_CODE,
    OTHER_PLACE,
    PLACE,
    bury,
    level,
    link,
    make_linked,
    minute,
    movements,
    product,
    said,
    tell_level,
    told_levels,
)


async def make_due() -> None:
    await execute("UPDATE inbound_webhook SET next_attempt_at = $1", clock.now())


async def test_a_told_level_is_set(client: httpx.AsyncClient):
    lamp = await make_linked()

    row = await tell_level(client, 7)

    assert said(row) == ("processed", None)
    assert await told_levels() == {CODE: 7}
    assert (await product(lamp))["inventory_quantity"] == 7
    assert json.loads(row["results"])[0] | {"product": lamp} == json.loads(row["results"])[0]


async def test_the_ledger_tells_who_told_it(client: httpx.AsyncClient):
    await make_linked()
    row = await tell_level(client, 7)
    (told,) = await fetch("SELECT reason, reference, delta, on_hand_after FROM stock_movement")
    assert tuple(told) == ("shopify", f"shopify-webhook:{row['id']}", 7, 7)


async def test_a_level_is_set_and_not_added_to(client: httpx.AsyncClient):
    await make_linked()
    await tell_level(client, 7, at=1)
    await tell_level(client, 5, at=2)
    assert await told_levels() == {CODE: 5}
    assert [delta for _code, delta, *_rest in await movements()] == [7, -2]


async def test_an_older_level_is_stale(client: httpx.AsyncClient):
    await make_linked()
    await tell_level(client, 5, at=2)
    row = await tell_level(client, 7, at=1)
    assert said(row) == ("ignored", "stale")
    assert await told_levels() == {CODE: 5}


async def test_the_same_level_again_moves_nothing(client: httpx.AsyncClient):
    lamp = await make_linked()
    await tell_level(client, 7)
    before = (await product(lamp))["version"]
    row = await tell_level(client, 7)
    assert said(row) == ("processed", None)
    assert json.loads(row["results"])[0]["became"] == Became.UNCHANGED
    assert len(await movements()) == 1
    assert (await product(lamp))["version"] == before


async def test_each_location_has_a_level_of_its_own(client: httpx.AsyncClient):
    lamp = await make_linked()
    await tell_level(client, 7)
    await tell_level(client, 3, place=OTHER_PLACE)
    assert await told_levels() == {CODE: 7, OTHER_CODE: 3}
    assert (await product(lamp))["inventory_quantity"] == 10


async def test_none_is_a_level_too(client: httpx.AsyncClient):
    await make_linked()
    row = await tell_level(client, 0)
    assert said(row) == ("processed", None)
    assert await told_levels() == {CODE: 0}
    assert await movements() == []


async def test_a_level_of_none_makes_a_product_low_at_once(client: httpx.AsyncClient):
    lamp = await make_linked()
    await tell_level(client, 0)
    assert await fetch_value("SELECT product FROM low_stock_notification WHERE resolved_at IS NULL") == lamp


async def test_below_zero_is_none_and_the_ledger_tells_the_number(client: httpx.AsyncClient):
    await make_linked()
    await tell_level(client, 7, at=1)
    await tell_level(client, -3, at=2)
    assert await told_levels() == {CODE: 0}
    assert (await movements())[-1] == (CODE, -7, "shopify", "Shopify tells -3")


@pytest.mark.parametrize("payload", [{"available": None}, {}], ids=["null", "absent"])
async def test_what_the_shop_does_not_count_moves_nothing(client: httpx.AsyncClient, payload: dict[str, None]):
    await make_linked()
    await tell_level(client, 7, at=1)
    untracked = {name: value for name, value in level(0, at=2).items() if name != "available"} | payload
    row = await tell(client, "inventory_levels/connect", untracked, triggered_at=minute(2))
    assert said(row) == ("ignored", "untracked")
    assert await told_levels() == {CODE: 7}


async def test_what_says_nothing_makes_nothing_stale(client: httpx.AsyncClient):
    await make_linked()
    await tell_level(client, None, at=2)
    assert said(await tell_level(client, 7, at=1)) == ("processed", None)


async def test_a_level_of_an_unknown_item_waits_for_its_product(client: httpx.AsyncClient):
    row = await tell_level(client, 7)
    assert said(row) == ("parked", "unknown_item")
    assert row["awaits"] == f"item:{ITEM}"

    await make_linked()
    await make_due()
    await settle()

    assert said(await row_of(row["id"])) == ("processed", None)
    assert await told_levels() == {CODE: 7}


async def test_of_two_that_wait_the_newer_counts(client: httpx.AsyncClient):
    newer = await tell_level(client, 5, at=2)
    older = await tell_level(client, 7, at=1)
    await make_linked()
    await make_due()
    await settle()
    assert said(await row_of(newer["id"])) == ("processed", None)
    assert said(await row_of(older["id"])) == ("ignored", "stale")
    assert await told_levels() == {CODE: 5}


async def test_an_item_that_is_there_again_has_its_levels(client: httpx.AsyncClient):
    await bury()
    await make_linked()
    assert said(await tell_level(client, 7)) == ("processed", None)


@pytest.mark.parametrize("available", [2**31, 10**30, "many", [7], 1.5, True])
async def test_a_number_that_is_none_fails_with_a_sentence(client: httpx.AsyncClient, available: object):
    await make_linked()
    row = await tell(client, "inventory_levels/update", level(0) | {"available": available})
    assert said(row) == ("failed", "bad_payload")
    assert "available" in row["detail"]


@pytest.mark.parametrize("missing", ["inventory_item_id", "location_id"])
async def test_a_level_of_nothing_fails_with_a_sentence(client: httpx.AsyncClient, missing: str):
    row = await tell(client, "inventory_levels/update", level(1) | {missing: None})
    assert said(row) == ("failed", "bad_payload")
    assert missing in row["detail"]


async def test_more_than_can_be_counted_fails_with_a_sentence(client: httpx.AsyncClient):
    await make_linked()
    await tell_level(client, 2**31 - 1)
    row = await tell_level(client, 1, place=OTHER_PLACE)
    assert said(row) == ("failed", "bad_payload")
    assert await told_levels() == {CODE: 2**31 - 1}


async def test_the_first_told_level_replaces_what_was_booked_elsewhere(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
):
    lamp = (await make_product(admin, inventory_quantity=20))["id"]
    await link(lamp)
    await tell_level(client, 7)
    assert await told_levels() == {"main": 0, CODE: 7}
    assert (await movements())[1:] == [
        ("main", -20, "shopify", "Shopify tells where it lies"),
        (CODE, 7, "shopify", ""),
    ]


async def test_replacing_is_one_change_of_the_product(client: httpx.AsyncClient, admin: httpx.AsyncClient):
    lamp = (await make_product(admin, inventory_quantity=20))["id"]
    await link(lamp)
    before = (await product(lamp))["version"]
    await tell_level(client, 7)
    assert (await product(lamp))["version"] == before + 1
    assert (await product(lamp))["inventory_quantity"] == 7


async def test_the_same_quantity_at_its_right_place_is_no_event(client: httpx.AsyncClient, admin: httpx.AsyncClient):
    lamp = (await make_product(admin, inventory_quantity=7))["id"]
    await link(lamp)
    events = await fetch_value("SELECT count(*) FROM event")
    await tell_level(client, 7)
    assert await told_levels() == {"main": 0, CODE: 7}
    assert await fetch_value("SELECT count(*) FROM event") == events


async def test_stock_that_is_booked_here_later_stays(client: httpx.AsyncClient, admin: httpx.AsyncClient):
    lamp = await make_linked()
    await tell_level(client, 7, at=1)
    await adjust(admin, lamp, delta=2)
    await tell_level(client, 5, at=2)
    await tell_level(client, 3, at=2, place=OTHER_PLACE)
    assert await told_levels() == {"main": 2, CODE: 5, OTHER_CODE: 3}


async def test_what_is_sold_here_is_set_right_by_the_next_level(client: httpx.AsyncClient, admin: httpx.AsyncClient):
    lamp = await make_linked()
    await tell_level(client, 7, at=1)
    await adjust(admin, lamp, delta=-3, location=CODE)
    await tell_level(client, 7, at=2)
    assert await told_levels() == {CODE: 7}


async def test_a_closed_location_parks_its_level(client: httpx.AsyncClient, admin: httpx.AsyncClient):
    await make_linked()
    closed = await make_location(admin, shopify_location_id=PLACE)
    await admin.patch(f"/api/locations/{closed}", json={"is_active": False})
    row = await tell_level(client, 7)
    assert said(row) == ("parked", "location_closed")
    assert row["awaits"] is None

    await admin.patch(f"/api/locations/{closed}", json={"is_active": True})
    await make_due()
    await settle()
    assert await told_levels() == {"shop": 7}


async def test_nothing_at_a_closed_location_is_fine(client: httpx.AsyncClient, admin: httpx.AsyncClient):
    await make_linked()
    closed = await make_location(admin, shopify_location_id=PLACE)
    await admin.patch(f"/api/locations/{closed}", json={"is_active": False})
    assert said(await tell_level(client, 0)) == ("processed", None)
