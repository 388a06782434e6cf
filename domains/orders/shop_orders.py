"""Orders that a Shopify shop took: recorded, cancelled and refunded here as the shop tells. They never move stock: what
they do to it the shop's own levels tell.

Lock order: the order's own row, then its delivery.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from domains.events import services as events
from domains.orders.sales import CANCEL, CANCEL_DELIVERY, NEXT_ID, get_order, name_cause, tell
from domains.orders.tables import SaleStatus
from lib.actor import Source
from piccolo_conf import execute, fetch, fetch_row, fetch_value, transaction

# Relies on sales_order_shopify_key.
FIND = "SELECT id, status, currency FROM sales_order WHERE shopify_order_id = $1 FOR NO KEY UPDATE"

RECORD = """
    INSERT INTO sales_order (id, number, status, customer_name, email, phone, shipping_address, currency, total, source,
                             shopify_order_id, shopify_order_name, shopify_shop, shopify_customer_id,
                             shopify_updated_at, placed_at)
    VALUES ($1, $2, 'placed', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""
# A product is that of the variant, or else of the SKU: a variant may have been made anew since. Relies on
# product_shopify_variant_key and product_sku_key.
RECORD_LINES = """
    INSERT INTO sales_order_line (sales_order, product, sku, name, unit_price, quantity)
    SELECT $1, coalesce((SELECT p.id FROM product p WHERE p.shopify_variant_id = l.variant),
                        (SELECT p.id FROM product p WHERE lower(p.sku) = lower(l.sku))),
           l.sku, l.name, l.price, l.quantity
    FROM unnest($2::bigint[], $3::text[], $4::text[], $5::numeric[], $6::int[])
        WITH ORDINALITY AS l (variant, sku, name, price, quantity, place)
    ORDER BY l.place
"""
TOUCH = "UPDATE sales_order SET shopify_updated_at = $2 WHERE id = $1"

# Relies on sales_refund_shopify_key.
REFUND = """
    INSERT INTO sales_refund (sales_order, shopify_refund_id, amount, note, lines, refunded_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (shopify_refund_id) DO NOTHING RETURNING id
"""

# Rely on sales_order_shopify_key, sales_order_shopify_customer, sales_order_shopify_shop and sales_refund_order.
NUMBERS = """
    SELECT id, number, shopify_order_id FROM sales_order WHERE shopify_order_id = ANY($1::bigint[]) ORDER BY id
"""
OF_CUSTOMER = "SELECT shopify_order_id FROM sales_order WHERE shopify_customer_id = $1 AND shopify_order_id IS NOT NULL"
OF_SHOP = """
    SELECT shopify_order_id FROM sales_order
    WHERE shopify_shop = $1 AND shopify_shop <> '' AND shopify_order_id IS NOT NULL
"""
FORGET = """
    UPDATE sales_order
    SET customer_name = '', email = '', phone = '', shipping_address = '', shopify_customer_id = NULL
    WHERE shopify_order_id = ANY($1::bigint[])
"""
FORGET_REFUND_NOTES = """
    UPDATE sales_refund SET note = '' WHERE note <> '' AND sales_order IN (
        SELECT id FROM sales_order WHERE shopify_order_id = ANY($1::bigint[]))
"""
# Relies on delivery_order. What is noted for whoever delivers may tell of where somebody lives.
FORGET_DELIVERY_NOTES = """
    UPDATE delivery SET notes = '' WHERE notes <> '' AND sales_order IN (
        SELECT id FROM sales_order WHERE shopify_order_id = ANY($1::bigint[]))
"""


class Person(msgspec.Struct, frozen=True):
    """Who bought; `shopify_id` is the shop's. Empty for somebody whom nobody knows, or nobody may."""

    shopify_id: int | None = None
    name: str = ""
    email: str = ""
    phone: str = ""
    address: str = ""


NOBODY = Person()


class ShopLine(msgspec.Struct, frozen=True):
    """`variant_id` is the shop's; `unit_price` is in cents and `quantity` from 1."""

    variant_id: int | None
    sku: str
    name: str
    unit_price: Decimal
    quantity: int


class ShopOrder(msgspec.Struct, frozen=True):
    """As a shop tells of it, in what our columns hold."""

    shopify_id: int
    name: str
    shop: str
    person: Person
    currency: str
    total: Decimal
    placed_at: datetime
    updated_at: datetime
    lines: tuple[ShopLine, ...]


class RefundedLine(msgspec.Struct, frozen=True):
    sku: str
    name: str
    quantity: int
    restocked: bool


class ShopRefund(msgspec.Struct, frozen=True):
    """`amount` is in the order's currency."""

    shopify_id: int
    amount: Decimal
    note: str
    lines: tuple[RefundedLine, ...]
    refunded_at: datetime


class Known(msgspec.Struct, frozen=True):
    """An order of a shop that is here, locked; `id` is ours."""

    id: int
    status: SaleStatus
    currency: str


class Numbered(msgspec.Struct, frozen=True):
    """Our id and number of an order, and the shop's id of it."""

    id: int
    number: str
    shopify_id: int


async def find(shopify_id: int) -> Known | None:
    """Locked until the open transaction ends."""
    row = await fetch_row(FIND, shopify_id)
    return None if row is None else Known(row["id"], SaleStatus(row["status"]), row["currency"])


async def record(order: ShopOrder) -> Known:
    """As one that is placed. Whoever calls this has looked for it, and holds its version."""
    order_id: int = await fetch_value(NEXT_ID)
    person = order.person
    async with transaction():
        await execute(
            RECORD,
            order_id,
            f"SO-{order_id:06}",
            person.name,
            person.email,
            person.phone,
            person.address,
            order.currency,
            order.total,
            Source.SHOPIFY,
            order.shopify_id,
            order.name,
            order.shop,
            person.shopify_id,
            order.updated_at,
            order.placed_at,
        )
        await execute(RECORD_LINES, order_id, *_columns(order.lines))
        await _tell("order.placed", order_id)
    return Known(order_id, SaleStatus.PLACED, order.currency)


async def cancel(order_id: int, cancelled_at: datetime, updated_at: datetime, note: str) -> bool:
    """Whether it was placed until now; its delivery is cancelled when it is still pending."""
    async with transaction():
        if await fetch_row(CANCEL, order_id, cancelled_at) is None:
            return False
        await execute(TOUCH, order_id, updated_at)
        await execute(CANCEL_DELIVERY, order_id, cancelled_at)
        await _tell("order.cancelled", order_id, note=note)
    return True


async def refund(order_id: int, given: ShopRefund) -> bool:
    """Whether it was not recorded before."""
    lines = msgspec.to_builtins(given.lines)
    listed = msgspec.json.encode(lines).decode()
    async with transaction():
        values = (given.shopify_id, given.amount, given.note, listed, given.refunded_at)
        refund_id = await fetch_value(REFUND, order_id, *values)
        if refund_id is None:
            return False
        told = {"id": refund_id, "shopify_refund_id": given.shopify_id, "amount": str(given.amount), "lines": lines}
        await _tell("order.refunded", order_id, refund=told)
    return True


async def find_numbers(shopify_ids: Collection[int]) -> list[Numbered]:
    """Of those that are here."""
    return [Numbered(*row) for row in await fetch(NUMBERS, list(shopify_ids))]


async def find_orders_of(customer_id: int) -> list[int]:
    """The shop's ids of the orders of a customer, by the shop's id of theirs."""
    return [row["shopify_order_id"] for row in await fetch(OF_CUSTOMER, customer_id)]


async def find_orders_at(shop: str) -> list[int]:
    """The shop's ids of all orders that it took."""
    return [row["shopify_order_id"] for row in await fetch(OF_SHOP, shop)]


async def forget_people(shopify_ids: Collection[int]) -> None:
    """Who bought, and what was noted of it: number, lines and amounts stay."""
    async with transaction():
        await execute(FORGET, list(shopify_ids))
        await execute(FORGET_REFUND_NOTES, list(shopify_ids))
        await execute(FORGET_DELIVERY_NOTES, list(shopify_ids))


def _columns(lines: Sequence[ShopLine]) -> tuple[list[object], ...]:
    """Of `RECORD_LINES`."""
    names = ShopLine.__struct_fields__
    return tuple([getattr(line, name) for line in lines] for name in names)


async def _tell(topic: str, order_id: int, **more: object) -> None:
    data = tell(await get_order(order_id, None)) | more
    await events.record(topic, subject=name_cause(order_id), data=data)
