"""The ledger: every movement of stock, newest first."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from domains.catalog.tables import Reason
from domains.inventory.words import PRODUCTS_OF_SKU, location_filter, product_filters
from lib.filters import TEXT, TIME_SCHEMA, WHOLE_SCHEMA, Condition, Filter, choice, equal, ranged, read_time, read_whole
from lib.listing import Found, Listing, Query, Sort, find_page
from piccolo_conf import fetch

COLUMNS = """
    m.id, m.occurred_at, m.product_id, m.sku, m.location AS location_id, l.code AS location, m.delta, m.on_hand_after,
    m.reason, m.reference, m.note, m.actor_id, u.username AS actor
"""
# Relies on stock_movement_time (occurred_at, id), stock_movement_product (product_id, occurred_at, id) and
# stock_movement_reference (reference, id).
SOURCE = "stock_movement m JOIN location l ON l.id = m.location LEFT JOIN users u ON u.id = m.actor_id"


def _by_reference(values: Sequence[str]) -> list[Condition]:
    """The index leaves the empty ones out, and the planner must see that they are not asked for."""
    return [Condition("m.reference = {0} AND m.reference <> ''", (values[0],))]


LIST = Listing(
    filters={
        **product_filters("m.product_id"),
        **location_filter("m.location"),
        "reason": choice("m.reason", Reason),
        "reference": Filter(_by_reference, TEXT, 'What caused it: "order:7", "adjustment:<uuid>", "import:<uuid>" …'),
        "actor_id": equal("m.actor_id", read_whole, WHOLE_SCHEMA, "The id of a user."),
        **ranged("m.occurred_at", "occurred_at", read_time, TIME_SCHEMA),
        **ranged("m.delta", "delta", read_whole, WHOLE_SCHEMA),
    },
    sorts={
        "id": Sort("m.id", "{0}::bigint", int, is_unique=True),
        "occurred_at": Sort("m.occurred_at", "{0}::timestamptz", datetime),
    },
    first="-occurred_at",
)


async def list_movements(query: Query) -> Found:
    """Rows of a MovementOut."""
    conditions = [await _name_product(condition) for condition in query.conditions]
    return await find_page(fetch, msgspec.structs.replace(query, conditions=tuple(conditions)), COLUMNS, SOURCE)


async def _name_product(condition: Condition) -> Condition:
    """A SKU is looked up beforehand: the index has movements in the order of time for one product, not for several."""
    if PRODUCTS_OF_SKU not in condition.clause:
        return condition
    ids = [row["id"] for row in await fetch(PRODUCTS_OF_SKU.format("$1"), *condition.values)]
    if len(ids) == 1:
        return Condition("m.product_id = {0}", (ids[0],))
    return Condition("m.product_id = ANY({0}::int[])", (ids,))
