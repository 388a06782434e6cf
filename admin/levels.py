"""One product as the stock pages show it: where how much of it lies, and what moved it last."""

from collections.abc import Sequence

import asyncpg
import msgspec

from admin.pages import Form
from lib.errors import NotFound
from lib.filters import escape_like
from piccolo_conf import fetch, fetch_row
from settings import settings

SHOWN = 10
LONGEST_SKU = 200

PRODUCT = """
    SELECT id, sku, name, is_active, inventory_quantity AS total, coalesce(low_stock_threshold, $2) AS threshold
    FROM product WHERE {known}
"""
# Relies on product_sku_key.
BY_SKU = PRODUCT.format(known="lower(sku) = lower($1)")
BY_ID = PRODUCT.format(known="id = $1")

# Relies on product_search where the words are long enough.
ALIKE = """
    SELECT sku, name, inventory_quantity AS total FROM product WHERE (name || ' ' || sku) ILIKE $1 LIMIT $2
"""

LEVELS = """
    SELECT l.id, l.code, l.name, l.is_active, coalesce(s.on_hand, 0) AS on_hand
    FROM location l LEFT JOIN stock_level s ON s.location = l.id AND s.product = $1
    WHERE l.is_active OR s.on_hand > 0 ORDER BY l.is_default DESC, l.id
"""

# Relies on stock_movement_product.
MOVEMENTS = """
    SELECT m.occurred_at, m.sku, l.code AS location, m.delta, m.on_hand_after, m.reason, m.reference, m.note,
           u.username AS who
    FROM stock_movement m JOIN location l ON l.id = m.location LEFT JOIN users u ON u.id = m.actor_id
    WHERE m.product_id = $1 ORDER BY m.occurred_at DESC, m.id DESC LIMIT $2
"""


class Level(msgspec.Struct, frozen=True):
    id: int
    code: str
    name: str
    is_active: bool
    on_hand: int


class Shelf(msgspec.Struct, frozen=True):
    """A product and its level at every location, the default one first."""

    id: int
    sku: str
    name: str
    is_active: bool
    total: int
    threshold: int
    levels: Sequence[Level]
    movements: Sequence[asyncpg.Record]

    def find(self, location: str) -> Level | None:
        """By its id, as a form names it."""
        return next((level for level in self.levels if str(level.id) == location), None)


class NoSuchProduct(NotFound):
    """No product has this SKU, or these words in its name."""


async def find(form: Form) -> Shelf | None:
    """The product that a page is about, by `sku` or by `product`, its id; None when it asks for none.

    Raises NoSuchProduct.
    """
    sku, product_id = form.get("sku", "").strip(), form.get("product", "").strip()
    if not sku and not product_id:
        return None
    row = None
    if sku:
        row = await fetch_row(BY_SKU, sku, settings.low_stock_threshold)
    elif product_id.isdecimal() and len(product_id) < 10:
        row = await fetch_row(BY_ID, int(product_id), settings.low_stock_threshold)
    if row is None:
        raise NoSuchProduct
    return await _shape(row)


async def _shape(row: asyncpg.Record) -> Shelf:
    levels = [Level(**level) for level in await fetch(LEVELS, row["id"])]
    return Shelf(**row, levels=levels, movements=await fetch(MOVEMENTS, row["id"], SHOWN))


async def find_alike(words: str) -> Sequence[asyncpg.Record]:
    """Some whose name or SKU has these words."""
    if not (text := words.strip()[:LONGEST_SKU]):
        return []
    return await fetch(ALIKE, f"%{escape_like(text)}%", SHOWN)
