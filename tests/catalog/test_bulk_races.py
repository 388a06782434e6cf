"""Many products written at once while others delete, create and move what they stand on: nobody hears of a race."""

import asyncio

import httpx

from domains.catalog.proof import find_differences
from piccolo_conf import execute, fetch_value, transaction

SKUS = [f"R-{number}" for number in range(30)]
ROUNDS = 12


def rows(price: int) -> list[dict[str, object]]:
    return [{"sku": sku, "name": sku, "price": f"{price}.00", "stock": price} for sku in SKUS]


async def upsert_repeatedly(staff: httpx.AsyncClient, first: int) -> list[int]:
    return [(await staff.post("/api/products/bulk/", json=rows(first + turn))).status_code for turn in range(ROUNDS)]


async def test_products_deleted_in_between_are_made_again(staff: httpx.AsyncClient) -> None:
    writing = asyncio.gather(upsert_repeatedly(staff, 1), upsert_repeatedly(staff, 50))
    while not writing.done():
        await execute("DELETE FROM product WHERE id IN (SELECT id FROM product ORDER BY id FOR UPDATE)")
        await asyncio.sleep(0.005)
    assert {status for statuses in await writing for status in statuses} == {200}
    assert await find_differences() == []


async def test_creations_of_the_same_skus_do_not_make_it_give_up(staff: httpx.AsyncClient) -> None:
    async def create_one_by_one() -> set[int]:
        made = [await staff.post("/api/products/", json={"sku": sku, "name": sku}) for sku in SKUS]
        return {answer.status_code for answer in made}

    created, written = await asyncio.gather(create_one_by_one(), upsert_repeatedly(staff, 1))
    assert created <= {201, 409}
    assert set(written) == {200}


async def test_the_default_location_may_move_meanwhile(staff: httpx.AsyncClient) -> None:
    other = await fetch_value("INSERT INTO location (code, name) VALUES ('east', 'East') RETURNING id")
    main = await fetch_value("SELECT id FROM location WHERE is_default")
    writing = asyncio.gather(upsert_repeatedly(staff, 1), upsert_repeatedly(staff, 1))
    try:
        while not writing.done():
            for new in (other, main):
                async with transaction():
                    await execute("UPDATE location SET is_default = false WHERE is_default")
                    await execute("UPDATE location SET is_default = true WHERE id = $1", new)
        statuses = {status for found in await writing for status in found}
    finally:
        async with transaction():
            await execute("UPDATE location SET is_default = false WHERE is_default")
            await execute("UPDATE location SET is_default = true WHERE id = $1", main)
    assert statuses == {200}
    assert await find_differences() == []
