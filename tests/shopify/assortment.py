"""Products of a shop for tests: a lamp in brass and black, told minute by minute."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import msgspec

from domains.catalog.proof import find_differences
from piccolo_conf import execute, fetch, fetch_row
from tests.shopify.making import load, tell

LAMP = load("product")["id"]
BRASS, BLACK = (variant["id"] for variant in load("product")["variants"])
BRASS_ITEM, BLACK_ITEM = (variant["inventory_item_id"] for variant in load("product")["variants"])
START = datetime(2026, 3, 2, 15, tzinfo=UTC)

KNOW = """
    INSERT INTO shopify_version (kind, shopify_id, location_id, updated_at, triggered_at, is_removed)
    VALUES ($1, $2, $3, $4, $4, $5)
"""


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def lamp(at: int = 0, *variants: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The product as of a minute; of all its variants, or of these."""
    told = load("product") | {"updated_at": minute(at).isoformat()}
    if variants:
        gids = [{"admin_graphql_api_id": f"gid://shopify/ProductVariant/{variant['id']}"} for variant in variants]
        told |= {"variants": list(variants), "variant_gids": gids}
    return told | changes


def brass(**changes: Any) -> dict[str, Any]:
    variant: dict[str, Any] = load("product")["variants"][0]
    return variant | changes


def black(**changes: Any) -> dict[str, Any]:
    variant: dict[str, Any] = load("product")["variants"][1]
    return variant | changes


def numbered(number: int, **changes: Any) -> dict[str, Any]:
    """One of many variants."""
    own = {"id": 700_000 + number, "inventory_item_id": 800_000 + number, "sku": f"LAMP-{number}"}
    return brass(title=f"No. {number}", option1=f"No. {number}", **own | changes)


async def tell_lamp(
    client: httpx.AsyncClient, at: int = 0, *variants: dict[str, Any], topic: str = "update", **changes: Any
) -> asyncpg.Record:
    """The row of the inbox."""
    return await tell(client, f"products/{topic}", lamp(at, *variants, **changes), triggered_at=minute(at))


async def tell_gone(client: httpx.AsyncClient, at: int) -> asyncpg.Record:
    return await tell(client, "products/delete", load("product_deletion"), triggered_at=minute(at))


async def product_of(variant_id: int) -> asyncpg.Record:
    """The product here that stands for a variant."""
    row = await fetch_row("SELECT * FROM product WHERE shopify_variant_id = $1", variant_id)
    assert row is not None
    return row


async def skus() -> dict[str, bool]:
    """Whether each is offered."""
    rows = await fetch("SELECT sku, is_active FROM product ORDER BY sku")
    return {row["sku"]: row["is_active"] for row in rows}


async def know(kind: str, shopify_id: int, at: int, *, location_id: int = 0, is_removed: bool = False) -> None:
    """Of something that the shop told of, nothing else."""
    await execute(KNOW, kind, shopify_id, location_id, minute(at), is_removed)


def became(row: asyncpg.Record) -> list[str]:
    """What became of each thing that a webhook told of."""
    return [result["became"] for result in msgspec.json.decode(row["results"])]


def said(row: asyncpg.Record) -> tuple[str, str | None]:
    return row["state"], row["reason"]


async def assert_laws() -> None:
    assert await find_differences() == []
