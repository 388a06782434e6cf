"""Who may follow the feed: its messages tell cost prices, and of products that are not offered."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from domains.accounts import csrf
from domains.accounts.auth import requires
from domains.accounts.scopes import Scope
from domains.realtime import tickets
from lib.errors import NotAllowed
from settings import settings

MAY_FOLLOW = (requires(Scope.DASHBOARD_READ), requires(Scope.PRODUCTS_INTERNAL))


class ForeignOrigin(NotAllowed):
    """This page may not follow the feed."""


async def take_ticket(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Before the guards that ask who it is: a ticket makes its owner the caller. Raises BadTicket, ForeignOrigin."""
    if (ticket := connection.query_params.get("ticket")) is None:
        return
    if not _is_welcome(connection.headers.get("origin"), connection.headers.get("host", "")):
        raise ForeignOrigin
    connection.scope["user"] = await tickets.redeem(ticket)


def _is_welcome(origin: str | None, host: str) -> bool:
    """A page of ours, one that CORS_ALLOWED_ORIGINS lets in, or no page at all."""
    return origin is None or origin in settings.cors_allowed_origins or csrf.is_our_origin(origin, host)
