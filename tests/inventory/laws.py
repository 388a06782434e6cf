"""What must always hold, as data-model.md says it: each law is a query for the rows that break it."""

from collections.abc import Awaitable, Callable, Sequence

import asyncpg

Ask = Callable[[str], Awaitable[Sequence[asyncpg.Record]]]

# A level that a shop tells may be empty from the start, and one that it has removed is gone: both have nothing.
LEVEL_IS_ITS_LEDGER = """
    SELECT coalesce(l.product, m.product_id) AS product, coalesce(l.location, m.location) AS location, on_hand, moved
    FROM stock_level l
    FULL JOIN (
        SELECT product_id, location, sum(delta) AS moved FROM stock_movement
        WHERE product_id IN (SELECT id FROM product) GROUP BY 1, 2
    ) AS m ON m.product_id = l.product AND m.location = l.location
    WHERE coalesce(l.on_hand, 0) <> coalesce(m.moved, 0)
"""

TOTAL_IS_ITS_LEVELS = """
    SELECT p.id, p.inventory_quantity, coalesce(sum(l.on_hand), 0) AS levels
    FROM product p LEFT JOIN stock_level l ON l.product = p.id
    GROUP BY p.id HAVING p.inventory_quantity <> coalesce(sum(l.on_hand), 0)
"""

NOTHING_IS_BELOW_ZERO = """
    SELECT product_id, location, on_hand_after FROM stock_movement WHERE on_hand_after < 0
    UNION ALL SELECT product, location, on_hand FROM stock_level WHERE on_hand < 0
"""

# By id, and so by time: along one level both grow together.
LEDGER_IS_A_CHAIN = """
    SELECT * FROM (
        SELECT id, product_id, location, delta, on_hand_after, occurred_at,
               coalesce(lag(on_hand_after) OVER level, 0) AS before, lag(occurred_at) OVER level AS earlier
        FROM stock_movement WINDOW level AS (PARTITION BY product_id, location ORDER BY id)
    ) AS m WHERE before + delta <> on_hand_after OR earlier > occurred_at OR delta = 0
"""

NOTIFIED_IFF_LOW = """
    SELECT p.id, p.sku, p.inventory_quantity, p.low_stock_threshold, p.is_active, n.id AS notification
    FROM product p LEFT JOIN low_stock_notification n ON n.product = p.id AND n.resolved_at IS NULL
    WHERE (n.id IS NOT NULL) <> (
        p.inventory_quantity < coalesce(p.low_stock_threshold, 5) AND p.is_active
        AND EXISTS (SELECT FROM stock_level l WHERE l.product = p.id))
"""

# Of products that were not deleted: what an order holds is what its lines say, or nothing when it is cancelled.
ORDER_HOLDS_ITS_LINES = """
    SELECT o.id, o.status, x.product, x.ordered, x.moved
    FROM sales_order o CROSS JOIN LATERAL (
        SELECT product, sum(ordered) AS ordered, sum(moved) AS moved FROM (
            SELECT product, quantity AS ordered, 0 AS moved FROM sales_order_line WHERE sales_order = o.id
            UNION ALL SELECT product_id, 0, delta FROM stock_movement WHERE reference = 'order:' || o.id
        ) AS both_sides WHERE product IN (SELECT id FROM product) GROUP BY product
    ) AS x
    WHERE o.shopify_order_id IS NULL AND x.moved <> CASE o.status WHEN 'cancelled' THEN 0 ELSE -x.ordered END
"""

# Also of deleted products: never more comes back than went out, wherever it comes back to.
RETURNED_AT_MOST_ONCE = """
    SELECT reference, product_id, sum(delta) FROM stock_movement
    WHERE reference LIKE 'order:%' GROUP BY 1, 2 HAVING sum(delta) > 0
"""

ORDER_COSTS_ITS_LINES = """
    SELECT o.id, o.total FROM sales_order o
    WHERE o.total IS DISTINCT FROM
        (SELECT sum(l.unit_price * l.quantity) FROM sales_order_line l WHERE l.sales_order = o.id)
"""

ORDER_FOLLOWS_ITS_DELIVERY = """
    SELECT o.id, o.status, d.status AS delivery FROM sales_order o
    LEFT JOIN delivery d ON d.sales_order = o.id AND d.status <> 'cancelled'
    WHERE o.status IN ('shipped', 'delivered') AND d.status IS DISTINCT FROM o.status
        OR o.status = 'placed' AND d.status NOT IN ('pending') OR o.status = 'cancelled' AND d.id IS NOT NULL
"""

RECEIVED_IS_ITS_RECEIPTS = """
    SELECT l.id, l.quantity, l.received_quantity, l.cancelled_quantity, coalesce(r.quantity, 0) AS receipts
    FROM purchase_order_line l
    LEFT JOIN (
        SELECT t.order_line, sum(t.quantity) AS quantity FROM receipt_line t JOIN receipt r ON r.id = t.receipt
        WHERE r.reversed_at IS NULL GROUP BY 1
    ) AS r ON r.order_line = l.id
    WHERE l.received_quantity <> coalesce(r.quantity, 0)
"""

RECEIPT_IS_ITS_LEDGER = """
    SELECT r.id, x.product, x.quantity, x.moved FROM receipt r CROSS JOIN LATERAL (
        SELECT product, sum(quantity) AS quantity, sum(moved) AS moved FROM (
            SELECT l.product, t.quantity, 0 AS moved
            FROM receipt_line t JOIN purchase_order_line l ON l.id = t.order_line WHERE t.receipt = r.id
            UNION ALL SELECT product_id, 0, delta FROM stock_movement WHERE reference = 'receipt:' || r.id
        ) AS both_sides WHERE product IN (SELECT id FROM product) GROUP BY product
    ) AS x
    WHERE x.moved <> CASE WHEN r.reversed_at IS NULL THEN x.quantity ELSE 0 END
"""

EVERY_FACT_IS_TOLD_ONCE = """
    SELECT o.id, o.status, e.topic, count(*) FROM sales_order o
    LEFT JOIN event e ON e.subject = 'order:' || o.id AND e.topic IN ('order.placed', 'order.cancelled')
    GROUP BY 1, 2, 3 HAVING count(e.id) <> 1 OR e.topic = 'order.cancelled' AND o.status <> 'cancelled'
"""

EVERY_VERSION_IS_AN_EVENT = """
    SELECT p.id, p.version, count(e.id) FROM product p
    LEFT JOIN event e ON e.product_id = p.id AND e.topic = 'product.updated'
    GROUP BY p.id HAVING p.version <> 1 + count(e.id)
"""

TRANSFERS_ADD_UP = """
    SELECT reference, product_id, sum(delta) FROM stock_movement
    WHERE reason = 'transfer' GROUP BY 1, 2 HAVING sum(delta) <> 0
"""

LAWS = {
    "each level is the sum of its movements": LEVEL_IS_ITS_LEDGER,
    "each total is the sum of its levels": TOTAL_IS_ITS_LEVELS,
    "nothing is below zero": NOTHING_IS_BELOW_ZERO,
    "the ledger of each level is a chain": LEDGER_IS_A_CHAIN,
    "a notification is open if and only if stock is low": NOTIFIED_IFF_LOW,
    "an order holds what its lines say, or nothing once it is cancelled": ORDER_HOLDS_ITS_LINES,
    "stock comes back at most once": RETURNED_AT_MOST_ONCE,
    "an order costs what its lines cost": ORDER_COSTS_ITS_LINES,
    "an order is as far as its delivery": ORDER_FOLLOWS_ITS_DELIVERY,
    "what was received is what its receipts say": RECEIVED_IS_ITS_RECEIPTS,
    "a receipt is in the ledger, or reversed there": RECEIPT_IS_ITS_LEDGER,
    "an order's placing and cancelling are told once": EVERY_FACT_IS_TOLD_ONCE,
    "each version of a product is an event": EVERY_VERSION_IS_AN_EVENT,
    "what a transfer takes it brings": TRANSFERS_ADD_UP,
}


async def broken_laws(ask: Ask) -> list[str]:
    """Each broken law with the first rows that break it."""
    found = [(law, await ask(query)) for law, query in LAWS.items()]
    return [f"{law}: {[dict(row) for row in rows[:5]]}" for law, rows in found if rows]
