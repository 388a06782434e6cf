"""The inbox and the reconciliations over HTTP."""

from http import HTTPStatus

from litestar import Controller, Response, get, post

from domains.accounts.auth import CallerRequest, requires
from domains.accounts.scopes import Scope
from domains.shopify import inbox, listing
from domains.shopify.jobs import process_inbox
from domains.shopify.listing import LIST, LIST_RECONCILIATIONS
from domains.shopify.schemas import InboundDetailOut, InboundOut, ReconciliationDetailOut, ReconciliationOut
from lib.http import BigRowId, Page, RowId, respond

READ = requires(Scope.WEBHOOKS_READ)
# Bodies name customers and what products cost.
CONTENT = [READ, requires(Scope.ORDERS_READ), requires(Scope.PRODUCTS_INTERNAL)]


class InboxController(Controller):
    path = "/api/shopify-webhooks"
    tags = ("Shopify",)

    @get(guards=[READ], operation_class=LIST.operation, summary="Webhooks that Shopify sent, newest first")
    async def list_webhooks(self, request: CallerRequest) -> Response[Page[InboundOut]]:
        """What had its effect is kept for 30 days, what is parked or failed for 90."""
        query = LIST.read(request.scope["query_string"])
        found, total, cursor = await listing.list_webhooks(query)
        return respond(request, found, query.paging, total, cursor)

    @get("/{webhook_id:int}", guards=CONTENT, summary="A webhook with its body and what became of it")
    async def show(self, webhook_id: BigRowId) -> InboundDetailOut:
        return await listing.get_webhook_with_body(webhook_id)

    @post(
        "/{webhook_id:int}/reprocessing",
        status_code=HTTPStatus.ACCEPTED,
        guards=[requires(Scope.WEBHOOKS_WRITE)],
        summary="Process a webhook again",
    )
    async def reprocess(self, webhook_id: BigRowId) -> InboundOut:
        """Whatever has become of it; one that is older than what is known stays without effect. 409 when its body was
        removed because the shop asked us to forget a person."""
        await inbox.ask_again(webhook_id)
        asked = await listing.get_webhook(webhook_id)
        await process_inbox.later()
        return asked


class ReconciliationController(Controller):
    path = "/api/shopify-reconciliations"
    tags = ("Shopify",)

    @get(
        guards=[READ], operation_class=LIST_RECONCILIATIONS.operation, summary="Comparisons with the shop, newest first"
    )
    async def list_reconciliations(self, request: CallerRequest) -> Response[Page[ReconciliationOut]]:
        """Those of the last 90 days, with their counts."""
        query = LIST_RECONCILIATIONS.read(request.scope["query_string"])
        found, total, cursor = await listing.list_reconciliations(query)
        return respond(request, found, query.paging, total, cursor)

    @get("/{reconciliation_id:int}", guards=[READ], summary="A comparison with its differences")
    async def show(self, reconciliation_id: RowId) -> ReconciliationDetailOut:
        """The first five hundred of them."""
        return await listing.get_reconciliation(reconciliation_id)
