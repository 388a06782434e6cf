"""The list of products. One statement for a page, where possible without a count, straight from records to structs."""

import msgspec

from domains.catalog import bounded, counts
from domains.catalog.columns import INTERNAL_LIST, PUBLIC_LIST, shape
from domains.catalog.schemas import ProductOut
from lib import totals
from lib.http import NO_COUNT, Count, Style, Total
from lib.listing import Binder, Query, cursor_behind, order_by
from piccolo_conf import fetch


class Found(msgspec.Struct, frozen=True):
    """`cursor` points behind the last product; None when nothing follows."""

    products: list[ProductOut]
    cursor: str | None
    total: Total


async def list_products(query: Query, *, internal: bool) -> Found:
    """A page with its count, as far as that is asked for and can be told cheaply."""
    columns = INTERNAL_LIST if internal else PUBLIC_LIST
    size = await counts.table_size()
    if size <= totals.COUNTED_EXACTLY or bounded.is_one_walk(query):
        products, total = await _find_directly(query, columns), None
    else:
        products, total = await _find_bounded(query, columns, size)
    has_more = len(products) > query.paging.limit
    del products[query.paging.limit :]
    cursor = _cursor(query, products[-1]) if has_more else None
    return Found(products, cursor, total or await _total(query, len(products), size, has_more=has_more))


async def _find_directly(query: Query, columns: str) -> list[ProductOut]:
    binder = Binder()
    where = binder.where(query.conditions, binder.behind(query.orders, query.position))
    order = order_by(query.orders)
    limit = query.paging.limit + 1
    if not query.paging.offset:
        return shape(await fetch(f"SELECT {columns} FROM product {where} {order} LIMIT {limit}", *binder.values))
    # Skipping rows in the index alone is thirty times cheaper than skipping them in the table.
    ids = f"SELECT id FROM product {where} {order} OFFSET {binder.bind(query.paging.offset)} LIMIT {limit}"
    page = f"SELECT {columns} FROM product WHERE id = ANY(ARRAY({ids})) {order}"
    return shape(await fetch(page, *binder.values))


async def _find_bounded(query: Query, columns: str, size: int) -> tuple[list[ProductOut], Total | None]:
    found = await bounded.find_page(query, size)
    if found.total is not None:
        counts.keep(query.conditions, found.total)
    page = f"SELECT {columns} FROM product WHERE id = ANY($1::int[]) {order_by(query.orders)}"
    total = found.total if query.paging.wants_count else NO_COUNT
    return shape(await fetch(page, found.ids)), total


async def _total(query: Query, shown: int, size: int, *, has_more: bool) -> Total:
    paging = query.paging
    if not paging.wants_count:
        return NO_COUNT
    if not has_more and paging.style is not Style.CURSOR and (shown or not paging.offset):
        return Total(paging.offset + shown, is_exact=True)
    if paging.count is Count.EXACT:
        return await counts.count_exactly(query.conditions)
    if not query.conditions:
        return await counts.count_all(size)
    return await counts.count_matches(query.conditions, size)


def _cursor(query: Query, last: ProductOut) -> str:
    return cursor_behind(query, {order.column: getattr(last, order.column) for order in query.orders})
