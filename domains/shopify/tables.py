"""What a shop tells us, how new what we know of each of its things is, and how we compared everything."""

from enum import StrEnum

from piccolo.columns import (
    JSONB,
    BigInt,
    BigSerial,
    Boolean,
    ForeignKey,
    Integer,
    Serial,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.columns.base import OnDelete
from piccolo.columns.defaults import TimestamptzNow
from piccolo.table import Table

from domains.catalog.tables import Product


class InboundState(StrEnum):
    """pending → processed | parked | ignored | failed. A parked one is tried again by itself; all but pending may be
    processed again."""

    PENDING = "pending"
    PROCESSED = "processed"
    PARKED = "parked"
    IGNORED = "ignored"
    FAILED = "failed"


class InboundReason(StrEnum):
    """Why a webhook was not simply processed."""

    # Ignored.
    UNHANDLED_TOPIC = "unhandled_topic"
    STALE = "stale"  # Something newer is known of the same thing.
    REMOVED = "removed"  # The shop has removed the thing.
    NOT_HERE = "not_here"  # Nothing here stands for the thing.
    UNTRACKED = "untracked"  # The shop does not count this item.
    NOT_CANCELLABLE = "not_cancellable"  # It was shipped from here.
    # Parked.
    UNKNOWN_ITEM = "unknown_item"
    UNKNOWN_ORDER = "unknown_order"
    SKU_TAKEN = "sku_taken"
    LOCATION_CLOSED = "location_closed"
    # Failed.
    BAD_PAYLOAD = "bad_payload"
    INTERNAL = "internal"
    # Whatever its state: its body is gone, because the shop asked us to forget a person.
    REDACTED = "redacted"


class InboundWebhook(Table):
    """A webhook as it came. `subject` is what it tells of ("product:788032119674292922"); `customer_id` and `order_id`
    are the shop's, for redaction. A parked one waits for what `awaits` names ("item:271878346596884015", "sku:lamp").

    `results` is a list of shopify.outcomes.Result.
    """

    id = BigSerial(primary_key=True)
    shop = Varchar(length=255, default="")
    topic = Varchar(length=100)
    webhook_id = Varchar(length=100)
    event_id = Varchar(length=100, default="")
    api_version = Varchar(length=20, default="")
    triggered_at = Timestamptz(null=True, default=None)
    subject = Varchar(length=100, default="")
    customer_id = BigInt(null=True, default=None)
    order_id = BigInt(null=True, default=None)
    body = Text(default="")
    state = Varchar(length=20, default=InboundState.PENDING, choices=InboundState)
    reason = Varchar(length=30, null=True, default=None, choices=InboundReason)
    detail = Text(default="")
    results = JSONB(default="[]")
    awaits = Text(null=True, default=None)
    attempts = Integer(default=0)
    next_attempt_at = Timestamptz(default=TimestamptzNow())
    received_at = Timestamptz(default=TimestamptzNow())
    processed_at = Timestamptz(null=True, default=None)


class Kind(StrEnum):
    """Things of a shop that have a version of their own."""

    PRODUCT = "product"
    ITEM = "item"
    LEVEL = "level"
    ORDER = "order"
    REFUND = "refund"
    REDACTED_CUSTOMER = "redacted_customer"
    REDACTED_ORDER = "redacted_order"


class ShopifyVersion(Table):
    """The newest that was told of a thing of the shop, also where nothing here stands for it.

    `location_id` is the shop's, for levels; else 0. `shop` is who told it last.
    """

    id = BigSerial(primary_key=True)
    shop = Varchar(length=255, default="")
    kind = Varchar(length=20, choices=Kind)
    shopify_id = BigInt()
    location_id = BigInt(default=0)
    updated_at = Timestamptz()
    triggered_at = Timestamptz()
    is_removed = Boolean(default=False)


class ParkedSku(Table):
    """The SKU that the shop has given to a product of ours while another one has it: it is given when it is free."""

    id: Serial
    product = ForeignKey(Product, null=False, unique=True, on_delete=OnDelete.cascade)
    sku = Varchar(length=100)


class ReconciliationState(StrEnum):
    """running → completed | failed; running → interrupted when its worker died. An interrupted one may run again, and
    so may one that failed because the shop did not answer."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class ShopifyReconciliation(Table):
    """One comparison with the shop. `counts` and `differences` are those of shopify.reconciliation_report.Report.

    `progress` is a shopify.comparison.Progress for as long as there is something to go on from, and `moved_at` when it
    was written last. `resumes` counts how often it was taken up.
    """

    id: Serial
    shop = Text(default="")
    state = Varchar(length=20, default=ReconciliationState.RUNNING, choices=ReconciliationState)
    dry_run = Boolean(default=False)
    detail = Text(default="")
    counts = JSONB(default="{}")
    differences = JSONB(default="[]")
    progress = JSONB(null=True, default=None)
    resumes = Integer(default=0)
    started_at = Timestamptz(default=TimestamptzNow())
    moved_at = Timestamptz(default=TimestamptzNow())
    finished_at = Timestamptz(null=True, default=None)


class ListedKind(StrEnum):
    """What a comparison keeps of the shop's list. A location is listed when all its levels are, and has any."""

    VARIANT = "variant"
    ITEM = "item"
    PRODUCT = "product"
    LOCATION = "location"
    LEVEL = "level"


class ShopifyListed(Table):
    """What the shop has listed as far as a comparison has come; gone when that ends.

    `shopify_id` is a level's item, and `location_id` the shop's, for levels; else 0. A product that the comparison has
    repaired has the version that it gave it.
    """

    id = BigSerial(primary_key=True)
    reconciliation = ForeignKey(ShopifyReconciliation, null=False, on_delete=OnDelete.cascade)
    kind = Varchar(length=20, choices=ListedKind)
    shopify_id = BigInt()
    location_id = BigInt(default=0)
    given_updated_at = Timestamptz(null=True, default=None)
    given_triggered_at = Timestamptz(null=True, default=None)
