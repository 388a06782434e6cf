"""Items and levels as the shop tells of them, and what then lies where."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx

from piccolo_conf import execute, fetch, fetch_row, fetch_value
from tests.shopify.making import load, send, tell

ITEM, PLACE = load("inventory_level")["inventory_item_id"], load("inventory_level")["location_id"]
OTHER_PLACE = PLACE + 1
CODE, OTHER_CODE = f"shopify-{PLACE}", f"shopify-{OTHER_PLACE}"
START = datetime(2026, 3, 2, 12, tzinfo=UTC)

INSERT = """
    INSERT INTO product (sku, name, slug, shopify_product_id, shopify_variant_id, shopify_inventory_item_id)
    VALUES ($1, $1, '', $2, $2, $2) RETURNING id
"""
BURY = """
    INSERT INTO shopify_version (kind, shopify_id, updated_at, triggered_at, is_removed)
    VALUES ('item', $1, $2, $2, true)
"""


def minute(number: int) -> datetime:
    """Times of the shop, far enough from each other to tell which is newer."""
    return START + timedelta(minutes=number)


async def make_linked(sku: str = "LAMP-BRASS", item: int = ITEM) -> int:
    """The id of a product that stands for an item of the shop."""
    product_id: int = await fetch_value(INSERT, sku, item)
    return product_id


async def link(product_id: int, item: int = ITEM) -> None:
    await execute("UPDATE product SET shopify_inventory_item_id = $2 WHERE id = $1", product_id, item)


async def bury(item: int = ITEM) -> None:
    """The shop has removed it."""
    await execute(BURY, item, minute(0))


def level(available: int | None, at: int = 1, *, place: int = PLACE, item: int = ITEM) -> dict[str, Any]:
    """The payload of what lies where, `at` so many minutes."""
    ids = {"inventory_item_id": item, "location_id": place}
    return load("inventory_level") | ids | {"available": available, "updated_at": minute(at).isoformat()}


def gone(place: int = PLACE, item: int = ITEM) -> dict[str, Any]:
    """The payload of a disconnected level."""
    return {"inventory_item_id": item, "location_id": place}


async def tell_level(client: httpx.AsyncClient, available: int | None, at: int = 1, **where: int) -> asyncpg.Record:
    return await tell(client, "inventory_levels/update", level(available, at, **where), triggered_at=minute(at))


async def send_level(client: httpx.AsyncClient, available: int | None, at: int = 1, **where: int) -> None:
    """Nothing is processed yet."""
    await send(client, "inventory_levels/update", level(available, at, **where), triggered_at=minute(at))


async def tell_gone(client: httpx.AsyncClient, at: int = 1, **where: int) -> asyncpg.Record:
    return await tell(client, "inventory_levels/disconnect", gone(**where), triggered_at=minute(at))


async def tell_item(client: httpx.AsyncClient, at: int = 1, topic: str = "update", **fields: Any) -> asyncpg.Record:
    payload = load("inventory_item") | {"updated_at": minute(at).isoformat()} | fields
    return await tell(client, f"inventory_items/{topic}", payload, triggered_at=minute(at))


async def told_levels() -> dict[str, int]:
    """What lies where, by the codes of the locations."""
    rows = await fetch("SELECT code, on_hand FROM stock_level s JOIN location l ON l.id = s.location")
    return {row["code"]: row["on_hand"] for row in rows}


async def movements() -> list[tuple[str, int, str, str]]:
    """(location, delta, reason, note), as they came."""
    rows = await fetch(
        "SELECT code, delta, reason, note FROM stock_movement m JOIN location l ON l.id = m.location ORDER BY m.id"
    )
    return [tuple(row) for row in rows]


async def product(product_id: int) -> asyncpg.Record:
    row = await fetch_row("SELECT * FROM product WHERE id = $1", product_id)
    assert row is not None
    return row


def said(row: asyncpg.Record) -> tuple[str, str | None]:
    """State and reason of a webhook."""
    return row["state"], row["reason"]
