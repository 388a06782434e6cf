"""The live feed over WebSocket, and tickets for clients that cannot send a header."""

from litestar import Controller, post, websocket
from litestar.di import NamedDependency
from litestar.params import FromQuery

from domains.accounts.auth import CallerRequest
from domains.realtime import tickets
from domains.realtime.channels import Feed
from domains.realtime.connections import CallerSocket, follow
from domains.realtime.guards import MAY_FOLLOW, take_ticket
from domains.realtime.schemas import TicketOut


class FeedController(Controller):
    tags = ("Live feed",)

    @websocket("/ws/products", guards=[take_ticket, *MAY_FOLLOW])
    async def follow_feed(
        self, socket: CallerSocket, channels: NamedDependency[Feed], since: FromQuery[str] = ""
    ) -> None:
        """`?since=<event id>` tells first what was relayed after that event."""
        await follow(socket, channels, since)

    @post("/api/feed-tickets", guards=[*MAY_FOLLOW], summary="A ticket that opens the live feed once")
    async def make_ticket(self, request: CallerRequest) -> TicketOut:
        """For browsers, which open a WebSocket without headers: `/ws/products/?ticket=…`, within thirty seconds."""
        return tickets.make_ticket(request.user)
