"""A location of the shop is one of ours, made when it is heard of for the first time."""

import asyncio

import httpx

from domains.shopify.places import Place, find_place, reach_place
from piccolo_conf import execute, fetch, transaction
from tests.inventory.shelves import make_location
from tests.shopify.stocking import CODE, PLACE


async def reach(name: str = "") -> Place:
    async with transaction():
        return await reach_place(PLACE, name)


async def places() -> list[tuple[str, str]]:
    rows = await fetch("SELECT code, name FROM location WHERE shopify_location_id = $1", PLACE)
    return [tuple(row) for row in rows]


async def test_a_location_is_made_on_first_sight(database: None):
    assert await find_place(PLACE) is None
    made = await reach()
    assert made == Place(made.id, CODE, is_active=True)
    assert await places() == [(CODE, f"Shopify location {PLACE}")]


async def test_four_that_hear_of_it_at_once_make_one(database: None):
    found = await asyncio.gather(*(reach() for _worker in range(4)))
    assert len(set(found)) == 1
    assert len(await places()) == 1


async def test_one_that_stands_for_it_already_is_taken(admin: httpx.AsyncClient):
    shop = await make_location(admin, "store-1", shopify_location_id=PLACE)
    assert (await reach()).id == shop


async def test_a_code_that_is_taken_gets_a_number(admin: httpx.AsyncClient):
    await make_location(admin, CODE.upper())
    await make_location(admin, f"{CODE}-2")
    assert (await reach()).code == f"{CODE}-3"


async def test_it_has_the_name_of_the_shop_where_that_is_known(database: None):
    await reach("Warehouse\tEast ")
    assert await places() == [(CODE, "Warehouse East")]


async def test_one_without_a_name_gets_it_when_it_is_told(database: None):
    await reach()
    await reach("Warehouse East")
    assert await places() == [(CODE, "Warehouse East")]


async def test_a_name_that_was_given_here_stays(database: None):
    await reach()
    await execute("UPDATE location SET name = 'Our store' WHERE shopify_location_id = $1", PLACE)
    await reach("Warehouse East")
    assert await places() == [(CODE, "Our store")]


async def test_a_name_is_cut_to_what_fits(database: None):
    await reach("W" * 300)
    assert await places() == [(CODE, "W" * 255)]
