"""Purchase orders in pages: filtered, sorted, with their lines and receipts in one more statement."""

from collections.abc import Sequence
from datetime import date

from domains.orders.purchase_rows import read_purchases
from domains.orders.purchase_schemas import PurchaseOrderOut
from domains.orders.tables import PurchaseStatus
from lib.filters import (
    AMOUNT_SCHEMA,
    DAY_SCHEMA,
    TEXT,
    TIME_SCHEMA,
    WHOLE_SCHEMA,
    Condition,
    Filter,
    among,
    choice,
    contains,
    equal,
    ranged,
    read_amount,
    read_choice,
    read_day,
    read_time,
    read_whole,
    same_text,
)
from lib.listing import Found, Listing, Query, Sort, find_page
from piccolo_conf import fetch

COLUMNS = "o.id, o.purchase_on, o.supplier_name"
SOURCE = "purchase_order o"
WITH_LINE = "o.id IN (SELECT l.purchase_order FROM purchase_order_line l WHERE {})"


def _text(clause: str, description: str) -> Filter:
    return Filter(lambda values: [Condition(clause, (values[0],))], TEXT, description)


def _read_product(values: Sequence[str]) -> list[Condition]:
    return [Condition(WITH_LINE.format("l.product = {0}"), (read_whole(values[0]),))]


# Rely on purchase_order_status, purchase_order_supplier, purchase_order_purchased, purchase_order_line_product and
# purchase_order_line_sku.
FILTERS: dict[str, Filter] = {
    "status": choice("o.status", PurchaseStatus),
    "status__in": among("o.status", read_choice(PurchaseStatus)),
    "number": _text("o.number = upper({0})", "Whatever its case."),
    "supplier_name": same_text("o.supplier_name"),
    "supplier_name__icontains": contains("o.supplier_name"),
    "product": Filter(_read_product, WHOLE_SCHEMA, "The id of a product on one of its lines."),
    "sku": _text(WITH_LINE.format("lower(l.sku) = lower({0})"), "On one of its lines, whatever its case."),
    "created_by": equal("o.created_by", read_whole, WHOLE_SCHEMA, "A user's id."),
    **ranged("o.purchase_on", "purchase_on", read_day, DAY_SCHEMA),
    **ranged("o.created_at", "created_at", read_time, TIME_SCHEMA),
    **ranged("o.total", "total", read_amount, AMOUNT_SCHEMA),
}

LIST = Listing(
    filters=FILTERS,
    sorts={
        "id": Sort("o.id", "{0}::int", int, is_unique=True),
        "purchase_on": Sort("o.purchase_on", "{0}::date", date),
        "supplier_name": Sort("lower(o.supplier_name)", "lower({0}::text)", str),
    },
    aliases={"number": "id"},
)


async def list_purchases(query: Query) -> tuple[list[PurchaseOrderOut], Found]:
    """The page, and what the list says of it."""
    found = await find_page(fetch, query, COLUMNS, SOURCE)
    return await read_purchases([row["id"] for row in found.rows]), found
