"""What the shop does not stock at a location any more is not there, and is not forgotten."""

import json

import httpx

from domains.catalog.proof import find_differences
from domains.shopify.outcomes import Became
from domains.shopify.tables import Kind
from domains.shopify.versions import find_known
from lib import clock
from piccolo_conf import fetch_value
from tests.catalog.making import make_product
from tests.inventory.shelves import adjust, levels_of, make_location
from tests.shopify.stocking import (
    CODE,
    ITEM,
    OTHER_CODE,
    OTHER_PLACE,
    PLACE,
    bury,
    link,
    make_linked,
    product,
    said,
    tell_gone,
    tell_level,
    told_levels,
)


async def test_a_removed_item_is_not_waited_for(client: httpx.AsyncClient):
    await bury()
    assert said(await tell_level(client, 7)) == ("ignored", "removed")
    assert said(await tell_gone(client, at=2)) == ("ignored", "removed")


async def test_a_disconnected_level_is_gone(client: httpx.AsyncClient):
    lamp = await make_linked()
    await tell_level(client, 7, at=1)
    row = await tell_gone(client, at=2)
    assert said(row) == ("processed", None)
    assert json.loads(row["results"])[0]["became"] == Became.REMOVED
    assert await told_levels() == {}
    assert (await product(lamp))["inventory_quantity"] == 0
    assert await find_differences() == []


async def test_a_product_that_lies_nowhere_is_not_low(client: httpx.AsyncClient):
    await make_linked()
    await tell_level(client, 7, at=1)
    await tell_gone(client, at=2)
    assert await fetch_value("SELECT count(*) FROM low_stock_notification") == 0


async def test_a_late_level_does_not_bring_a_disconnected_one_back(client: httpx.AsyncClient):
    await make_linked()
    await tell_gone(client, at=2)
    assert said(await tell_level(client, 7, at=1)) == ("ignored", "stale")
    assert await told_levels() == {}


async def test_a_level_may_be_connected_again(client: httpx.AsyncClient):
    await make_linked()
    await tell_level(client, 7, at=1)
    await tell_gone(client, at=2)
    await tell_level(client, 4, at=3)
    assert await told_levels() == {CODE: 4}
    assert await find_differences() == []


async def test_a_disconnection_that_comes_first_empties_what_was_booked(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
):
    lamp = (await make_product(admin, inventory_quantity=20))["id"]
    await link(lamp)
    await tell_gone(client, at=2)
    await tell_level(client, 7, at=1)
    assert await told_levels() == {"main": 0}


async def test_what_lies_here_stays_when_the_shop_moves_from_place_to_place(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
):
    lamp = await make_linked()
    await tell_level(client, 7, at=1)
    await adjust(admin, lamp, delta=2)
    await tell_gone(client, at=2)
    await tell_level(client, 6, at=3, place=OTHER_PLACE)
    assert await told_levels() == {"main": 2, OTHER_CODE: 6}


async def test_a_disconnection_of_an_unknown_item_waits_as_well(client: httpx.AsyncClient):
    row = await tell_gone(client)
    assert said(row) == ("parked", "unknown_item")
    assert not any(known.is_removed for known in await find_known(Kind.LEVEL, [ITEM]))


async def test_what_the_shop_told_of_a_place_lies_where_that_place_is_now(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
):
    lamp = await make_linked()
    await tell_level(client, 7, at=1)
    await tell_level(client, 2, at=1, place=OTHER_PLACE)
    await adjust(admin, lamp, delta=3)
    before = await fetch_value("SELECT id FROM location WHERE code = $1", CODE)
    await admin.patch(f"/api/locations/{before}/", json={"shopify_location_id": None})
    await make_location(admin, shopify_location_id=PLACE)
    await tell_level(client, 4, at=2, place=OTHER_PLACE)
    assert await told_levels() == {"main": 3, CODE: 7, OTHER_CODE: 4}
    await tell_level(client, 6, at=2)
    assert await told_levels() == {"main": 3, "shop": 6, OTHER_CODE: 4}
    assert await find_differences() == []


async def test_what_lay_there_once_is_in_the_stock_of_that_time(client: httpx.AsyncClient, admin: httpx.AsyncClient):
    lamp = await make_linked()
    await tell_level(client, 7, at=1)
    then = clock.now().isoformat()
    await tell_gone(client, at=2)
    assert await levels_of(admin, lamp) == {}
    assert await levels_of(admin, lamp, as_of=then) == {CODE: 7}
