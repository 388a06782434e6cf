"""What was sent to an endpoint, over HTTP."""

from http import HTTPStatus

from litestar import Controller, Response, get, post

from domains.accounts.auth import CallerRequest, requires
from domains.accounts.scopes import Scope
from domains.webhooks import log, recovery
from domains.webhooks.jobs import deliver_due
from domains.webhooks.log import LIST
from domains.webhooks.schemas import WebhookDeliveryDetailOut, WebhookDeliveryOut
from lib.http import BigRowId, Page, RowId, respond

# What is sent of a product is all of it, what it costs among that.
CONTENT = [requires(Scope.WEBHOOKS_READ), requires(Scope.PRODUCTS_INTERNAL)]


class WebhookDeliveryController(Controller):
    path = "/api/webhooks/{endpoint_id:int}/deliveries"
    tags = ("Webhooks",)

    @get(
        guards=[requires(Scope.WEBHOOKS_READ)],
        operation_class=LIST.operation,
        summary="Deliveries to an endpoint, newest first",
    )
    async def list_deliveries(self, endpoint_id: RowId, request: CallerRequest) -> Response[Page[WebhookDeliveryOut]]:
        """Those of the last thirty days, and older ones that still wait."""
        query = LIST.read(request.scope["query_string"], log.of_endpoint(endpoint_id))
        found, total, cursor = await log.list_deliveries(endpoint_id, query)
        return respond(request, found, query.paging, total, cursor)

    @get("/{delivery_id:int}", guards=CONTENT, summary="A delivery with all its attempts")
    async def show(self, endpoint_id: RowId, delivery_id: BigRowId) -> WebhookDeliveryDetailOut:
        """`payload` is the body, byte for byte as it is signed and sent: with the cost prices of products."""
        return await log.get_delivery(endpoint_id, delivery_id)

    @post(
        "/{delivery_id:int}/redelivery",
        status_code=HTTPStatus.ACCEPTED,
        guards=[requires(Scope.WEBHOOKS_WRITE)],
        summary="Send a delivery again",
    )
    async def redeliver(self, endpoint_id: RowId, delivery_id: BigRowId) -> WebhookDeliveryDetailOut:
        """Whatever has become of it, under the same `webhook-id`. 409 while it is being sent, and for an endpoint that
        is disabled."""
        await recovery.redeliver(endpoint_id, delivery_id)
        await deliver_due.later()
        return await log.get_delivery(endpoint_id, delivery_id)
