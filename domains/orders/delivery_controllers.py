"""Deliveries over HTTP: each is its order's."""

from http import HTTPStatus

from litestar import Controller, Response, get, patch, post
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody

from domains.accounts.answering import answer_once
from domains.accounts.auth import CallerRequest, requires
from domains.accounts.scopes import Scope
from domains.orders import deliveries
from domains.orders.delivery_schemas import DeliveryIn, DeliveryOut, DeliveryPatch
from domains.orders.sale_lists import DELIVERIES, confine_to
from lib.http import IdempotencyKey, Page, RowId, respond
from lib.listing import find_page
from piccolo_conf import fetch

READERS = requires(Scope.ORDERS_OWN, Scope.ORDERS_READ)
CREATED = {HTTPStatus.CREATED.value: ResponseSpec(DeliveryOut, description="The delivery.")}


class DeliveryController(Controller):
    """The staff, the order's customer and the user whom it is assigned to see a delivery."""

    tags = ("Deliveries",)

    @get(
        "/api/deliveries",
        guards=[READERS],
        operation_class=DELIVERIES.operation,
        summary="Deliveries, newest first",
    )
    async def list_deliveries(self, request: CallerRequest) -> Response[Page[DeliveryOut]]:
        """Callers without the scope orders:read see what is assigned to them."""
        query = DELIVERIES.read(request.scope["query_string"], *confine_to("d.assigned_to", request.user))
        found = await find_page(fetch, query, deliveries.COLUMNS, deliveries.SOURCE)
        shown = [deliveries.shape(row) for row in found.rows]
        return respond(request, shown, query.paging, found.total, found.cursor)

    @get(
        "/api/sales-orders/{order_id:int}/delivery",
        guards=[READERS],
        summary="The delivery of an order",
    )
    async def show(self, order_id: RowId, request: CallerRequest) -> DeliveryOut:
        """The one that goes on; when there is none, the last that was cancelled."""
        return await deliveries.get_delivery(order_id, request.user)

    @post(
        "/api/sales-orders/{order_id:int}/delivery",
        guards=[requires(Scope.ORDERS_WRITE)],
        responses=CREATED,
        summary="Prepare the delivery of an order",
    )
    async def create(
        self,
        order_id: RowId,
        data: JSONBody[DeliveryIn],
        request: CallerRequest,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Pending at first. 409 when the order is not placed any more, has a delivery, or the number is taken.

        Honours `Idempotency-Key`.
        """

        async def act() -> DeliveryOut:
            return await deliveries.create_delivery(order_id, data)

        location = f"/api/sales-orders/{order_id}/delivery"
        return await answer_once(request, data, idempotency_key, act, HTTPStatus.CREATED, location=location)

    @patch(
        "/api/sales-orders/{order_id:int}/delivery",
        guards=[requires(Scope.ORDERS_OWN, Scope.ORDERS_WRITE)],
        summary="Ship, deliver, cancel or change a delivery",
    )
    async def change(self, order_id: RowId, data: JSONBody[DeliveryPatch], request: CallerRequest) -> DeliveryOut:
        """pending → shipped → delivered, and pending or shipped → cancelled; the order's status follows.

        Whom it is assigned to changes `status` and `notes`; everything else needs the scope orders:write.
        """
        return await deliveries.change_delivery(order_id, data, request.user)
