"""Where Shopify's webhooks come in."""

from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from litestar import Controller, Request, post
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import PathParameter

from domains.accounts.auth import IGNORES_COOKIE, IGNORES_TOKEN, public
from domains.shopify import inbox
from domains.shopify.intake import read_request

LARGEST_BODY_BYTES = 16 * 1024 * 1024

Shop: TypeAlias = Annotated[
    str, PathParameter(min_length=1, max_length=255, description="A shop's domain; .myshopify.com may be left out.")
]


class ReceivedOut(msgspec.Struct, frozen=True):
    """`id` is that in the inbox; null for one that was here already."""

    status: Literal["accepted", "duplicate"]
    id: int | None


@dataclass
class TakesWebhook(Operation):
    """What the document says of a body that is read as it came."""

    def __post_init__(self) -> None:
        media = OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT, description="As the topic says."))
        self.request_body = RequestBody(content={"application/json": media}, required=True)


class ShopifyWebhookController(Controller):
    path = "/api/shopify-webhook"
    tags = ("Shopify",)
    guards = (public,)
    opt = MappingProxyType({IGNORES_COOKIE: True, IGNORES_TOKEN: True})
    request_max_body_size = LARGEST_BODY_BYTES

    @post(
        status_code=HTTPStatus.OK,
        operation_class=TakesWebhook,
        summary="Take a webhook of Shopify",
    )
    async def receive(self, request: Request[Any, Any, Any]) -> ReceivedOut:
        """The body is stored and the answer given; a worker does the rest. `X-Shopify-Hmac-Sha256` is checked over the
        raw body: 401 when it is missing or wrong. `X-Shopify-Topic` is needed; the same webhook again changes nothing.
        503 while no secret is set."""
        return await _receive(request, None)

    @post(
        "/{shop:str}",
        status_code=HTTPStatus.OK,
        operation_class=TakesWebhook,
        summary="Take a webhook of one Shopify shop",
    )
    async def receive_of(self, request: Request[Any, Any, Any], shop: Shop) -> ReceivedOut:
        """As above; 400 when `X-Shopify-Shop-Domain` names another shop."""
        return await _receive(request, shop)


async def _receive(request: Request[Any, Any, Any], shop: str | None) -> ReceivedOut:
    sent = read_request(request.headers, await request.body(), shop)
    stored = await inbox.store(sent)
    return ReceivedOut("duplicate" if stored is None else "accepted", stored)
