"""Notifications that stock is low: raised and resolved in sets, in the transaction of what changed it.

A product is low when its total is below its threshold, or below LOW_STOCK_THRESHOLD when it has none. Products that
are not offered, and those that have never been in stock, are not: a catalogue without quantities would fill the list.
At most one notification of a product is open (low_stock_notification_open), until the product is low no more.
"""

from collections.abc import Iterable, Sequence

from domains.events import services as events
from piccolo_conf import execute, fetch, transaction
from settings import settings

# Columns of a product that decide whether it is low: whoever writes one of them reviews the product.
DECISIVE = frozenset({"inventory_quantity", "low_stock_threshold", "is_active"})
# Products that are locked at once, so that an order waits for a moment only.
PIECE = 1_000

IS_LOW = """
    p.is_active AND p.inventory_quantity < coalesce(p.low_stock_threshold, $1)
    AND EXISTS (SELECT FROM stock_level l WHERE l.product = p.id)
"""

# Times are those of the clock: a transaction that waited for the product's lock began before the one it waited for.
REVIEW = f"""
    WITH reviewed AS MATERIALIZED (
        SELECT p.id, p.sku, p.name, p.inventory_quantity AS stock, coalesce(p.low_stock_threshold, $1) AS threshold,
               ({IS_LOW}) AS is_low
        FROM product p WHERE p.id = ANY($2::int[])
    ),
    resolved AS (
        UPDATE low_stock_notification n SET resolved_at = clock_timestamp()
        FROM reviewed r WHERE n.product = r.id AND n.resolved_at IS NULL AND NOT r.is_low
    )
    INSERT INTO low_stock_notification (product, sku, message, stock, threshold, created_at)
    SELECT id, sku, format('Stock for product %s is below %s. Current stock: %s.', name, threshold, stock),
           stock, threshold, clock_timestamp()
    FROM reviewed r
    WHERE is_low AND NOT EXISTS (
        SELECT FROM low_stock_notification n WHERE n.product = r.id AND n.resolved_at IS NULL)
    ORDER BY id
    ON CONFLICT (product) WHERE resolved_at IS NULL DO NOTHING
    RETURNING product, sku, message, stock, threshold
"""

# Reads the products once, and the few open notifications by low_stock_notification_open.
WRONG = f"""
    SELECT p.id FROM product p
    LEFT JOIN low_stock_notification n ON n.product = p.id AND n.resolved_at IS NULL
    WHERE (n.id IS NOT NULL) <> ({IS_LOW})
    ORDER BY p.id
"""

LOCK = "SELECT FROM product WHERE id = ANY($1::int[]) ORDER BY id FOR NO KEY UPDATE"

# Whoever deletes a product deletes its notifications, in an order of its own: never wait for one of them.
FORGET = """
    DELETE FROM low_stock_notification WHERE id IN (
        SELECT id FROM low_stock_notification WHERE resolved_at < now() - interval '90 days' FOR UPDATE SKIP LOCKED
    )
"""


def decides(columns: Iterable[str]) -> bool:
    """Whether writing these columns of a product may make it low, or low no more."""
    return not DECISIVE.isdisjoint(columns)


async def review(product_ids: Sequence[int]) -> int:
    """Raise and resolve for products that the open transaction has changed, or else locked; how many became low."""
    async with transaction():
        raised = await fetch(REVIEW, settings.low_stock_threshold, product_ids)
        if raised:
            facts = [(f"product:{row['product']}", row["product"], dict(row)) for row in raised]
            await events.record_all("inventory.low", facts)
    return len(raised)


async def review_all() -> int:
    """The same for the whole catalogue: behind what changed many products, and as a safety net.

    Finds what is wrong without a lock, and then looks again behind the locks of the products, a piece at a time.
    """
    wrong = [row["id"] for row in await fetch(WRONG, settings.low_stock_threshold)]
    return sum([await _review_locked(wrong[start : start + PIECE]) for start in range(0, len(wrong), PIECE)])


async def _review_locked(product_ids: Sequence[int]) -> int:
    async with transaction():
        # What a crash of the server loses is found again by the next check.
        await execute("SET LOCAL synchronous_commit = off")
        await execute(LOCK, product_ids)
        return await review(product_ids)


async def forget_old_notifications() -> None:
    """Those that were resolved more than 90 days ago."""
    await execute(FORGET)
