"""A shop to compare with, as its tests look at it."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import asyncpg

from domains.catalog.proof import find_differences
from domains.shopify.admin_api import ShopUnavailable
from domains.shopify.reconciliation_report import Report
from domains.shopify.reconciling import reconcile
from piccolo_conf import execute, fetch, fetch_row, fetch_value
from tests.shopify.shop import SimulatedShop
from tests.shopify.shop_server import ShopServer

LEVELS = """
    SELECT p.sku, l.shopify_location_id, s.on_hand FROM stock_level s JOIN product p ON p.id = s.product
    JOIN location l ON l.id = s.location WHERE l.shopify_location_id IS NOT NULL AND p.shopify_variant_id IS NOT NULL
    ORDER BY 1, 2
"""
GROW_OLD = """
    UPDATE shopify_reconciliation SET started_at = started_at - $1::interval, moved_at = moved_at - $1::interval,
        progress = jsonb_set(progress, '{since}', to_jsonb((progress ->> 'since')::timestamptz - $1::interval))
    WHERE id = (SELECT max(id) FROM shopify_reconciliation)
"""
GROW_OLD_TOO = """
    WITH listed AS (
        UPDATE shopify_listed SET given_updated_at = given_updated_at - $1::interval,
            given_triggered_at = given_triggered_at - $1::interval
    )
    UPDATE shopify_version SET updated_at = updated_at - $1::interval, triggered_at = triggered_at - $1::interval
"""


def place_of(shop: SimulatedShop) -> int:
    return next(iter(shop.locations))


async def levels() -> list[tuple[str, int, int]]:
    return [tuple(row) for row in await fetch(LEVELS)]


async def last_row() -> asyncpg.Record:
    row = await fetch_row("SELECT * FROM shopify_reconciliation ORDER BY id DESC LIMIT 1")
    assert row is not None
    return row


async def compare() -> list[tuple[str, str]]:
    """What differs now, and in which field."""
    report = await reconcile(dry_run=True)
    return [(it.sku, it.field) for it in report.differences]


def fields_of(report: Report) -> set[str]:
    return {it.field.partition("@")[0] for it in report.differences}


class Killed(BaseException):
    """As sudden as kill -9, as far as the database can tell."""


@contextlib.contextmanager
def killing(statement: int) -> Iterator[None]:
    """What this task does inside ends before the statement with this number."""
    task, whole, left = asyncio.current_task(), asyncpg.Connection._execute, statement

    async def execute(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= asyncio.current_task() is task
        if left == 0:
            left = -1
            raise Killed
        return await whole(self, *args, **kwargs)

    asyncpg.Connection._execute = execute
    try:
        with contextlib.suppress(Killed):
            yield
    finally:
        asyncpg.Connection._execute = whole


async def reconcile_until_away(server: ShopServer, answers: int) -> None:
    """The shop is away after so many answers, and there again behind it."""
    server.answers_left = answers
    with contextlib.suppress(ShopUnavailable):
        await reconcile(dry_run=False)
    server.answers_left = float("inf")


async def grow_old(hours: float) -> None:
    """The last comparison was at work so long before, and what it wrote is as old."""
    await execute(GROW_OLD, timedelta(hours=hours))
    await execute(GROW_OLD_TOO, timedelta(hours=hours))


async def check_same(shop: SimulatedShop) -> None:
    """Everything is as in the shop, and nothing is left of the way there."""
    assert await compare() == []
    assert await find_differences() == []
    skus = {item.item_id: item.sku or "" for item in shop.items.values()}
    expected = [(skus[item], place, max(0, it.available)) for (place, item), it in shop.levels.items()]
    assert await levels() == sorted(level for level in expected if level[1] in shop.locations)
    linked = await fetch("SELECT shopify_variant_id AS id FROM product WHERE shopify_variant_id IS NOT NULL")
    assert {row["id"] for row in linked} == set(shop.items)
    assert await fetch_value("SELECT count(*) FROM shopify_listed") == 0
