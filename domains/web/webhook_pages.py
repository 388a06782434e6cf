"""What the pages of one endpoint show, whoever asks for it and whatever was refused."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response

from domains.accounts.auth import CallerRequest
from domains.accounts.scopes import Scope
from domains.web.forms import Form
from domains.web.navigation import WEBHOOKS
from domains.web.pages import show
from domains.web.webhook_forms import form_of
from domains.web.webhook_words import MEANINGS, REASONS, STATES, grouped_types
from domains.webhooks import endpoints, log, testing
from domains.webhooks.recovery import LONGEST_BACK
from domains.webhooks.schemas import EndpointOut, TestOut
from lib import clock
from lib.http import read_query

ON_A_PAGE = 25
# Of the query strings of others nothing is understood here.
KEPT = ("state", "event_type", "after")
# Until somebody has read the page and pressed the button.
READING = timedelta(hours=1)


def may_write(request: CallerRequest) -> bool:
    return Scope.WEBHOOKS_WRITE in request.user.scopes


async def show_endpoint(
    request: CallerRequest,
    endpoint_id: int,
    *,
    refused: Form | None = None,
    recovery: Form | None = None,
    outcome: TestOut | None = None,
) -> Response[str]:
    """With its log. `refused` is a test that was, `outcome` that of one that was made, and `recovery` a form."""
    endpoint = await endpoints.get_endpoint(endpoint_id)
    since = missed_since(endpoint)
    told = refused or recovery or Form()
    facts: dict[str, Any] = {
        "endpoint": endpoint,
        "here": "log",
        "may_write": may_write(request),
        "reasons": REASONS,
        "states": STATES,
        "explain": testing.explain,
        "refused": refused or Form(),
        "recovery": recovery or Form({"since": f"{since:%Y-%m-%dT%H:%M}"}),
        "outcome": outcome,
        "missed_since": since,
        **await _log_of(request, endpoint_id),
    }
    return show(request, "webhook.html", status=told.status, headers=told.headers, **facts)


async def show_settings(
    request: CallerRequest, endpoint_id: int, form: Form | None = None, *, refused: Form | None = None
) -> Response[str]:
    """`refused` is a rotation that was."""
    endpoint = await endpoints.get_endpoint(endpoint_id)
    told = refused or form or Form()
    facts: dict[str, Any] = {
        "endpoint": endpoint,
        "here": "settings",
        "may_write": True,
        "groups": grouped_types(),
        "form": form or form_of(endpoint),
        "refused": refused or Form(),
    }
    return show(request, "webhook_settings.html", status=told.status, headers=told.headers, **facts)


async def show_delivery(
    request: CallerRequest, endpoint_id: int, delivery_id: int, refused: Form | None = None
) -> Response[str]:
    refused = refused or Form()
    delivery = await log.get_delivery(endpoint_id, delivery_id)
    facts: dict[str, Any] = {
        "endpoint": await endpoints.get_endpoint(endpoint_id),
        "delivery": delivery,
        "payload": msgspec.json.format(delivery.payload, indent=2),
        "refused": refused,
        "may_write": may_write(request),
        "states": STATES,
        "meanings": MEANINGS,
        "explain": testing.explain,
    }
    return show(request, "webhook_delivery.html", status=refused.status, headers=refused.headers, **facts)


def missed_since(endpoint: EndpointOut) -> datetime:
    """From when on an endpoint may have missed something, as far back as a recovery reaches; a day without a reason."""
    now = clock.now()
    known = [moment for moment in (endpoint.failing_since, endpoint.disabled_at) if moment is not None]
    return max(min(known, default=now - timedelta(days=1)), now - LONGEST_BACK + READING)


async def _log_of(request: CallerRequest, endpoint_id: int) -> dict[str, Any]:
    """Raises BadInput for a state or a cursor that is none."""
    given = dict(read_query(request.scope["query_string"]))
    kept = {name: given[name] for name in KEPT if given.get(name)}
    asked = urlencode({**kept, "page_size": ON_A_PAGE, "count": "none"}).encode()
    query = log.LIST.read(asked, log.of_endpoint(endpoint_id))
    found, _, cursor = await log.list_deliveries(endpoint_id, query)
    after = kept.pop("after", "")
    return {
        "deliveries": found,
        "state": kept.get("state", ""),
        "after": after,
        "newest": _link(endpoint_id, kept) if after else "",
        "older": _link(endpoint_id, {**kept, "after": cursor}) if cursor else "",
    }


def _link(endpoint_id: int, query: dict[str, str]) -> str:
    return f"{WEBHOOKS.path}{endpoint_id}/{'?' * bool(query)}{urlencode(query)}#log"
