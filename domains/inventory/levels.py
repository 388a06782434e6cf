"""How much lies where: now, or as the ledger says it was at a time."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from domains.inventory.words import location_filter, product_filters
from lib.errors import field_error
from lib.filters import TIME_SCHEMA, WHOLE_SCHEMA, Condition, Filter, equal, ranged, read_time, read_whole
from lib.http import NO_COUNT, Style, read_query
from lib.listing import Binder, Found, Listing, Query, Sort, cursor_behind, find_page, order_by
from piccolo_conf import fetch

# A page of the past looks at no more levels than this; when they do not fill it, the next page goes on behind them.
MOST_EXAMINED = 5_000

COLUMNS = (
    "s.id, s.product AS product_id, p.sku, p.name, s.location AS location_id, l.code AS location, s.on_hand AS on_hand"
)
# Relies on stock_level_key (product, location), stock_level_location (location, product) and product_sku_key.
SOURCE = "stock_level s JOIN product p ON p.id = s.product JOIN location l ON l.id = s.location"

# Levels that there may have been: those of today's products, also the ones that a shop has removed, which have been
# empty before, and every location for products deleted since. What comes twice is one pair: the branches come in the
# same order. A product is looked up for each movement that is passed: to join them would read all products up to there.
# Relies on stock_level_key, stock_movement_emptied and event_deleted_product.
PAIRS = """
    SELECT DISTINCT product, location FROM (
        (SELECT s.product, s.location FROM stock_level s {where} ORDER BY s.product, s.location LIMIT {most})
        UNION ALL
        (SELECT s.product, s.location FROM (
            SELECT m.product_id AS product, m.location FROM stock_movement m
            WHERE m.on_hand_after = 0 AND (SELECT p.id FROM product p WHERE p.id = m.product_id) IS NOT NULL
        ) AS s {where} GROUP BY s.product, s.location ORDER BY s.product, s.location LIMIT {most})
        UNION ALL
        (SELECT s.product, s.location FROM (
            SELECT e.product_id AS product, d.id AS location FROM event e CROSS JOIN location d
            WHERE e.topic = 'product.deleted' AND e.occurred_at > {as_of}
        ) AS s {where} ORDER BY s.product, s.location LIMIT {most})
    ) AS branch
    ORDER BY product, location LIMIT {most}
"""

# The last movement of each level until then, in an index-only scan of stock_movement_product (product_id, occurred_at,
# id) INCLUDE (location, on_hand_after). The page is cut before names are looked up, and in the order in which the
# levels come, so that none is looked at in vain.
THEN = """
    SELECT s.product AS product_id, coalesce(p.sku, e.data->>'sku') AS sku, coalesce(p.name, e.data->>'name') AS name,
           s.location AS id, s.location AS location_id, l.code AS location, s.on_hand
    FROM (
        SELECT s.product, s.location, s.on_hand
        FROM (
            SELECT pair.product, pair.location, m.on_hand_after AS on_hand
            FROM ({pairs}) AS pair CROSS JOIN LATERAL (
                SELECT on_hand_after FROM stock_movement
                WHERE product_id = pair.product AND location = pair.location AND occurred_at <= {as_of}
                ORDER BY occurred_at DESC, id DESC LIMIT 1
            ) AS m
        ) AS s {where} {order} LIMIT {limit}
    ) AS s
    JOIN location l ON l.id = s.location
    LEFT JOIN product p ON p.id = s.product
    LEFT JOIN event e ON p.id IS NULL AND e.product_id = s.product AND e.topic = 'product.deleted'
    {order}
"""

LAST_EXAMINED = "SELECT product AS product_id, location AS id FROM ({pairs}) AS pair OFFSET {before}"


def _as_of(values: Sequence[str]) -> list[Condition]:
    """Says when, not which: `read_levels_query` looks at it again."""
    read_time(values[0])
    return []


FILTERS = {
    **product_filters("s.product"),
    **location_filter("s.location"),
    "on_hand": equal("s.on_hand", read_whole, WHOLE_SCHEMA),
    **ranged("s.on_hand", "on_hand", read_whole, WHOLE_SCHEMA),
    "as_of": Filter(_as_of, TIME_SCHEMA, "The same list at that time, by product_id and by cursor only; not counted."),
}

NOW = Listing(
    filters=FILTERS,
    sorts={
        "id": Sort("s.id", "{0}::int", int, is_unique=True),
        "product_id": Sort("s.product", "{0}::int", int),
        "sku": Sort("lower(p.sku)", "lower({0}::text)", str, "~<~", "~>~"),
    },
    first="product_id",
)
# Of the past there are no ids of levels: what makes a place in the list unique is the location.
PAST = Listing(
    filters=FILTERS,
    sorts={
        "id": Sort("s.location", "{0}::int", int, is_unique=True),
        "product_id": Sort("s.product", "{0}::int", int),
    },
    first="product_id",
)
IN_THE_PAST = "product_id,id"


def read_levels_query(query_string: bytes) -> tuple[Query, datetime | None]:
    """The query, and the time whose levels are wanted. Raises BadInput."""
    if (as_of := dict(read_query(query_string)).get("as_of")) is None:
        return NOW.read(query_string), None
    query = PAST.read(query_string)
    if query.ordering != IN_THE_PAST:
        raise field_error("ordering", "is product_id in a list with as_of")
    if query.paging.offset:
        raise field_error("page" if query.paging.style is Style.PAGE else "offset", "with as_of pages follow by cursor")
    paging = msgspec.structs.replace(query.paging, style=Style.CURSOR)
    return msgspec.structs.replace(query, paging=paging), read_time(as_of)


async def list_levels(query: Query, as_of: datetime | None) -> Found:
    """Rows of a LevelOut. Levels that nothing was ever booked at are none; those that are empty by now are some."""
    if as_of is None:
        return await find_page(fetch, query, COLUMNS, SOURCE)
    return await _list_past(query, as_of)


async def _list_past(query: Query, as_of: datetime) -> Found:
    """At a cost that depends on the page, not on how many levels there are or how long ago it was."""
    binder, limit = Binder(), query.paging.limit
    of_levels = [condition for condition in query.conditions if "s.on_hand" not in condition.clause]
    of_units = [condition for condition in query.conditions if "s.on_hand" in condition.clause]
    time = f"{binder.bind(as_of)}::timestamptz"
    where = binder.where(of_levels, binder.behind(query.orders, query.position))
    pairs = PAIRS.format(where=where, most=MOST_EXAMINED, as_of=time)
    last = LAST_EXAMINED.format(pairs=pairs, before=MOST_EXAMINED - 1), tuple(binder.values)
    order = order_by(query.orders)
    page = THEN.format(pairs=pairs, as_of=time, where=binder.where(of_units), order=order, limit=limit + 1)
    rows = await fetch(page, *binder.values)
    ends = rows[limit - 1 : limit] if len(rows) > limit else await fetch(last[0], *last[1])
    cursor = cursor_behind(query, ends[0]) if ends else None
    return Found(rows[:limit], NO_COUNT, cursor)
