"""Letters to the owner of an endpoint that does not hear us."""

from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from domains.accounts import letters
from domains.mail import services as mail
from domains.mail.services import Template
from domains.webhooks.tables import DisabledReason
from piccolo_conf import fetch

# Whoever made the endpoint, or where they are gone every administrator.
OWNERS = """
    WITH reachable AS (
        SELECT id, email, role, concat_ws(' ', nullif(first_name, ''), nullif(last_name, '')) AS name FROM users
        WHERE active AND email_verified_at IS NOT NULL AND email <> ''
    )
    SELECT email, name FROM reachable
    WHERE id = $1 OR role = 'admin' AND NOT EXISTS (SELECT FROM reachable WHERE id = $1)
    ORDER BY id
"""

WHY = {
    DisabledReason.GONE: "It answered 410 Gone, which says that it wants no more of them.",
    DisabledReason.FAILING: "For five days none of our requests has succeeded.",
}


class Troubled(msgspec.Struct, frozen=True):
    """An endpoint that fails; `created_by` is a user's id."""

    id: int
    url: str
    description: str
    created_by: int | None
    failing_since: datetime | None
    exhausted_at: datetime | None = None
    warned_at: datetime | None = None


async def tell_failing(endpoint: Troubled, since: datetime) -> int:
    """How many letters were written, in the open transaction."""
    return await _write(endpoint, Template.WEBHOOK_FAILING, {"since": f"{since:%Y-%m-%d %H:%M} UTC"})


async def tell_disabled(endpoint: Troubled, reason: DisabledReason) -> int:
    """The same."""
    return await _write(endpoint, Template.WEBHOOK_DISABLED, {"why": WHY[reason]})


async def _write(endpoint: Troubled, template: Template, facts: dict[str, str]) -> int:
    common = {"endpoint": _name(endpoint), "link": letters.link(f"/webhooks/{endpoint.id}/")}
    owners = await fetch(OWNERS, endpoint.created_by)
    for owner in owners:
        await mail.write(owner["email"], template, {**common, **facts, "name": owner["name"]})
    return len(owners)


def _name(endpoint: Troubled) -> str:
    """Without the query of its address, which may hold a secret."""
    address = urlsplit(endpoint.url)
    where = f"{address.netloc}{address.path}"
    return f"{endpoint.description} ({where})" if endpoint.description else where
