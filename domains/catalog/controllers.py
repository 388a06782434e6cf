"""Products over HTTP."""

from http import HTTPStatus
from typing import TypeAlias

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody

from domains.accounts.auth import CallerRequest, requires
from domains.accounts.scopes import Scope
from domains.catalog import options, products, search
from domains.catalog.history import read_history
from domains.catalog.queries import PRODUCTS, read_list_query
from domains.catalog.schemas import FilterOptionsOut, ProductIn, ProductOut, ProductPatch
from domains.events.schemas import EventOut
from lib import cache
from lib.http import IfMatch, Page, Paging, etag, here, make_page, provide_paging, read_if_match, respond

ProductKey: TypeAlias = FromPath[str]

# What of the dashboard is made of products: whoever creates or deletes one sees it there at once.
NUMBERS = ("products", "products:value")


class ProductController(Controller):
    """`{key}` is an id, or `sku:…` (whatever its case), `slug:…`, `external:…` (the id of a feed).

    Callers without the scope products:internal see only active products, and neither cost price nor supplier number.
    """

    path = "/api/products"
    tags = ("Products",)

    @get(
        guards=[requires(Scope.PRODUCTS_READ)],
        operation_class=PRODUCTS.operation,
        summary="Products, filtered and sorted",
    )
    async def list_products(self, request: CallerRequest) -> Response[Page[ProductOut]]:
        """Far from the beginning a Link header carries the cursor to go on with."""
        internal = sees_internal(request)
        query = read_list_query(request.scope["query_string"], internal=internal)
        found = await search.list_products(query, internal=internal)
        return respond(request, found.products, query.paging, found.total, found.cursor)

    @post(guards=[requires(Scope.PRODUCTS_WRITE)], summary="Create a product")
    async def create_product(self, data: JSONBody[ProductIn], request: CallerRequest) -> Response[ProductOut]:
        """Stock is booked at the default location. 409 when the SKU or the external id belongs to another product."""
        created = await products.create_product(data, internal=sees_internal(request))
        await cache.forget(*NUMBERS)
        headers = {"ETag": etag(created.version), "Location": f"/api/products/{created.id}"}
        return Response(created, status_code=HTTPStatus.CREATED, headers=headers)

    @get("/{key:str}", guards=[requires(Scope.PRODUCTS_READ)], summary="A product")
    async def get_product(self, key: ProductKey, request: CallerRequest) -> Response[ProductOut]:
        """The ETag is its version, for If-Match."""
        return _with_etag(await products.get_product(key, internal=sees_internal(request)))

    @put("/{key:str}", guards=[requires(Scope.PRODUCTS_WRITE)], summary="Replace a product")
    async def replace_product(
        self, key: ProductKey, data: JSONBody[ProductIn], request: CallerRequest, if_match: IfMatch = None
    ) -> Response[ProductOut]:
        """What is left out takes its default; only stock that is left out stays."""
        versions = read_if_match(if_match)
        return _with_etag(await products.replace_product(key, data, versions, internal=sees_internal(request)))

    @patch("/{key:str}", guards=[requires(Scope.PRODUCTS_WRITE)], summary="Change a product")
    async def change_product(
        self, key: ProductKey, data: JSONBody[ProductPatch], request: CallerRequest, if_match: IfMatch = None
    ) -> Response[ProductOut]:
        """What is left out stays. When nothing differs the version stays too."""
        versions = read_if_match(if_match)
        return _with_etag(await products.change_product(key, data, versions, internal=sees_internal(request)))

    @delete("/{key:str}", guards=[requires(Scope.PRODUCTS_DELETE)], summary="Delete a product")
    async def delete_product(self, key: ProductKey, request: CallerRequest, if_match: IfMatch = None) -> None:
        """Orders and the ledger keep its SKU and name."""
        await products.delete_product(key, read_if_match(if_match), internal=sees_internal(request))
        await cache.forget(*NUMBERS)

    @get(
        "/{key:str}/history",
        guards=[requires(Scope.PRODUCTS_INTERNAL)],
        dependencies={"paging": Provide(provide_paging, sync_to_thread=False)},
        summary="What happened to a product, newest first",
    )
    async def show_history(
        self, key: ProductKey, paging: NamedDependency[Paging], request: CallerRequest
    ) -> Page[EventOut]:
        """A deleted product keeps its history under its id."""
        events, total, cursor = await read_history(key, paging)
        return make_page(events, paging, total, here(request), cursor)


class FilterOptionsController(Controller):
    path = "/api/filter-options"
    tags = ("Products",)
    guards = (requires(Scope.PRODUCTS_READ),)

    @get(summary="What can be chosen in filters")
    async def show_options(self, request: CallerRequest) -> FilterOptionsOut:
        """Sorted, without blanks, at most 1,000 of each."""
        return await options.list_options(internal=sees_internal(request))


def sees_internal(request: CallerRequest) -> bool:
    return Scope.PRODUCTS_INTERNAL in request.user.scopes


def _with_etag(product: ProductOut) -> Response[ProductOut]:
    return Response(product, headers={"ETag": etag(product.version)})
