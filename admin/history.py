"""The history of one product, as people read it."""

import contextlib

from starlette.requests import Request
from starlette.responses import Response

from admin.pages import render
from domains.catalog import products
from domains.catalog.products import ProductNotFound
from domains.catalog.schemas import ProductOut
from domains.events import services as events
from lib.errors import NotFound

PAGE_SIZE = 50
LARGEST_ID = 2**31 - 1
LARGEST_EVENT_ID = 2**63 - 1


async def show(request: Request) -> Response:
    """`?before=` is the id of the event where the page before ended."""
    product_id = _number(request.path_params["product_id"], LARGEST_ID)
    before = request.query_params.get("before", "")
    last = _number(before, LARGEST_EVENT_ID) if before else None
    found = await events.history(product_id, before=last, offset=0, limit=PAGE_SIZE + 1)
    product: ProductOut | None = None
    with contextlib.suppress(ProductNotFound):
        product = await products.get_product(str(product_id), internal=True)
    if product is None and not found:
        raise ProductNotFound
    shown = found[:PAGE_SIZE]
    more = shown[-1].id if len(found) > PAGE_SIZE else None
    return render(request, "history.html", product_id=product_id, product=product, events=shown, more=more)


def _number(text: str, largest: int) -> int:
    """Raises NotFound for what is none, or too large for its column."""
    if not text.isdecimal() or len(text) > len(str(largest)) or int(text) > largest:
        raise NotFound
    return int(text)
