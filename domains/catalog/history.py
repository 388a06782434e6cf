"""What happened to a product, from the event log, page by page."""

from domains.catalog.products import ProductNotFound, find_id
from domains.events import services as events
from domains.events.schemas import EventOut
from lib import cursors
from lib.http import NO_COUNT, Paging, Total
from piccolo_conf import fetch_value


async def read_history(key: str, paging: Paging) -> tuple[list[EventOut], Total, str | None]:
    """Newest first, with the cursor behind the last. Raises ProductNotFound for an id that no product ever had."""
    product_id = await find_id(key)
    ordering = f"history of {product_id}"
    before = cursors.decode(paging.after, ordering)[0] if paging.after else None
    found = await events.history(product_id, before=before, offset=paging.offset, limit=paging.limit + 1)
    if not found and not await _was_known(product_id):
        raise ProductNotFound
    total = Total(await events.count_history(product_id), is_exact=True) if paging.wants_count else NO_COUNT
    shown = found[: paging.limit]
    cursor = cursors.encode(ordering, [shown[-1].id]) if len(found) > paging.limit else None
    return shown, total, cursor


async def _was_known(product_id: int) -> bool:
    known = "SELECT EXISTS (SELECT FROM product WHERE id = $1) OR EXISTS (SELECT FROM event WHERE product_id = $1)"
    return bool(await fetch_value(known, product_id))
