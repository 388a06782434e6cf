"""The words that the lists of orders and of deliveries understand."""

from collections.abc import Sequence
from datetime import datetime

from domains.accounts.schemas import Caller
from domains.accounts.scopes import Scope
from domains.orders.tables import DeliveryStatus, SaleStatus
from lib.actor import Source
from lib.filters import (
    AMOUNT_SCHEMA,
    BIGINT_SCHEMA,
    TEXT,
    TIME_SCHEMA,
    WHOLE_SCHEMA,
    Condition,
    Filter,
    choice,
    equal,
    ranged,
    read_amount,
    read_bigint,
    read_time,
    read_whole,
    same_text,
)
from lib.listing import Listing, Sort

# Relies on sales_order_line_product.
HOLDS = "o.id IN (SELECT l.sales_order FROM sales_order_line l WHERE l.product = {0})"
# Relies on sales_order_email, which knows no orders without an address.
SENT_TO = "lower(o.email) = lower({0}) AND o.email <> ''"
# Relies on sales_order_shopify_name, which knows no orders without a name.
NAMED = "lower(o.shopify_order_name) = lower({0}) AND o.shopify_order_name <> ''"

# Relies on sales_order_customer, _status, _placed, _number_key and _shopify_key.
ORDERS = Listing(
    filters={
        "status": choice("o.status", SaleStatus),
        "customer": equal("o.customer", read_whole, WHOLE_SCHEMA, "A user's id."),
        "email": Filter(lambda values: [Condition(SENT_TO, (values[0],))], TEXT, "Whatever its case."),
        "number": equal("o.number", str.upper, TEXT, "Like SO-000123."),
        "source": choice("o.source", Source),
        "shopify_order_id": equal("o.shopify_order_id", read_bigint, BIGINT_SCHEMA, "The shop's id of an order."),
        "shopify_order_name": Filter(lambda values: [Condition(NAMED, (values[0],))], TEXT, "Like #1001."),
        "product": Filter(lambda values: [Condition(HOLDS, (read_whole(values[0]),))], WHOLE_SCHEMA, "A product's id."),
        **ranged("o.placed_at", "placed_at", read_time, TIME_SCHEMA),
        **ranged("o.total", "total", read_amount, AMOUNT_SCHEMA),
    },
    sorts={
        "id": Sort("o.id", "{0}::int", int, is_unique=True),
        "placed_at": Sort("o.placed_at", "{0}::timestamptz", datetime),
    },
)

# Relies on delivery_status, delivery_assigned, delivery_order and delivery_tracking_number_key.
DELIVERIES = Listing(
    filters={
        "status": choice("d.status", DeliveryStatus),
        "assigned_to": equal("d.assigned_to", read_whole, WHOLE_SCHEMA, "A user's id."),
        "sales_order": equal("d.sales_order", read_whole, WHOLE_SCHEMA, "An order's id."),
        "tracking_number": same_text("d.tracking_number"),
        "carrier": same_text("d.carrier"),
        **ranged("d.created_at", "created_at", read_time, TIME_SCHEMA),
        **ranged("d.shipped_at", "shipped_at", read_time, TIME_SCHEMA),
        **ranged("d.delivered_at", "delivered_at", read_time, TIME_SCHEMA),
    },
    sorts={"id": Sort("d.id", "{0}::int", int, is_unique=True)},
)


def confine_to(column: str, by: Caller) -> Sequence[Condition]:
    """What always holds for callers without the scope orders:read: the column names them."""
    return () if Scope.ORDERS_READ in by.scopes else (Condition(f"{column} = {{0}}", (by.known_id,)),)
