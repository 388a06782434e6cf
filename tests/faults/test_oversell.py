"""R7: more buyers than stock, at two web processes at once; what is sold, cancelled and left adds up to the unit."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.harness import House, make_seed
from tests.faults.market import Market

LONGEST_SECONDS = 10
CANCELLED_SHARE = 0.3


async def buy(market: Market, product: int, times: int) -> Counter[int]:
    """Statuses of so many orders, one after the other."""
    return Counter([(await market.order(product))[0] for _ in range(times)])


async def buy_and_regret(market: Market, product: int, times: int) -> int:
    """Some orders are cancelled again, perhaps twice at once; the number of those that stand."""
    kept = 0
    for _ in range(times):
        status, order = await market.order(product)
        assert status in (201, 409), order
        if status == 201 and market.rng.random() < CANCELLED_SHARE:
            answers = await asyncio.gather(market.cancel(order["id"]), market.cancel(order["id"]))
            assert sorted(answers) == [200, 409]
        elif status == 201:
            kept += 1
    return kept


async def left(market: Market, product: int) -> int:
    return int(str(await market.house.ask("SELECT inventory_quantity FROM product WHERE id = $1", product)))


async def sell_out(market: Market, clients: int, stock: int, each: int = 5) -> float:
    """How many seconds that took."""
    product = await market.make_product("LAST", stock)
    began = time.monotonic()
    statuses = sum(await asyncio.gather(*(buy(market, product, each) for _ in range(clients))), Counter[int]())
    seconds = time.monotonic() - began
    print(f"{clients} clients, {each} orders each on a stock of {stock}: {dict(statuses)} in {seconds:.1f} s")
    assert statuses == {201: stock, 409: clients * each - stock}
    assert await left(market, product) == 0
    return seconds


async def sell_and_regret(market: Market, clients: int, stock: int, each: int = 5) -> float:
    """How many seconds that took."""
    product = await market.make_product("REGRET", stock)
    began = time.monotonic()
    kept = sum(await asyncio.gather(*(buy_and_regret(market, product, each) for _ in range(clients))))
    seconds = time.monotonic() - began
    unsold = await left(market, product)
    print(f"{kept} of {stock} sold and kept, {unsold} left, in {seconds:.1f} s")
    assert kept + unsold == stock
    assert (await buy(market, product, unsold + 1)) == Counter({201: unsold, 409: 1})
    return seconds


async def order_crosswise(market: Market, clients: int, each: int = 5) -> None:
    """Several products in any order, and the same ones backwards: who locks as written waits for ever."""
    products = [await market.make_product(f"CROSS-{number}", clients * each // 2) for number in range(8)]

    async def order_both_ways() -> None:
        for _ in range(each):
            some = market.rng.sample(products, 5)
            answers = await asyncio.gather(market.order(*some), market.order(*reversed(some)))
            for status, order in answers:
                assert status in (201, 409), order
                if status == 201 and market.rng.random() < CANCELLED_SHARE:
                    assert await market.cancel(order["id"]) == 200

    await asyncio.gather(*(order_both_ways() for _ in range(clients)))


async def run(directory: Path, clients: int, stock: int, *, is_timed: bool) -> None:
    with House(directory).running() as house:
        async with Market(house, make_seed(), processes=2) as market:
            taken = [await sell_out(market, clients, stock), await sell_and_regret(market, clients, stock)]
            assert not is_timed or max(taken) <= LONGEST_SECONDS
            await order_crosswise(market, clients // 5)
            await market.check()


@pytest.mark.timeout(300)
async def test_nothing_is_sold_twice(tmp_path: Path) -> None:
    await run(tmp_path, clients=40, stock=30, is_timed=False)


@pytest.mark.faults
@pytest.mark.parametrize("turn", range(3))
async def test_r7_two_hundred_clients_never_oversell(tmp_path: Path, turn: int) -> None:
    await run(tmp_path, clients=200, stock=100, is_timed=True)
