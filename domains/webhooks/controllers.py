"""Webhook endpoints over HTTP."""

from http import HTTPStatus

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.params import JSONBody

from domains.accounts.auth import CallerRequest, requires
from domains.accounts.scopes import Scope
from domains.webhooks import endpoints, recovery, testing
from domains.webhooks.endpoints import LIST
from domains.webhooks.jobs import deliver_due
from domains.webhooks.schemas import (
    EndpointIn,
    EndpointMadeOut,
    EndpointOut,
    EndpointPatch,
    EventTypeOut,
    RecoveryIn,
    RecoveryOut,
    RotatedOut,
    TestOut,
)
from lib.http import Page, RowId, respond

READ, WRITE = requires(Scope.WEBHOOKS_READ), requires(Scope.WEBHOOKS_WRITE)
SECRET = {"Cache-Control": "no-store"}


class WebhookController(Controller):
    path = "/api/webhooks"
    tags = ("Webhooks",)

    @get(guards=[READ], operation_class=LIST.operation, summary="Webhook endpoints, filtered and sorted")
    async def list_endpoints(self, request: CallerRequest) -> Response[Page[EndpointOut]]:
        query = LIST.read(request.scope["query_string"])
        found, total, cursor = await endpoints.list_endpoints(query)
        return respond(request, found, query.paging, total, cursor)

    @get("/event-types", guards=[READ], sync_to_thread=False, summary="What endpoints can subscribe to")
    def list_event_types(self) -> list[EventTypeOut]:
        return endpoints.list_event_types()

    @post(guards=[WRITE], summary="Create a webhook endpoint")
    async def create_endpoint(self, data: JSONBody[EndpointIn], request: CallerRequest) -> Response[EndpointMadeOut]:
        """`secret` is shown here and never again: requests are signed with it. 409 when there are 100 already."""
        made = await endpoints.create_endpoint(data, by=request.user.user_id)
        headers = {"Location": f"/api/webhooks/{made.id}", **SECRET}
        return Response(made, status_code=HTTPStatus.CREATED, headers=headers)

    @get("/{endpoint_id:int}", guards=[READ], summary="A webhook endpoint")
    async def show(self, endpoint_id: RowId) -> EndpointOut:
        """Never the secret."""
        return await endpoints.get_endpoint(endpoint_id)

    @put("/{endpoint_id:int}", guards=[WRITE], summary="Replace a webhook endpoint")
    async def replace_endpoint(self, endpoint_id: RowId, data: JSONBody[EndpointIn]) -> EndpointOut:
        """What is left out takes its default. The secret stays."""
        changed = await endpoints.replace_endpoint(endpoint_id, data)
        await deliver_due.later()
        return changed

    @patch("/{endpoint_id:int}", guards=[WRITE], summary="Change a webhook endpoint")
    async def change_endpoint(self, endpoint_id: RowId, data: JSONBody[EndpointPatch]) -> EndpointOut:
        """What is left out stays. Disabled, its pending deliveries are paused, and nothing new is kept for it; enabled
        again they are due at once, and what happened meanwhile comes by a recovery."""
        changed = await endpoints.change_endpoint(endpoint_id, data)
        await deliver_due.later()
        return changed

    @delete("/{endpoint_id:int}", guards=[WRITE], summary="Delete a webhook endpoint")
    async def delete_endpoint(self, endpoint_id: RowId) -> None:
        """With the log of its deliveries. To keep that, disable it."""
        await endpoints.delete_endpoint(endpoint_id)

    @post("/{endpoint_id:int}/secret-rotation", guards=[WRITE], summary="Make a new secret")
    async def rotate_secret(self, endpoint_id: RowId) -> Response[RotatedOut]:
        """It is shown here and never again. For 24 hours the old one signs along, so that no request is refused while
        the receiver learns the new one. 409 while ten sign."""
        rotated = await endpoints.rotate_secret(endpoint_id)
        return Response(rotated, status_code=HTTPStatus.CREATED, headers=SECRET)

    @post("/{endpoint_id:int}/test", status_code=HTTPStatus.OK, guards=[WRITE], summary="Send a test")
    async def try_out(self, endpoint_id: RowId) -> TestOut:
        """A signed `webhook.test`, also to an endpoint that is disabled; at most 6 a minute. 200 tells that it was
        tried: what came of it stands in the answer."""
        return await testing.try_out(endpoint_id)

    @post(
        "/{endpoint_id:int}/recovery", status_code=HTTPStatus.ACCEPTED, guards=[WRITE], summary="Send what was missed"
    )
    async def recover(self, endpoint_id: RowId, data: JSONBody[RecoveryIn]) -> RecoveryOut:
        """What has failed since a time, and what was never to be sent. 409 for an endpoint that is disabled."""
        due = await recovery.recover(endpoint_id, data.since)
        await deliver_due.later()
        return RecoveryOut(due)
