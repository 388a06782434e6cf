"""Products held still for a booking by hand, with what lies of them where."""

from collections.abc import Sequence

import msgspec

from domains.catalog.references import refuse_unknown
from domains.catalog.stock import Locked, lock_products
from piccolo_conf import fetch

# Relies on stock_level_key (product, location).
LEVELS = "SELECT product, location, on_hand FROM stock_level WHERE product = ANY($1::int[])"


class Held(msgspec.Struct, frozen=True):
    """Products that nobody else books until the transaction ends; for each, what lies where."""

    products: dict[int, Locked]
    levels: dict[int, dict[int, int]]

    def on_hand(self, product_id: int, location_id: int | None) -> int:
        """At a location; without one, at all of them."""
        levels = self.levels[product_id]
        return sum(levels.values()) if location_id is None else levels.get(location_id, 0)


async def hold(product_ids: Sequence[int], field: str) -> Held:
    """Inside a transaction: two statements, whatever the number of products.

    `product_ids` are those of the lines, in their order, and `field` names a line's field ("lines[{}].product").
    Raises BadInput for every line whose product is not there.
    """
    unique = sorted(set(product_ids))
    products = await lock_products(unique)
    refuse_unknown((place for place, product_id in enumerate(product_ids) if product_id not in products), field)
    levels: dict[int, dict[int, int]] = {product_id: {} for product_id in unique}
    for row in await fetch(LEVELS, unique):
        levels[row["product"]][row["location"]] = row["on_hand"]
    return Held(products, levels)
