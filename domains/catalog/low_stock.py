"""Notifications that stock is low: raised and resolved in sets, in the transaction of what changed it.

A product is low when its total is below its threshold, or below LOW_STOCK_THRESHOLD when it has none. Products that
are not offered, and those that have never been in stock, are not: a catalogue without quantities would fill the list.
"""

from collections.abc import Sequence

from domains.events import services as events
from piccolo_conf import execute, fetch, transaction
from settings import settings

RAISE = """
    INSERT INTO low_stock_notification (product, sku, message, stock, threshold)
    SELECT p.id, p.sku, format('Stock for product %s is below %s. Current stock: %s.', p.name, t.threshold,
           p.inventory_quantity), p.inventory_quantity, t.threshold
    FROM product p, coalesce(p.low_stock_threshold, $1) AS t (threshold)
    WHERE p.inventory_quantity < t.threshold AND p.is_active
        AND EXISTS (SELECT FROM stock_level l WHERE l.product = p.id)
        AND NOT EXISTS (SELECT FROM low_stock_notification n WHERE n.product = p.id AND n.resolved_at IS NULL)
        {only}
    ORDER BY p.id
    ON CONFLICT (product) WHERE resolved_at IS NULL DO NOTHING
    RETURNING product, sku, message, stock, threshold
"""

RESOLVE = """
    UPDATE low_stock_notification n SET resolved_at = now()
    FROM product p
    WHERE n.product = p.id AND n.resolved_at IS NULL
        AND (p.inventory_quantity >= coalesce(p.low_stock_threshold, $1) OR NOT p.is_active) {only}
"""

ONLY_THESE = "AND p.id = ANY($2::int[])"


async def review(product_ids: Sequence[int]) -> int:
    """Raise and resolve for products whose stock, threshold or activity has changed; how many are newly low."""
    return await _review(ONLY_THESE, list(product_ids))


async def review_all() -> int:
    """For whatever changed stock in bulk, and as a safety net."""
    return await _review("")


async def _review(only: str, *values: object) -> int:
    """Told with the products locked, or about what another review will tell again."""
    threshold = settings.low_stock_threshold
    async with transaction():
        await execute(RESOLVE.format(only=only), threshold, *values)
        raised = await fetch(RAISE.format(only=only), threshold, *values)
        facts = [(f"product:{row['product']}", row["product"], {**row, "product": row["product"]}) for row in raised]
        if facts:
            await events.record_all("inventory.low", facts)
    return len(raised)
