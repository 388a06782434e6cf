"""Purchase orders and what came of them, as they travel in and out. Whatever is null in a body counts as left out."""

from datetime import date, datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from domains.catalog.references import ProductRef
from domains.catalog.schemas import NOT_BLANK, Currency
from domains.inventory.schemas import LocationRef
from domains.orders.tables import PurchaseStatus
from lib.integers import LARGEST_INTEGER
from lib.money import Money, MoneyText

MOST_LINES = 500

Id: TypeAlias = Annotated[int, Meta(ge=1, le=LARGEST_INTEGER)]
Quantity: TypeAlias = Annotated[int, Meta(ge=1, le=LARGEST_INTEGER)]
Note: TypeAlias = Annotated[str, Meta(max_length=1000)]


class PurchaseLineIn(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`unit_cost` is the product's cost price when it is left out, or 0 when the product has none."""

    product: ProductRef
    quantity: Quantity
    unit_cost: Money | None = None


class PurchaseOrderIn(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`lines`, or `product`, `quantity` and `unit_cost` for a single one.

    Left out, `purchase_on` is today (UTC), and `currency` that of the products when they share one, else the shop's.
    With `receive` everything has come already, at `location` (an id or a code) or the default one.
    """

    supplier_name: Annotated[str, Meta(min_length=1, max_length=255, extra_json_schema=NOT_BLANK)]
    purchase_on: date | None = None
    currency: Currency | None = None
    lines: Annotated[list[PurchaseLineIn], Meta(min_length=1, max_length=MOST_LINES)] | None = None
    product: ProductRef | None = None
    quantity: Quantity | None = None
    unit_cost: Money | None = None
    receive: bool = True
    location: LocationRef | None = None


class ReceivedLineIn(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Either `line`, the id of a line of the order, or a `product`, whose lines are filled one after another."""

    quantity: Quantity
    line: Id | None = None
    product: ProductRef | None = None


class ReceiptIn(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Without `lines` all that is outstanding has come. Without `location` it lies at the default one."""

    lines: Annotated[list[ReceivedLineIn], Meta(min_length=1, max_length=MOST_LINES)] | None = None
    location: LocationRef | None = None
    note: Note = ""


class ReversalIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`note` goes into the ledger."""

    note: Note = ""


class PurchaseLineOut(msgspec.Struct, frozen=True):
    """SKU, name and cost as they were. `product` is null when the product was deleted since.

    `quantity` is the sum of what was received, of what was cancelled and of what is outstanding.
    """

    id: int
    product: int | None
    sku: str
    name: str
    unit_cost: MoneyText
    quantity: int
    received_quantity: int
    cancelled_quantity: int
    outstanding_quantity: int


class ReceivedLineOut(msgspec.Struct, frozen=True):
    """`line` is the id of the purchase order's line."""

    line: int
    product: int | None
    sku: str
    quantity: int


class ReceiptOut(msgspec.Struct, frozen=True):
    """What came at one time; with `reversed_at` it was taken back since."""

    id: int
    location: int
    location_code: str
    note: str
    received_by: int | None
    received_at: datetime
    reversed_by: int | None
    reversed_at: datetime | None
    lines: list[ReceivedLineOut]


class PurchaseOrderOut(msgspec.Struct, frozen=True):
    """`total` is what all its lines cost, cancelled or not; `cancelled_at` is when something was cancelled last."""

    id: int
    number: str
    supplier_name: str
    purchase_on: date
    status: PurchaseStatus
    currency: str
    total: MoneyText
    created_by: int | None
    created_at: datetime
    cancelled_at: datetime | None
    lines: list[PurchaseLineOut]
    receipts: list[ReceiptOut]
