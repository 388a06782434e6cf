"""A shop to compare with, as its tests look at it."""

import asyncpg

from domains.shopify.reconciliation import Report
from domains.shopify.reconciling import reconcile
from piccolo_conf import fetch, fetch_row
from tests.shopify.shop import SimulatedShop

LEVELS = """
    SELECT p.sku, l.shopify_location_id, s.on_hand FROM stock_level s JOIN product p ON p.id = s.product
    JOIN location l ON l.id = s.location WHERE l.shopify_location_id IS NOT NULL AND p.shopify_variant_id IS NOT NULL
    ORDER BY 1, 2
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
