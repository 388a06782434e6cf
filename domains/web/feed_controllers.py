"""The page of the live feed: what happened lately, which a script moves on while somebody looks at it."""

from types import MappingProxyType
from typing import Any

from litestar import Controller, Response, get

from domains.accounts.auth import CallerRequest
from domains.accounts.csrf import IN_FORM
from domains.accounts.tables import Role
from domains.realtime import replay
from domains.realtime.guards import MAY_FOLLOW
from domains.realtime.schemas import FeedEvent
from domains.web.navigation import FEED
from domains.web.pages import show
from settings import settings

MOST_SHOWN = 50
# The script reads them from the choices of the filter.
WORDS = {
    "created": "Created",
    "updated": "Changed",
    "deleted": "Deleted",
    "products.bulk_updated": "Many changed",
    "products.bulk_deleted": "Many deleted",
    "import.completed": "Imported",
    "import.failed": "Import failed",
    "inventory.low": "Low stock",
}


class FeedPages(Controller):
    path = FEED.path
    guards = MAY_FOLLOW
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get()
    async def show_feed(self, request: CallerRequest) -> Response[str]:
        messages = await replay.read_recent(MOST_SHOWN)
        since = next((message.event.id for message in messages if message.event), replay.FROM_THE_START)
        facts: dict[str, Any] = {"messages": messages, "since": since, "words": WORDS, "tell_who": _tell_who}
        return show(request, "feed.html", product_page=_product_page(request), **facts)


def _product_page(request: CallerRequest) -> str:
    """The admin site's, to be followed by an id; empty for those who cannot open it."""
    is_open = settings.admin_enabled and request.user.role is Role.ADMIN
    return f"{settings.admin_path}#/product/" if is_open else ""


def _tell_who(event: FeedEvent) -> str:
    """ "ada · order 7", as `tellWho` in feed.js: the number of an import says nothing to people."""
    is_import = event.reference.startswith("import:")
    cause = "import" if is_import else event.reference.replace(":", " ").replace("_", " ")
    return f"{event.actor or 'somebody'} · {cause or event.source}"
