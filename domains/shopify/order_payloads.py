"""What Shopify tells of orders, refunds, people and shops: what of it we read. Absent and null are the same here: an
order is recorded once, and nothing is cleared by what is not told."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from lib.integers import LARGEST_BIGINT, LARGEST_INTEGER

ShopifyId: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST_BIGINT)]
Quantity: TypeAlias = Annotated[int, Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
Currency: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]


class AddressPayload(msgspec.Struct, frozen=True):
    name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    zip: str | None = None
    city: str | None = None
    province: str | None = None
    country: str | None = None
    phone: str | None = None


class BuyerPayload(msgspec.Struct, frozen=True):
    id: ShopifyId | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None


class LinePayload(msgspec.Struct, frozen=True):
    """What is sold may have neither a SKU nor a variant: gift cards, tips, what a cashier typed."""

    variant_id: ShopifyId | None = None
    sku: str | None = None
    name: str | None = None
    title: str | None = None
    price: Decimal | None = None
    quantity: Quantity | None = None


class OrderPayload(msgspec.Struct, frozen=True):
    """orders/create and orders/cancelled. Amounts are in `currency`, the shop's."""

    id: ShopifyId
    name: str | None = None
    currency: Currency | None = None
    total_price: Decimal | None = None
    email: str | None = None
    contact_email: str | None = None
    phone: str | None = None
    created_at: datetime | None = None
    processed_at: datetime | None = None
    updated_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    customer: BuyerPayload | None = None
    shipping_address: AddressPayload | None = None
    billing_address: AddressPayload | None = None
    line_items: list[LinePayload] | None = None

    @property
    def customer_id(self) -> int | None:
        return self.customer.id if self.customer else None


class TransactionPayload(msgspec.Struct, frozen=True):
    """`kind` is refund for money that goes back, `status` success, pending, failure or error. `currency` is the one in
    which the customer paid."""

    kind: str | None = None
    status: str | None = None
    amount: Decimal | None = None
    currency: str | None = None


class AdjustmentPayload(msgspec.Struct, frozen=True):
    """What was given back beside the lines, like shipping, in the shop's currency: below zero."""

    amount: Decimal | None = None
    tax_amount: Decimal | None = None


class RefundedLinePayload(msgspec.Struct, frozen=True):
    """`restock_type` is no_restock, cancel, return or legacy_restock."""

    quantity: Quantity | None = None
    subtotal: Decimal | None = None
    total_tax: Decimal | None = None
    restock_type: str | None = None
    line_item: LinePayload | None = None


class RefundPayload(msgspec.Struct, frozen=True):
    """refunds/create, which tells no time of change: a refund never changes."""

    id: ShopifyId
    order_id: ShopifyId
    created_at: datetime | None = None
    processed_at: datetime | None = None
    note: str | None = None
    refund_line_items: list[RefundedLinePayload] | None = None
    order_adjustments: list[AdjustmentPayload] | None = None
    transactions: list[TransactionPayload] | None = None


class CustomerPayload(msgspec.Struct, frozen=True):
    """customers/data_request and customers/redact. Orders are named by the shop's ids."""

    customer: BuyerPayload | None = None
    orders_requested: list[ShopifyId] | None = None
    orders_to_redact: list[ShopifyId] | None = None

    @property
    def customer_id(self) -> int | None:
        return self.customer.id if self.customer else None


class ShopPayload(msgspec.Struct, frozen=True):
    """shop/redact names the shop here, where the signature covers it; app/uninstalled tells of the shop itself."""

    shop_domain: str | None = None
