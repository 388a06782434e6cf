"""move_stock: level, ledger and total together, never below zero, in one lock order."""

import asyncio
import random

import asyncpg
import pytest

from domains.catalog.proof import find_differences
from domains.catalog.stock import Move, OutOfStock, move_stock
from domains.catalog.tables import Reason
from piccolo_conf import execute, fetch, fetch_value

pytestmark = pytest.mark.usefixtures("database")


async def make_product(sku: str, on_hand: int = 0) -> int:
    product_id: int = await fetch_value("INSERT INTO product (sku, name) VALUES ($1, $1) RETURNING id", sku)
    if on_hand:
        await move_stock([Move(product_id, on_hand)], reason=Reason.PURCHASE)
    return product_id


async def total(product_id: int) -> int:
    return int(await fetch_value("SELECT inventory_quantity FROM product WHERE id = $1", product_id))


async def test_a_move_writes_level_ledger_and_total() -> None:
    product_id = await make_product("A", 5)
    await move_stock([Move(product_id, -2)], reason=Reason.SALE, note="gift")
    rows = await fetch("SELECT sku, delta, on_hand_after, reason, note FROM stock_movement ORDER BY id")
    assert [tuple(row) for row in rows] == [("A", 5, 5, "purchase", ""), ("A", -2, 3, "sale", "gift")]
    assert (await total(product_id), await find_differences()) == (3, [])


async def test_below_zero_is_refused_with_what_is_available() -> None:
    product_id = await make_product("A", 5)
    with pytest.raises(OutOfStock, match="Only 5 of A are available, 6 were wanted"):
        await move_stock([Move(product_id, -6)], reason=Reason.SALE)
    assert await total(product_id) == 5


async def test_a_set_moves_as_a_whole_or_not_at_all() -> None:
    first, second = await make_product("A", 5), await make_product("B", 1)
    with pytest.raises(OutOfStock) as refused:
        await move_stock([Move(first, -1), Move(second, -2)], reason=Reason.SALE)
    assert refused.value.extra["items"][0]["sku"] == "B"
    assert (await total(first), await total(second)) == (5, 1)


async def test_two_moves_of_one_level_in_a_set_add_up() -> None:
    product_id = await make_product("A", 5)
    await move_stock([Move(product_id, -2), Move(product_id, -3)], reason=Reason.SALE)
    assert (await total(product_id), await find_differences()) == (0, [])


async def test_a_negative_move_of_one_location_takes_nothing_from_another() -> None:
    shop: int = await fetch_value("INSERT INTO location (code, name) VALUES ('shop', 'Shop') RETURNING id")
    product_id = await make_product("A", 5)
    await move_stock([Move(product_id, 2, shop)], reason=Reason.PURCHASE)
    with pytest.raises(OutOfStock):
        await move_stock([Move(product_id, -3, shop)], reason=Reason.SALE)
    assert await total(product_id) == 7


async def test_a_stock_change_is_one_version_and_one_event() -> None:
    product_id = await make_product("A")
    await move_stock([Move(product_id, 4)], reason=Reason.PURCHASE)
    rows = await fetch("SELECT changes::text FROM event WHERE topic = 'product.updated'")
    assert [row["changes"] for row in rows] == ['{"inventory_quantity": [0, 4]}']


async def test_many_tasks_never_oversell() -> None:
    product_id = await make_product("A", 20)
    results = await asyncio.gather(
        *(move_stock([Move(product_id, -1)], reason=Reason.SALE) for _ in range(50)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 20
    assert all(isinstance(result, OutOfStock) for result in results if result is not None)
    assert (await total(product_id), await find_differences()) == (0, [])


async def test_sets_in_any_order_do_not_deadlock() -> None:
    products = [await make_product(f"P{number}", 100) for number in range(6)]
    rng = random.Random(5)

    async def sell() -> None:
        await move_stock([Move(product_id, -1) for product_id in rng.sample(products, 4)], reason=Reason.SALE)

    await asyncio.gather(*(sell() for _ in range(40)))
    assert sum([await total(product_id) for product_id in products]) == 600 - 160
    assert await find_differences() == []


async def test_the_ledger_can_only_grow() -> None:
    await make_product("A", 5)
    for statement in ("UPDATE stock_movement SET delta = 1", "DELETE FROM stock_movement"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute(statement)


async def test_the_proof_finds_what_plain_sql_broke() -> None:
    product_id = await make_product("A", 5)
    await execute("UPDATE stock_level SET on_hand = 6")
    await execute("UPDATE product SET inventory_quantity = 7")
    found = [(it.product_id, it.on_hand, it.expected) for it in await find_differences()]
    assert found == [(product_id, 6, 5), (product_id, 7, 6)]


async def test_levels_leave_with_their_product_and_the_ledger_stays() -> None:
    await make_product("A", 5)
    await execute("DELETE FROM product")
    assert await fetch_value("SELECT count(*) FROM stock_level") == 0
    assert await fetch_value("SELECT count(*) FROM stock_movement") == 1
