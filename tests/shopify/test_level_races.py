"""Two workers that are told of one product at once count everything once."""

import asyncio

import httpx

from domains.catalog.proof import find_differences
from domains.shopify import jobs, levels
from domains.shopify.outcomes import Outcome
from domains.shopify.versions import Version
from domains.shopify.webhooks import Told
from piccolo_conf import transaction
from tests.catalog.making import make_product
from tests.shopify.making import SHOP
from tests.shopify.stocking import (
    CODE,
    ITEM,
    OTHER_CODE,
    OTHER_PLACE,
    PLACE,
    link,
    make_linked,
    minute,
    movements,
    send_level,
    told_levels,
)


async def test_ten_levels_at_once_end_with_the_newest(client: httpx.AsyncClient):
    await make_linked()
    for at in (3, 9, 1, 7, 10, 2, 8, 4, 6, 5):
        await send_level(client, at, at=at)
    await asyncio.gather(*(work_all() for _worker in range(4)))
    assert await told_levels() == {CODE: 10}
    assert await find_differences() == []


async def test_the_same_level_from_two_workers_counts_once(client: httpx.AsyncClient):
    await make_linked()
    for _time in range(4):
        await send_level(client, 7)
    await asyncio.gather(*(work_all() for _worker in range(4)))
    assert [delta for _code, delta, *_rest in await movements()] == [7]


async def test_two_first_levels_at_once_both_count(client: httpx.AsyncClient, admin: httpx.AsyncClient):
    lamp = (await make_product(admin, inventory_quantity=20))["id"]
    await link(lamp)
    told = [save(PLACE, 7), save(OTHER_PLACE, 3)]
    outcomes = await asyncio.gather(*told)
    assert [outcome.state for outcome in outcomes] == ["processed", "processed"]
    assert await told_levels() == {"main": 0, CODE: 7, OTHER_CODE: 3}
    assert await find_differences() == []


async def save(place: int, available: int) -> Outcome:
    async with transaction():
        return await levels.set_level(ITEM, place, available, Told(SHOP, Version(minute(1), minute(1))))


async def work_all() -> None:
    while await jobs.work_one():
        pass
