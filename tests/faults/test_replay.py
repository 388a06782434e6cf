"""R8: one Idempotency-Key from fifty clients at once, and replayed after the web process died with the first answer."""

import asyncio
import contextlib
from collections import Counter
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from tests.faults.harness import House, free_port, kill, make_seed, until
from tests.faults.market import Json, Market

LONGEST_IN_FLIGHT_SECONDS = 10


async def orders(house: House) -> int:
    return int(str(await house.ask("SELECT count(*) FROM sales_order")))


async def ask_all_at_once(market: Market, product: int, clients: int) -> None:
    """One effect, one body; who comes while the first is at work may be told so."""
    before, key = await orders(market.house), uuid4().hex
    answers = await asyncio.gather(*(market.order(product, key=key) for _ in range(clients)))
    statuses = Counter(status for status, _ in answers)
    print(f"{clients} clients with one key: {dict(statuses)}")
    assert statuses[201] >= 1
    assert statuses[201] + statuses[409] == clients
    assert all(answer["code"] == "idempotency_key_in_use" for status, answer in answers if status == 409)
    first = next(answer for status, answer in answers if status == 201)
    assert all(answer == first for status, answer in answers if status == 201)
    assert await market.order(product, key=key) == (201, first)
    assert (await market.order(product, product, key=key))[0] == 422
    assert await orders(market.house) == before + 1


async def order_until_answered(market: Market, product: int, key: str) -> Json:
    """As a client does that lost its answer: again with the same key, also while the dead one's transaction ends."""
    async with asyncio.timeout(LONGEST_IN_FLIGHT_SECONDS):
        while True:
            status, answer = await market.order(product, key=key)
            if status == 201:
                return answer
            assert status == 409, answer
            await asyncio.sleep(0.05)


async def die_before_answering(market: Market, product: int) -> None:
    port, before, key = free_port(), await orders(market.house), uuid4().hex
    web = await asyncio.to_thread(market.house.start_web, port, "tests.faults.dying:app")
    headers = {"Authorization": f"Bearer {market.tokens['carla']}", "Idempotency-Key": key, "Die": "before-answer"}
    body = {"lines": [{"product": product, "quantity": 1}]}
    with pytest.raises(aiohttp.ClientError):
        await market.session.post(f"http://127.0.0.1:{port}/api/sales-orders/", json=body, headers=headers)
    await asyncio.to_thread(web.wait)
    assert await orders(market.house) == before + 1, "it must die behind the commit"
    answer = await order_until_answered(market, product, key)
    assert answer["id"] == await market.house.ask("SELECT max(id) FROM sales_order")
    assert await orders(market.house) == before + 1


async def die_anywhere(market: Market, product: int, turns: int) -> None:
    """Killed in the middle of twenty requests at once; afterwards each key has had one effect."""
    for _ in range(turns):
        port, before = free_port(), await orders(market.house)
        web = await asyncio.to_thread(market.house.start_web, port)
        keys, some = [uuid4().hex for _ in range(20)], market.rng.randrange(20)
        asked = [asyncio.create_task(order_from(market, port, product, key)) for key in keys]
        await until(lambda start=before, more=some: _are_placed(market.house, start + more), 30)
        await asyncio.to_thread(kill, web)
        heard = [order for order in await asyncio.gather(*asked) if order]
        done = await orders(market.house) - before
        replayed = await asyncio.gather(*(order_until_answered(market, product, key) for key in keys))
        print(f"killed with {len(heard)} of 20 answered and {done} done")
        assert all(order in replayed for order in heard)
        assert await orders(market.house) == before + 20


async def _are_placed(house: House, number: int) -> bool:
    return await orders(house) >= number


async def order_from(market: Market, port: int, product: int, key: str) -> Json | None:
    headers = {"Authorization": f"Bearer {market.tokens['carla']}", "Idempotency-Key": key}
    url, body = f"http://127.0.0.1:{port}/api/sales-orders/", {"lines": [{"product": product, "quantity": 1}]}
    with contextlib.suppress(aiohttp.ClientError):
        async with market.session.post(url, json=body, headers=headers) as answer:
            return await answer.json() if answer.status == 201 else None
    return None


async def run(directory: Path, rounds: int, kills: int) -> None:
    with House(directory).running() as house:
        async with Market(house, make_seed(), processes=2) as market:
            product = await market.make_product("ONE", 10_000)
            for _ in range(rounds):
                await ask_all_at_once(market, product, 50)
            await die_before_answering(market, product)
            await die_anywhere(market, product, kills)
            await market.check()


@pytest.mark.timeout(300)
async def test_a_lost_answer_is_replayed_and_nothing_happens_twice(tmp_path: Path) -> None:
    await run(tmp_path, rounds=2, kills=2)


@pytest.mark.faults
async def test_r8_one_key_one_effect(tmp_path: Path) -> None:
    await run(tmp_path, rounds=20, kills=30)
