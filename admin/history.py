"""The history of one product, as people read it."""

import contextlib

from starlette.requests import Request
from starlette.responses import Response

from admin.pages import read_number, render
from domains.catalog import products
from domains.catalog.products import ProductNotFound
from domains.catalog.schemas import ProductOut
from domains.events import services as events
from lib.integers import LARGEST_BIGINT

PAGE_SIZE = 50


async def show(request: Request) -> Response:
    """`?before=` is the id of the event where the page before ended."""
    product_id = read_number(request.path_params["product_id"])
    before = request.query_params.get("before", "")
    last = read_number(before, LARGEST_BIGINT) if before else None
    found = await events.history(product_id, before=last, offset=0, limit=PAGE_SIZE + 1)
    product: ProductOut | None = None
    with contextlib.suppress(ProductNotFound):
        product = await products.get_product(str(product_id), internal=True)
    if product is None and not found:
        raise ProductNotFound
    shown = found[:PAGE_SIZE]
    more = shown[-1].id if len(found) > PAGE_SIZE else None
    return render(request, "history.html", product_id=product_id, product=product, events=shown, more=more)
