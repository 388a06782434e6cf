"""Purchase orders over HTTP."""

import functools
from http import HTTPStatus

from litestar import Controller, Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody

from domains.accounts.answering import answer_once
from domains.accounts.auth import CallerRequest, requires
from domains.accounts.scopes import Scope
from domains.orders import purchase_lists, purchases, receipts
from domains.orders.purchase_schemas import PurchaseOrderIn, PurchaseOrderOut, ReceiptIn, ReversalIn
from domains.orders.schemas import CancellationIn
from lib.http import IdempotencyKey, Page, RowId, respond

CREATED = {HTTPStatus.CREATED.value: ResponseSpec(PurchaseOrderOut, description="The order as it is now.")}
CHANGED = {HTTPStatus.OK.value: ResponseSpec(PurchaseOrderOut, description="The order as it is now.")}


class PurchaseController(Controller):
    """What was asked of a supplier stays as it is: what came of it is received, the rest cancelled."""

    path = "/api/purchase-orders"
    tags = ("Purchase orders",)

    @get(
        guards=[requires(Scope.PURCHASES_READ)],
        operation_class=purchase_lists.LIST.operation,
        summary="Purchase orders, filtered and sorted",
    )
    async def list_purchases(self, request: CallerRequest) -> Response[Page[PurchaseOrderOut]]:
        """Each with its lines and receipts."""
        query = purchase_lists.LIST.read(request.scope["query_string"])
        shown, found = await purchase_lists.list_purchases(query)
        return respond(request, shown, query.paging, found.total, found.cursor)

    @post(guards=[requires(Scope.PURCHASES_WRITE)], responses=CREATED, summary="Order from a supplier")
    async def create_purchase(
        self, data: JSONBody[PurchaseOrderIn], request: CallerRequest, idempotency_key: IdempotencyKey = None
    ) -> Response[bytes]:
        """Everything is received at once, unless `receive` is false. Honours `Idempotency-Key`."""
        make = functools.partial(purchases.create_purchase, data, request.user)
        location = "/api/purchase-orders/{}"
        return await answer_once(request, data, idempotency_key, make, HTTPStatus.CREATED, location=location)

    @get("/{purchase_id:int}", guards=[requires(Scope.PURCHASES_READ)], summary="A purchase order")
    async def show(self, purchase_id: RowId) -> PurchaseOrderOut:
        """With its lines and receipts."""
        return await purchases.get_purchase(purchase_id)

    @post(
        "/{purchase_id:int}/receipt",
        guards=[requires(Scope.PURCHASES_WRITE)],
        responses=CREATED,
        summary="Receive what has come",
    )
    async def receive(
        self,
        purchase_id: RowId,
        request: CallerRequest,
        data: JSONBody[ReceiptIn | None] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Without lines all that is outstanding. More than is outstanding is refused; 409 when nothing is.

        Honours `Idempotency-Key`.
        """
        came = data or ReceiptIn()
        receive = functools.partial(receipts.receive, purchase_id, came, request.user)
        return await answer_once(request, came, idempotency_key, receive, HTTPStatus.CREATED)

    @post(
        "/{purchase_id:int}/cancellation",
        status_code=HTTPStatus.OK,
        guards=[requires(Scope.ORDERS_CANCEL)],
        responses=CHANGED,
        summary="Cancel what is outstanding",
    )
    async def cancel(
        self,
        purchase_id: RowId,
        request: CallerRequest,
        data: JSONBody[CancellationIn | None] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """What was received stays. 409 when nothing is outstanding. Honours `Idempotency-Key`."""
        wish = data or CancellationIn()
        cancel = functools.partial(purchases.cancel_purchase, purchase_id, wish.note)
        return await answer_once(request, wish, idempotency_key, cancel, HTTPStatus.OK)

    @post(
        "/{purchase_id:int}/receipts/{receipt_id:int}/reversal",
        status_code=HTTPStatus.OK,
        guards=[requires(Scope.ORDERS_CANCEL)],
        responses=CHANGED,
        summary="Take back a receipt",
    )
    async def reverse(
        self,
        purchase_id: RowId,
        receipt_id: RowId,
        request: CallerRequest,
        data: JSONBody[ReversalIn | None] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Once. 409 when what came does not lie at the receipt's location any more. Honours `Idempotency-Key`."""
        wish = data or ReversalIn()
        back = functools.partial(receipts.reverse_receipt, purchase_id, receipt_id, request.user, wish.note)
        return await answer_once(request, wish, idempotency_key, back, HTTPStatus.OK)
