"""Sales orders over HTTP. They are immutable: what was placed is shipped or cancelled."""

from http import HTTPStatus

from litestar import Controller, Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody

from domains.accounts.answering import answer_once
from domains.accounts.auth import CallerRequest, requires
from domains.accounts.scopes import Scope
from domains.orders import sales
from domains.orders.sale_lists import ORDERS, confine_to
from domains.orders.schemas import CancellationIn, SalesOrderIn, SalesOrderOut
from lib import cache
from lib.http import IdempotencyKey, Page, RowId, respond
from lib.listing import find_page
from piccolo_conf import fetch

# What of the dashboard is made of orders.
NUMBERS = "orders"
READERS = requires(Scope.ORDERS_OWN, Scope.ORDERS_READ)
PLACED = {HTTPStatus.CREATED.value: ResponseSpec(SalesOrderOut, description="The order.")}
CANCELLED = {HTTPStatus.OK.value: ResponseSpec(SalesOrderOut, description="The order, which is cancelled.")}


class SalesOrderController(Controller):
    """Callers without the scope orders:read see their own orders only: others are not there for them."""

    path = "/api/sales-orders"
    tags = ("Sales orders",)

    @get(guards=[READERS], operation_class=ORDERS.operation, summary="Sales orders, newest first")
    async def list_orders(self, request: CallerRequest) -> Response[Page[SalesOrderOut]]:
        """Filtered and sorted. Far from the beginning a Link header carries the cursor to go on with."""
        query = ORDERS.read(request.scope["query_string"], *confine_to("o.customer", request.user))
        found = await find_page(fetch, query, sales.COLUMNS, "sales_order o")
        return respond(request, await sales.shape(found.rows), query.paging, found.total, found.cursor)

    @post(guards=[requires(Scope.ORDERS_OWN, Scope.ORDERS_WRITE)], responses=PLACED, summary="Place an order")
    async def place(
        self, data: JSONBody[SalesOrderIn], request: CallerRequest, idempotency_key: IdempotencyKey = None
    ) -> Response[bytes]:
        """`lines`, or `product` and `quantity`. The same product twice adds up; prices come from the products.

        409 with the code `out_of_stock` and `items` that tell what is available. Honours `Idempotency-Key`.
        """

        async def act() -> SalesOrderOut:
            return await sales.place_order(data, request.user)

        placed = await answer_once(
            request, data, idempotency_key, act, HTTPStatus.CREATED, location="/api/sales-orders/{}"
        )
        await cache.forget(NUMBERS)
        return placed

    @get("/{order_id:int}", guards=[READERS], summary="A sales order")
    async def show(self, order_id: RowId, request: CallerRequest) -> SalesOrderOut:
        return await sales.get_order(order_id, request.user)

    @post(
        "/{order_id:int}/cancellation",
        status_code=HTTPStatus.OK,
        guards=[requires(Scope.ORDERS_CANCEL)],
        responses=CANCELLED,
        summary="Cancel an order",
    )
    async def cancel(
        self,
        order_id: RowId,
        request: CallerRequest,
        data: JSONBody[CancellationIn | None] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Its stock goes back to where it was taken, once. 409 when it is shipped, delivered or cancelled already.

        Honours `Idempotency-Key`.
        """

        wish = data or CancellationIn()

        async def act() -> SalesOrderOut:
            return await sales.cancel_order(order_id, wish.note)

        cancelled = await answer_once(request, wish, idempotency_key, act, HTTPStatus.OK)
        await cache.forget(NUMBERS)
        return cancelled
