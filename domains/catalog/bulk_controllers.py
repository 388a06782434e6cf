"""Many products at once over HTTP: upsert, change, delete, export."""

import contextlib
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody
from litestar.response import Stream

from domains.accounts.auth import CallerRequest, MissingScope, requires
from domains.accounts.scopes import Scope
from domains.catalog import bulk, bulk_jobs, changes
from domains.catalog.bulk_schemas import BulkChangeOut, BulkDeleteIn, BulkJobOut, BulkOut, BulkUpdateIn
from domains.catalog.changes import Change, TooMany
from domains.catalog.controllers import NUMBERS, sees_internal
from domains.catalog.export import export_csv
from domains.catalog.filters import FILTERS
from domains.catalog.jobs import run_bulk_change
from domains.catalog.queries import read_list_query
from domains.catalog.schemas import ProductPatch
from lib import cache
from lib.bodies import read_json
from lib.errors import BadInput
from lib.list_parameters import describe_filters, operation_with
from lib.money import TYPE_DECODERS, decode
from lib.openapi import REF, REQUEST_BODY

IN_BACKGROUND = {202: ResponseSpec(BulkJobOut, description="Many products: the change goes on in the background.")}
MOST_ITEMS = 1000
ITEM = msgspec.json.Decoder(ProductPatch, dec_hook=decode)
# Each item is read by itself, so that a bad one spoils no other.
ITEMS = msgspec.json.Decoder(Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MOST_ITEMS)])
ITEMS_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_ITEMS,
                "items": {"$ref": f"{REF}ProductPatch"},
            }
        }
    },
}


class BulkController(Controller):
    """Within one second for a thousand products; what is larger becomes a job."""

    path = "/api/products"
    tags = ("Products in bulk",)
    type_decoders = TYPE_DECODERS

    @post(
        "/bulk",
        status_code=200,
        guards=[requires(Scope.PRODUCTS_WRITE)],
        opt={REQUEST_BODY: ITEMS_BODY},
        summary="Create and update by SKU",
    )
    async def upsert(self, request: CallerRequest) -> BulkOut:
        """Up to 1,000 items, each like the body of a PATCH with its `sku`. Good ones go in, bad ones are told of."""
        items = read_json(await request.body(), ITEMS)
        done = await bulk.upsert_products([_read_item(bytes(item)) for item in items])
        await cache.forget(*NUMBERS)
        return done

    @post(
        "/bulk-update",
        status_code=200,
        guards=[requires(Scope.PRODUCTS_WRITE)],
        responses=IN_BACKGROUND,
        summary="One change for many products",
    )
    async def update(self, data: JSONBody[BulkUpdateIn], request: CallerRequest) -> Response[BulkChangeOut]:
        """For `ids`, a `filter` or `all`: values to `set`, and prices by `percent`; a `dry_run` shows old → new.

        Without the scope products:internal only active products are meant, and no dry run compares cost prices."""
        internal = sees_internal(request)
        change = changes.read_update(data, internal=internal)
        # Also the number of products that would change tells the old value, to somebody who keeps asking.
        if data.dry_run and change.tells_internals and not internal:
            raise MissingScope(f"Comparing cost prices needs the scope {Scope.PRODUCTS_INTERNAL}.")
        return await _answer(change, dry_run=data.dry_run)

    @delete(
        "/bulk-delete",
        status_code=200,
        guards=[requires(Scope.PRODUCTS_DELETE)],
        responses=IN_BACKGROUND,
        summary="Delete many products",
    )
    async def delete_many(self, data: JSONBody[BulkDeleteIn], request: CallerRequest) -> Response[BulkChangeOut]:
        """For `ids`, a `filter` or `all`, with `"confirm": "DELETE"`. Orders and the ledger keep SKU and name."""
        change = changes.read_delete(data, internal=sees_internal(request))
        return await _answer(change, dry_run=data.dry_run)

    @get("/bulk-jobs/{job_id:uuid}", guards=[requires(Scope.PRODUCTS_WRITE)], summary="A change in the background")
    async def show_job(self, job_id: FromPath[UUID]) -> BulkJobOut:
        """How far it is."""
        return await bulk_jobs.get_job(job_id)

    @get(
        "/export",
        guards=[requires(Scope.PRODUCTS_INTERNAL)],
        operation_class=operation_with(describe_filters(FILTERS)),
        media_type="text/csv",
        summary="Products as CSV",
    )
    async def export(self, request: CallerRequest) -> Stream:
        """The columns of an import, any filter of the list; cells that a spreadsheet would run are made harmless."""
        query = read_list_query(request.scope["query_string"], internal=True)
        disposition = 'attachment; filename="products.csv"'
        return Stream(export_csv(query.conditions), media_type="text/csv", headers={"Content-Disposition": disposition})


def _read_item(body: bytes) -> ProductPatch | BadInput:
    try:
        item: ProductPatch = read_json(body, ITEM)
    except BadInput as bad:
        return bad
    return item


async def _answer(change: Change, *, dry_run: bool) -> Response[Any]:
    if dry_run:
        return Response(await changes.preview(change))
    with contextlib.suppress(TooMany):
        done = await changes.change_now(change)
        await cache.forget(*NUMBERS)
        return Response(done)
    job = await bulk_jobs.order_change(change)
    await run_bulk_change.later(job_id=job.job_id)
    return Response(job, status_code=HTTPStatus.ACCEPTED)
