"""What we sell and have: products, and where how much of each lies."""

from decimal import Decimal
from enum import StrEnum

from piccolo.columns import (
    JSONB,
    UUID,
    BigInt,
    BigSerial,
    Boolean,
    Date,
    ForeignKey,
    Integer,
    Numeric,
    Serial,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.columns.base import OnDelete
from piccolo.columns.defaults import TimestamptzNow
from piccolo.table import Table

from domains.accounts.tables import User


class Reason(StrEnum):
    """Why stock moved."""

    SALE = "sale"
    PURCHASE = "purchase"
    CANCELLATION = "cancellation"
    RETURN = "return"
    ADJUSTMENT = "adjustment"
    COUNT = "count"
    IMPORT = "import"
    SHOPIFY = "shopify"
    TRANSFER = "transfer"
    REVERSAL = "reversal"


class Policy(StrEnum):
    """Which products a set of rows may write: new and known ones, or one of the two."""

    UPSERT = "upsert"
    CREATE_ONLY = "create_only"
    UPDATE_ONLY = "update_only"


class Product(Table):
    """One sellable unit. Variants of one thing are several products that share `handle`.

    The database keeps: unique lower(sku), `slug` (made once from the name), `version`, `updated_at`, and an event for
    every change. `inventory_quantity` is the sum of its stock levels; only `stock.py` writes it.
    """

    id: Serial
    sku = Varchar(length=100)
    name = Varchar(length=500)
    slug = Varchar(length=120)
    description = Text(default="")
    price = Numeric(digits=(12, 2), default=Decimal(0))
    compare_at_price = Numeric(digits=(12, 2), null=True, default=None)
    cost_price = Numeric(digits=(12, 2), null=True, default=None)
    currency = Varchar(length=3, default="USD")
    is_active = Boolean(default=True)
    inventory_quantity = Integer(default=0)
    low_stock_threshold = Integer(null=True, default=None)
    brand = Varchar(length=255, null=True, default=None)
    product_type = Varchar(length=750, null=True, default=None)
    condition = Varchar(length=50, null=True, default=None)
    gender = Varchar(length=50, null=True, default=None)
    age_group = Varchar(length=50, null=True, default=None)
    color = Varchar(length=255, null=True, default=None)
    size = Varchar(length=255, null=True, default=None)
    gtin = Varchar(length=50, null=True, default=None)
    link = Varchar(length=2000, null=True, default=None)
    image_link = Varchar(length=2000, null=True, default=None)
    handle = Varchar(length=255, null=True, default=None)
    options = JSONB(default="{}")
    expiry_on = Date(null=True, default=None)
    supplier_number = Varchar(length=100, null=True, default=None)
    attributes = JSONB(default="{}")
    external_id = Varchar(length=100, null=True, default=None)
    shopify_product_id = BigInt(null=True, default=None)
    shopify_variant_id = BigInt(null=True, default=None)
    shopify_inventory_item_id = BigInt(null=True, default=None)
    shopify_updated_at = Timestamptz(null=True, default=None)
    version = Integer(default=1)
    created_at = Timestamptz(default=TimestamptzNow())
    updated_at = Timestamptz(default=TimestamptzNow())


class Location(Table):
    """A place where stock lies. Exactly one is the default."""

    id: Serial
    code = Varchar(length=50, unique=True)
    name = Varchar(length=255)
    is_default = Boolean(default=False)
    is_active = Boolean(default=True)
    shopify_location_id = BigInt(null=True, default=None)


class StockLevel(Table):
    """How much of a product lies at a location; unique together. Levels leave with their product."""

    id: Serial
    product = ForeignKey(Product, null=False, on_delete=OnDelete.cascade)
    location = ForeignKey(Location, null=False, on_delete=OnDelete.restrict)
    on_hand = Integer(default=0)
    shopify_updated_at = Timestamptz(null=True, default=None)


class StockMovement(Table):
    """The ledger, append-only: every change of a level, with what was on hand after it."""

    id = BigSerial(primary_key=True)
    product_id = Integer()
    sku = Varchar(length=100)
    location = ForeignKey(Location, null=False, on_delete=OnDelete.restrict)
    delta = Integer()
    on_hand_after = Integer()
    reason = Varchar(length=20, choices=Reason)
    reference = Text(default="")
    note = Text(default="")
    actor_id = Integer(null=True, default=None)
    occurred_at = Timestamptz(default=TimestamptzNow())


class LowStockNotification(Table):
    """Stock has fallen below its threshold. At most one without `resolved_at` per product.

    One that is dismissed while stock is still low is shown no more, and keeps another from being raised until it
    resolves.
    """

    id: Serial
    product = ForeignKey(Product, null=False, on_delete=OnDelete.cascade)
    sku = Varchar(length=100)
    message = Text()
    stock = Integer()
    threshold = Integer()
    created_at = Timestamptz(default=TimestamptzNow())
    mailed_at = Timestamptz(null=True, default=None)
    read_at = Timestamptz(null=True, default=None)
    dismissed_at = Timestamptz(null=True, default=None)
    resolved_at = Timestamptz(null=True, default=None)


class BulkKind(StrEnum):
    UPDATE = "update"
    DELETE = "delete"


class BulkStatus(StrEnum):
    """pending → running → completed | failed."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class BulkFailure(StrEnum):
    """Why a bulk change ended early; what was done before stays done."""

    PRICE_TOO_LARGE = "price_too_large"
    INTERNAL = "internal"


class BulkJob(Table):
    """A change of many products in the background: what was asked, and how far it is (`cursor` is the last id done)."""

    id = UUID(primary_key=True)
    kind = Varchar(length=20, choices=BulkKind)
    status = Varchar(length=20, default=BulkStatus.PENDING, choices=BulkStatus)
    arguments = JSONB(default="{}")
    requested_by = ForeignKey(User, null=True, default=None, on_delete=OnDelete.set_null)
    matched = Integer(default=0)
    changed = Integer(default=0)
    cursor = Integer(default=0)
    failure_reason = Varchar(length=40, null=True, default=None, choices=BulkFailure)
    lease_until = Timestamptz(null=True, default=None)
    attempt = Integer(default=0)
    created_at = Timestamptz(default=TimestamptzNow())
    started_at = Timestamptz(null=True, default=None)
    completed_at = Timestamptz(null=True, default=None)
