"""Whether what stands here is what is so in the shop, after everything that it told."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from domains.catalog.proof import QUERIES
from tests.faults.endpoints import Connection
from tests.faults.shop import Shop
from tests.faults.shop_sending import Call
from tests.faults.shop_things import Product, Variant
from tests.inventory import laws

UNSETTLED = "SELECT count(*) FROM inbound_webhook WHERE state = 'pending'"
# Still hoped for: what waits for a thing that is here, for a SKU, or for nothing that has a name.
HOPED_FOR = """
    SELECT count(*) FROM inbound_webhook w WHERE state = 'parked' AND (
        awaits IS NULL OR reason = 'sku_taken'
        OR awaits IN (SELECT 'item:' || shopify_inventory_item_id FROM product)
        OR awaits IN (SELECT 'order:' || shopify_order_id FROM sales_order))
"""
STATES = (
    "SELECT state, coalesce(reason, '') AS reason, count(*) AS count FROM inbound_webhook GROUP BY 1, 2 ORDER BY 1, 2"
)
PARKED = "SELECT topic, subject, reason, awaits, detail FROM inbound_webhook WHERE state = 'parked'"
PRODUCTS = """
    SELECT shopify_variant_id AS variant, shopify_product_id AS product, shopify_inventory_item_id AS item, sku, name,
        price, compare_at_price, cost_price, brand, handle, is_active
    FROM product WHERE shopify_variant_id IS NOT NULL
"""
LEVELS = """
    SELECT p.shopify_inventory_item_id AS item, coalesce(l.shopify_location_id, 0) AS location, on_hand
    FROM stock_level s JOIN product p ON p.id = s.product JOIN location l ON l.id = s.location
    WHERE p.shopify_inventory_item_id IS NOT NULL AND on_hand > 0
"""
TOTALS = (
    "SELECT shopify_inventory_item_id AS item, inventory_quantity FROM product WHERE shopify_variant_id IS NOT NULL"
)
ORDERS = """
    SELECT o.shopify_order_id AS id, o.shopify_order_name AS name, o.status = 'cancelled' AS is_cancelled, o.total,
        (SELECT count(*) FROM sales_order_line l WHERE l.sales_order = o.id) AS lines,
        coalesce((SELECT sum(amount) FROM sales_refund r WHERE r.sales_order = o.id), 0) AS refunded
    FROM sales_order o WHERE o.source = 'shopify'
"""
BOOKED_TWICE = """
    SELECT reference, product_id, location, count(*) FROM stock_movement WHERE reason = 'shopify'
    GROUP BY 1, 2, 3 HAVING count(*) > 1
"""
# One that was parked with a part of its effect may be stale when it is tried again.
BOOKED_BY_NOBODY = """
    SELECT m.id, m.reference, w.topic, w.state, w.reason FROM stock_movement m
    LEFT JOIN inbound_webhook w ON m.reference = 'shopify-webhook:' || w.id
    WHERE m.reason = 'shopify'
        AND (w.state IS NULL OR w.state NOT IN ('processed', 'parked') AND w.attempts < 2 OR w.topic LIKE 'orders/%')
"""
MOVED_OTHERWISE = "SELECT reason, count(*) FROM stock_movement WHERE reason NOT IN ('shopify', 'import') GROUP BY 1"


# Those that hold whoever moves stock; levels are compared by the product's own proof.
LAWS = {
    **{f"proof of {law}": query for law, query in QUERIES.items()},
    "nothing is below zero": laws.NOTHING_IS_BELOW_ZERO,
    "the ledger of each level is a chain": laws.LEDGER_IS_A_CHAIN,
    "each version of a product is an event": laws.EVERY_VERSION_IS_AN_EVENT,
    "an order is told once": laws.EVERY_FACT_IS_TOLD_ONCE,
    "a webhook moves a level once": BOOKED_TWICE,
    "who moves stock had an effect, and is no order": BOOKED_BY_NOBODY,
    "nobody else moves stock": MOVED_OTHERWISE,
}


async def is_settled(connection: Connection) -> bool:
    """Nothing waits, but for things that will never come."""
    return not await connection.fetchval(UNSETTLED) and not await connection.fetchval(HOPED_FOR)


async def check_inbox(connection: Connection, shop: Shop, calls: Sequence[Call]) -> None:
    """Every webhook is here once, none is forged, none failed, and who waits waits for what the shop has removed."""
    told = {(call.webhook_id, call.topic) for call in calls if not call.is_forged}
    rows = await connection.fetch("SELECT webhook_id, topic FROM inbound_webhook")
    here = Counter((row["webhook_id"], row["topic"]) for row in rows)
    _is_nothing("stored twice, or forged", here - Counter(told))
    _is_nothing("lost", Counter(told) - here)
    states = {(row["state"], row["reason"]): row["count"] for row in await connection.fetch(STATES)}
    print(states)
    _is_nothing("pending or failed", [state for state in states if state[0] in {"pending", "failed"}])
    buried = {f"item:{item}" for item in shop.buried}
    hopeless = [dict(row) for row in await connection.fetch(PARKED) if row["awaits"] not in buried]
    _is_nothing("parked for ever", hopeless)


async def check_same(connection: Connection, shop: Shop) -> None:
    """Products, stock and orders are those of the shop."""
    expected = {variant.id: _row(product, variant) for product, variant in _variants(shop)}
    rows = await connection.fetch(PRODUCTS)
    here = {row["variant"]: dict(row) for row in rows}
    for _product, variant in _variants(shop):
        if variant.id in here and variant.cost is None and not variant.is_cost_told:
            here[variant.id]["cost_price"] = None
    _is_nothing("products differ", _differing(here, expected))
    assert len(rows) == len(expected), "a variant has several products"
    levels = {(row["item"], row["location"]): row["on_hand"] for row in await connection.fetch(LEVELS)}
    placed = {variant.item for _product, variant in _variants(shop) if variant.kind == "levels"}
    lying = {place: on_hand for place, on_hand in levels.items() if place[0] in placed}
    there = {place: available for place, available in shop.levels.items() if available > 0}
    _is_nothing("levels differ", _differing(lying, there))
    totals = {row["item"]: row["inventory_quantity"] for row in await connection.fetch(TOTALS)}
    counted = {variant.item: max(variant.quantity, 0) for _, variant in _variants(shop) if variant.kind == "counted"}
    _is_nothing("totals differ", _differing({item: totals[item] for item in counted}, counted))
    orders = {row["id"]: dict(row) for row in await connection.fetch(ORDERS)}
    _is_nothing("orders differ", _differing(orders, {order.id: _order(order) for order in shop.orders.values()}))


async def check_ledger(connection: Connection) -> None:
    for law, query in LAWS.items():
        _is_nothing(law, [dict(row) for row in await connection.fetch(query)][:5])


def _is_nothing(what: str, found: Collection[object]) -> None:
    assert not found, f"{what}: {found}"


def _variants(shop: Shop) -> list[tuple[Product, Variant]]:
    return [(product, variant) for product in shop.products.values() for variant in product.variants]


def _row(product: Product, variant: Variant) -> dict[str, Any]:
    """What must stand here; a first cost that is null is none either way."""
    return {
        "variant": variant.id,
        "product": product.id,
        "item": variant.item,
        "sku": variant.sku or f"shopify-{variant.id}",
        "name": product.name_of(variant),
        "price": Decimal(variant.price),
        "compare_at_price": None if variant.compare_at is None else Decimal(variant.compare_at),
        "cost_price": None if variant.cost is None else Decimal(variant.cost),
        "brand": "Alder",
        "handle": product.handle,
        "is_active": product.status in {"active", "unlisted"},
    }


def _order(order: Any) -> dict[str, Any]:
    return {
        "id": order.id,
        "name": order.name,
        "is_cancelled": order.is_cancelled,
        "total": order.total,
        "lines": len(order.lines),
        "refunded": sum(order.refunds.values()),
    }


def _differing(here: Mapping[Any, Any], there: Mapping[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    """(here, in the shop) of the first ten that differ, by field where there are some."""
    keys = [key for key in {**here, **there} if here.get(key) != there.get(key)][:10]
    return {key: _fields(here.get(key), there.get(key)) for key in keys}


def _fields(here: Any, there: Any) -> tuple[Any, Any]:
    if not isinstance(here, dict) or not isinstance(there, dict):
        return here, there
    names = [name for name in there if here[name] != there[name]]
    return {name: here[name] for name in names}, {name: there[name] for name in names}
