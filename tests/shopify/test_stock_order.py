"""Webhooks come late, twice and in any order: what is here in the end is what the shop told last."""

import asyncio
import random
from collections.abc import Sequence
from contextvars import Context
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import UNSET

from domains.catalog.proof import find_differences
from domains.shopify import inbox, items, jobs
from domains.shopify.versions import Version
from domains.shopify.webhooks import Told
from lib import clock
from piccolo_conf import execute, fetch, fetch_value, transaction
from tests.inventory.laws import LAWS
from tests.shopify.making import SHOP, inbox_rows, load, send, settle
from tests.shopify.stocking import CODE, ITEM, OTHER_CODE, OTHER_PLACE, PLACE, gone, level, minute

CODES = {PLACE: CODE, OTHER_PLACE: OTHER_CODE}
STOCK_LAWS = ["each total is the sum of its levels", "nothing is below zero", "the ledger of each level is a chain"]


class News(msgspec.Struct, frozen=True):
    """What the shop tells at a minute. `quantity` is that of a product or a level; a level that is gone has none."""

    at: int
    topic: str
    quantity: int | None = None
    place: int = 0
    sku: str = ""

    def payload(self) -> dict[str, Any]:
        if self.topic == "inventory_levels/update":
            return level(self.quantity, self.at, place=self.place)
        if self.topic == "inventory_levels/disconnect":
            return gone(self.place)
        if self.topic == "products/update":
            return product_payload(self)
        times = {"updated_at": minute(self.at).isoformat()}
        return load("inventory_item") | times | {"sku": self.sku, "cost": str(self.at)}


def product_payload(news: News) -> dict[str, Any]:
    variant = {
        "id": 17,
        "title": "Default Title",
        "sku": news.sku or "LAMP",
        "price": "30.00",
        "inventory_item_id": ITEM,
        "inventory_quantity": news.quantity,
        "inventory_management": "shopify",
    }
    return {"id": 7, "title": "Lamp", "updated_at": minute(news.at).isoformat(), "variants": [variant]}


def make_stock_news(chance: random.Random) -> list[News]:
    """A life of a product, in its order: a product, and then anything."""
    story = [News(0, "products/update", chance.randint(-2, 9))]
    kinds = ["products/update", "inventory_levels/update", "inventory_levels/update", "inventory_levels/disconnect"]
    for at in range(1, chance.randint(2, 9)):
        topic = chance.choice(kinds)
        is_null = topic == "inventory_levels/update" and chance.random() < 0.2
        quantity = None if is_null or topic == "inventory_levels/disconnect" else chance.randint(-3, 9)
        story.append(News(at, topic, quantity, chance.choice([PLACE, OTHER_PLACE])))
    return story


def make_sku_news(chance: random.Random) -> list[News]:
    topics = ["products/update", *chance.choices(["products/update", "inventory_items/update"], k=6)]
    return [News(at, topic, sku=f"LAMP-{at}") for at, topic in enumerate(topics)]


def what_lies_where(story: Sequence[News]) -> dict[str, int]:
    """In the end, by the codes of the locations, without those where nothing lies."""
    levels: dict[str, int] = {}
    told = [news for news in story if news.topic != "products/update"]
    real = [news for news in told if news.quantity is not None or news.topic == "inventory_levels/disconnect"]
    for news in real:
        levels[CODES[news.place]] = max(0, news.quantity or 0)
    if not real:
        levels["main"] = max(0, [news for news in story if news.topic == "products/update"][-1].quantity or 0)
    return {code: on_hand for code, on_hand in levels.items() if on_hand}


async def live_through(client: httpx.AsyncClient, story: Sequence[News], chance: random.Random) -> None:
    """Each is told one to three times, in any order, and the workers work meanwhile."""
    told = [news for news in story for _time in range(chance.randint(1, 3))]
    chance.shuffle(told)
    for news in told:
        await send(client, news.topic, news.payload(), triggered_at=minute(news.at))
        if chance.random() < 0.3:
            await settle()
    await settle_all()


async def settle_all() -> None:
    """Also what came too early and waits."""
    for _turn in range(3):
        await settle()
        await inbox.wake_known()
    assert {row["state"] for row in await inbox_rows()} <= {"processed", "ignored"}


async def levels_now() -> dict[str, int]:
    rows = await fetch("SELECT code, on_hand FROM stock_level s JOIN location l ON l.id = s.location WHERE on_hand > 0")
    return {row["code"]: row["on_hand"] for row in rows}


@pytest.mark.parametrize("seed", range(16))
async def test_in_any_order_the_stock_is_what_was_told_last(client: httpx.AsyncClient, seed: int):
    chance = random.Random(seed)
    story = make_stock_news(chance)
    await live_through(client, story, chance)
    assert await levels_now() == what_lies_where(story)
    assert await find_differences() == []
    assert {name: await fetch(LAWS[name]) for name in STOCK_LAWS} == {name: [] for name in STOCK_LAWS}


@pytest.mark.parametrize("seed", range(8))
async def test_in_any_order_sku_and_cost_are_those_told_last(client: httpx.AsyncClient, seed: int):
    chance = random.Random(seed)
    story = make_sku_news(chance)
    await live_through(client, story, chance)
    assert await fetch_value("SELECT sku FROM product") == story[-1].sku
    costs = [news.at for news in story if news.topic == "inventory_items/update"]
    assert await fetch_value("SELECT cost_price FROM product") == (costs[-1] if costs else None)


@pytest.mark.parametrize("turn", range(4))
async def test_a_product_and_its_level_at_once_end_with_the_level(client: httpx.AsyncClient, turn: int):
    await send(client, "products/update", News(0, "products/update", 1).payload(), triggered_at=minute(0))
    await settle_all()
    for news in (News(1, "products/update", 9), News(1, "inventory_levels/update", 4, PLACE)):
        await send(client, news.topic, news.payload(), triggered_at=minute(1))
    await asyncio.gather(*(jobs.work_one() for _worker in range(4)))
    await settle_all()
    assert await levels_now() == {CODE: 4}
    assert await find_differences() == []


@pytest.mark.parametrize("turn", range(4))
async def test_a_new_product_and_its_level_at_once_end_with_the_level(client: httpx.AsyncClient, turn: int):
    for news in (News(1, "inventory_levels/update", 4, PLACE), News(0, "products/update", 9)):
        await send(client, news.topic, news.payload(), triggered_at=minute(news.at))
    await asyncio.gather(*(jobs.work_one() for _worker in range(4)))
    await execute("UPDATE inbound_webhook SET next_attempt_at = $1 WHERE state = 'parked'", clock.now())
    await settle_all()
    assert await levels_now() == {CODE: 4}
    assert await find_differences() == []


async def test_a_product_that_meets_a_newer_item_leaves_its_sku(client: httpx.AsyncClient):
    await send(client, "products/update", News(0, "products/update", 1).payload(), triggered_at=minute(0))
    await settle_all()
    older = News(5, "products/update", 1, sku="LAMP-5")
    await send(client, older.topic, older.payload(), triggered_at=minute(5))
    newer = Told(SHOP, Version(minute(9), minute(9)))

    async with asyncio.TaskGroup() as tasks, transaction():
        await items.save_item(ITEM, sku="LAMP-9", cost=UNSET, told=newer)
        tasks.create_task(work_one(), context=Context())
        await asyncio.sleep(0.3)  # The product has come as far as it can.

    assert await fetch_value("SELECT sku FROM product") == "LAMP-9"


async def work_one() -> None:
    assert await jobs.work_one()
