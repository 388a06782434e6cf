"""Sales orders as they travel in and out."""

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domains.accounts.schemas import LONGEST_EMAIL
from domains.catalog.references import ProductRef
from domains.orders.tables import SaleStatus
from lib.actor import Source
from lib.integers import LARGEST_INTEGER
from lib.money import Money, MoneyText

MOST_LINES = 500

Id: TypeAlias = Annotated[int, Meta(ge=1, le=LARGEST_INTEGER)]
Quantity: TypeAlias = Annotated[int, Meta(ge=1, le=LARGEST_INTEGER)]
Ignored: TypeAlias = Annotated[Money | None, Meta(description="Ignored: prices come from the product.")]


class SaleLineIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    product: ProductRef
    quantity: Quantity
    price: Ignored = None


class SalesOrderIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`lines`, or `product` and `quantity` for a single one. The same product twice adds up.

    `customer` is a user's id, and for callers who may order for others; name and address of mail are theirs when they
    are left out.
    """

    lines: Annotated[list[SaleLineIn], Meta(min_length=1, max_length=MOST_LINES)] | UnsetType = UNSET
    product: ProductRef | UnsetType = UNSET
    quantity: Quantity | UnsetType = UNSET
    price: Ignored = None
    customer: Id | None = None
    customer_name: Annotated[str, Meta(max_length=255)] = ""
    email: Annotated[str, Meta(max_length=LONGEST_EMAIL, examples=["ada@example.com"])] = ""
    phone: Annotated[str, Meta(max_length=50)] = ""
    shipping_address: Annotated[str, Meta(max_length=2000)] = ""


class CancellationIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    note: Annotated[str, Meta(max_length=1000)] = ""


class SaleLineOut(msgspec.Struct, frozen=True):
    """SKU, name and price as they were. `product` is null when the product was deleted since."""

    product: int | None
    sku: str
    name: str
    unit_price: MoneyText
    quantity: int
    total: MoneyText


class SalesOrderOut(msgspec.Struct):
    """`customer` is a user's id, null for somebody without an account. `shopify_order_id` and `shopify_order_name`
    ("#1001") are those of the shop that took the order; `refunded` is what it gave back of the total, all in all.
    """

    id: int
    number: str
    status: SaleStatus
    customer: int | None
    customer_name: str
    email: str
    phone: str
    shipping_address: str
    currency: str
    total: MoneyText
    source: Source
    placed_at: datetime
    cancelled_at: datetime | None
    shopify_order_id: int | None
    shopify_order_name: str
    refunded: MoneyText
    lines: list[SaleLineOut]
