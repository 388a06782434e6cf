"""Levels that somebody else counts: they are set to what is told, and never added to.

A level is told when `shopify_updated_at` stands in it. What was booked of a product before anybody told where it lies
was a guess: the first level that is told empties all the others.

The caller holds the product's row lock. Level, ledger and total change in one write of each: one version, one event.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from domains.catalog import low_stock
from domains.catalog.stock import Move, record_moves
from domains.catalog.tables import Reason
from piccolo_conf import execute, fetch, transaction

# Relies on stock_level_key (product, location), as the others do.
READ = "SELECT location, on_hand, shopify_updated_at IS NOT NULL AS is_told FROM stock_level WHERE product = $1"
MARK = """
    INSERT INTO stock_level (product, location, shopify_updated_at) VALUES ($1, $2, $3)
    ON CONFLICT (product, location) DO UPDATE SET shopify_updated_at = excluded.shopify_updated_at
"""
REMOVE = "DELETE FROM stock_level WHERE product = $1 AND location = $2"
ADD_TO_TOTAL = "UPDATE product SET inventory_quantity = inventory_quantity + $2 WHERE id = $1"

EMPTIED = "Shopify tells where it lies"


class Level(msgspec.Struct, frozen=True):
    on_hand: int
    is_told: bool


class Levels(msgspec.Struct, frozen=True):
    """Of one product, by location."""

    product_id: int
    by_location: Mapping[int, Level]

    @property
    def is_any_told(self) -> bool:
        return any(level.is_told for level in self.by_location.values())

    @property
    def total(self) -> int:
        return sum(level.on_hand for level in self.by_location.values())

    def on_hand(self, location_id: int) -> int:
        level = self.by_location.get(location_id)
        return 0 if level is None else level.on_hand

    def elsewhere(self, location_id: int | None) -> int:
        """Units that lie at all other locations."""
        return self.total - (0 if location_id is None else self.on_hand(location_id))


async def read_levels(product_id: int) -> Levels:
    rows = await fetch(READ, product_id)
    return Levels(product_id, {row["location"]: Level(row["on_hand"], row["is_told"]) for row in rows})


async def set_level(
    levels: Levels, location_id: int, on_hand: int, told_at: datetime, *, note: str, is_first: bool
) -> None:
    """`on_hand` units lie there. `is_first` empties all others; the caller has seen that the total is no more than
    2147483647 then."""
    is_new = location_id not in levels.by_location
    async with transaction():
        # What goes out comes first: its rows of the ledger stand above those of what comes in.
        moved = await _empty_others(levels, location_id) if is_first else 0
        moved += await _book([Move(levels.product_id, on_hand - levels.on_hand(location_id), location_id)], note)
        await execute(MARK, levels.product_id, location_id, told_at)
        await _add_to_total(levels.product_id, moved, is_reviewed=is_new)


async def remove_level(levels: Levels, location_id: int | None, *, note: str, is_first: bool) -> None:
    """Nothing lies there, and nothing is meant to; without a location nothing ever did."""
    async with transaction():
        moved = await _empty_others(levels, location_id) if is_first else 0
        if location_id is not None:
            moved += await _book([Move(levels.product_id, -levels.on_hand(location_id), location_id)], note)
            await execute(REMOVE, levels.product_id, location_id)
        await _add_to_total(levels.product_id, moved, is_reviewed=location_id in levels.by_location)


async def _empty_others(levels: Levels, location_id: int | None) -> int:
    others = [(other, level) for other, level in levels.by_location.items() if other != location_id]
    return await _book([Move(levels.product_id, -level.on_hand, other) for other, level in others], EMPTIED)


async def _book(moves: Iterable[Move], note: str) -> int:
    """By how much the total has to change."""
    real = [move for move in moves if move.delta]
    if real:
        await record_moves(real, reason=Reason.SHOPIFY, note=note)
    return sum(move.delta for move in real)


async def _add_to_total(product_id: int, moved: int, *, is_reviewed: bool) -> None:
    """A level that appears or vanishes decides by itself whether its product counts as one that was ever in stock."""
    if moved:
        await execute(ADD_TO_TOTAL, product_id, moved)
    if moved or is_reviewed:
        await low_stock.review([product_id])
