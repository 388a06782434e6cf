"""What moved and why: sales, their deliveries, purchases and their receipts.

Lines keep SKU, name and price as they were; products may go.
"""

from decimal import Decimal
from enum import StrEnum

from piccolo.columns import JSONB, BigInt, Date, ForeignKey, Integer, Numeric, Serial, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete
from piccolo.columns.defaults import DateNow, TimestamptzNow
from piccolo.table import Table

from domains.accounts.tables import User
from domains.catalog.tables import Location, Product
from lib.actor import Source


class SaleStatus(StrEnum):
    """placed → shipped → delivered, as its delivery goes; placed → cancelled."""

    PLACED = "placed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class DeliveryStatus(StrEnum):
    """pending → shipped → delivered; pending | shipped → cancelled."""

    PENDING = "pending"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class PurchaseStatus(StrEnum):
    """ordered → partly_received → received; what was not received can be cancelled."""

    ORDERED = "ordered"
    PARTLY_RECEIVED = "partly_received"
    RECEIVED = "received"
    CANCELLED = "cancelled"


class SalesOrder(Table):
    """`total` is the sum of its lines; for an order of a Shopify shop it is what the shop says. Nothing but its status
    changes after placing."""

    id: Serial
    number = Varchar(length=20, unique=True)
    status = Varchar(length=20, default=SaleStatus.PLACED, choices=SaleStatus)
    customer = ForeignKey(User, null=True, default=None, on_delete=OnDelete.set_null)
    customer_name = Varchar(length=255, default="")
    email = Varchar(length=255, default="")
    phone = Varchar(length=50, default="")
    shipping_address = Text(default="")
    currency = Varchar(length=3)
    total = Numeric(digits=(12, 2))
    source = Varchar(length=20, choices=Source)
    shopify_order_id = BigInt(null=True, default=None)
    shopify_updated_at = Timestamptz(null=True, default=None)
    shopify_order_name = Varchar(length=100, default="")
    shopify_shop = Varchar(length=255, default="")
    shopify_customer_id = BigInt(null=True, default=None)
    placed_at = Timestamptz(default=TimestamptzNow())
    cancelled_at = Timestamptz(null=True, default=None)


class SalesOrderLine(Table):
    id: Serial
    sales_order = ForeignKey(SalesOrder, null=False, on_delete=OnDelete.cascade)
    product = ForeignKey(Product, null=True, default=None, on_delete=OnDelete.set_null)
    sku = Varchar(length=255)
    name = Varchar(length=500)
    unit_price = Numeric(digits=(12, 2))
    quantity = Integer()


class SalesRefund(Table):
    """Money that a Shopify shop gave back for an order, in its currency; what came back into stock the shop's levels
    tell. `lines` is [{"sku", "name", "quantity", "restocked"}]."""

    id: Serial
    sales_order = ForeignKey(SalesOrder, null=False, on_delete=OnDelete.cascade)
    shopify_refund_id = BigInt()
    amount = Numeric(digits=(12, 2))
    note = Text(default="")
    lines = JSONB(default="[]")
    refunded_at = Timestamptz()


class Delivery(Table):
    """One sales order has at most one that is not cancelled. `cost` is in the order's currency."""

    id: Serial
    sales_order = ForeignKey(SalesOrder, null=False, on_delete=OnDelete.cascade)
    tracking_number = Varchar(length=100, null=True, default=None)
    carrier = Varchar(length=100, default="")
    status = Varchar(length=20, default=DeliveryStatus.PENDING, choices=DeliveryStatus)
    assigned_to = ForeignKey(User, null=True, default=None, on_delete=OnDelete.set_null)
    cost = Numeric(digits=(12, 2), null=True, default=None)
    notes = Text(default="")
    created_at = Timestamptz(default=TimestamptzNow())
    shipped_at = Timestamptz(null=True, default=None)
    delivered_at = Timestamptz(null=True, default=None)
    cancelled_at = Timestamptz(null=True, default=None)


class PurchaseOrder(Table):
    """`total` is what its lines cost together."""

    id: Serial
    number = Varchar(length=20, unique=True)
    supplier_name = Varchar(length=255)
    purchase_on = Date(default=DateNow())
    status = Varchar(length=20, default=PurchaseStatus.ORDERED, choices=PurchaseStatus)
    currency = Varchar(length=3)
    total = Numeric(digits=(12, 2), default=Decimal(0))
    created_by = ForeignKey(User, null=True, default=None, on_delete=OnDelete.set_null)
    created_at = Timestamptz(default=TimestamptzNow())
    cancelled_at = Timestamptz(null=True, default=None)


class PurchaseOrderLine(Table):
    """`cancelled_quantity` will not come any more."""

    id: Serial
    purchase_order = ForeignKey(PurchaseOrder, null=False, on_delete=OnDelete.cascade)
    product = ForeignKey(Product, null=True, default=None, on_delete=OnDelete.set_null)
    sku = Varchar(length=255)
    name = Varchar(length=500)
    unit_cost = Numeric(digits=(12, 2))
    quantity = Integer()
    received_quantity = Integer(default=0)
    cancelled_quantity = Integer(default=0)


class Receipt(Table):
    """What came of a purchase order at one time. Reversed at most once, by movements of its own."""

    id: Serial
    purchase_order = ForeignKey(PurchaseOrder, null=False, on_delete=OnDelete.cascade)
    location = ForeignKey(Location, null=False, on_delete=OnDelete.restrict)
    note = Text(default="")
    received_by = ForeignKey(User, null=True, default=None, on_delete=OnDelete.set_null)
    received_at = Timestamptz(default=TimestamptzNow())
    reversed_by = ForeignKey(User, null=True, default=None, on_delete=OnDelete.set_null)
    reversed_at = Timestamptz(null=True, default=None)


class ReceiptLine(Table):
    id: Serial
    receipt = ForeignKey(Receipt, null=False, on_delete=OnDelete.cascade)
    order_line = ForeignKey(PurchaseOrderLine, null=False, on_delete=OnDelete.cascade)
    quantity = Integer()
