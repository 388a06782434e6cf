"""Reading the inbox and the reconciliations."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import asyncpg
import msgspec

from domains.shopify.inbox import WebhookNotFound
from domains.shopify.schemas import InboundDetailOut, InboundOut, ReconciliationDetailOut, ReconciliationOut
from domains.shopify.tables import InboundReason, InboundState, ReconciliationState
from lib.errors import NotFound
from lib.filters import (
    FLAG_SCHEMA,
    TEXT,
    TIME_SCHEMA,
    Condition,
    Filter,
    among,
    choice,
    equal,
    ranged,
    read_choice,
    read_flag,
    read_time,
)
from lib.http import Total
from lib.listing import Listing, Query, Sort, find_page
from piccolo_conf import fetch, fetch_row

Row: TypeAlias = Mapping[str, Any] | asyncpg.Record

INBOX = "inbound_webhook w"
COLUMNS = """
    w.id, w.shop, w.topic, w.webhook_id, w.event_id, w.api_version, w.subject, w.state, w.reason, w.detail, w.awaits,
    w.attempts, w.triggered_at, w.received_at,
    CASE WHEN w.state IN ('pending', 'parked') THEN w.next_attempt_at END AS next_attempt_at, w.processed_at
"""
GET = f"SELECT {COLUMNS} FROM {INBOX} WHERE w.id = $1"
GET_WITH_BODY = f"SELECT {COLUMNS}, w.body, w.results FROM {INBOX} WHERE w.id = $1"

RECONCILIATIONS = "shopify_reconciliation r"
RECONCILIATION_COLUMNS = "r.id, r.state, r.dry_run, r.detail, r.counts, r.resumes, r.started_at, r.finished_at"
GET_RECONCILIATION = f"SELECT {RECONCILIATION_COLUMNS}, r.differences FROM {RECONCILIATIONS} WHERE r.id = $1"

# Of these there are few, and no others are unsettled: that leads into inbound_webhook_unsettled.
UNSETTLED = "w.state IN ('parked', 'failed')"
UNSETTLED_REASONS = (
    InboundReason.UNKNOWN_ITEM,
    InboundReason.UNKNOWN_ORDER,
    InboundReason.SKU_TAKEN,
    InboundReason.LOCATION_CLOSED,
    InboundReason.BAD_PAYLOAD,
    InboundReason.INTERNAL,
)


def _because(values: Sequence[str]) -> list[Condition]:
    """Raises ValueError for what is no reason."""
    reason = read_choice(InboundReason)(values[0])
    found = Condition("w.reason = {0}", (reason,))
    return [found, Condition(UNSETTLED)] if reason in UNSETTLED_REASONS else [found]


# Ids are given in the order in which webhooks come: an order by time would be the same, and have no index. Relies on
# inbound_webhook_key, _unsettled, _topic and _subject; times on inbound_webhook_received.
LIST = Listing(
    filters={
        "shop": equal("w.shop", str.lower, TEXT, "A domain like my-shop.myshopify.com."),
        "topic": equal("w.topic", str.lower, TEXT, "Like products/update."),
        "topic__in": among("w.topic", str.lower),
        "state": choice("w.state", InboundState),
        "reason": Filter(_because, {"type": "string", "enum": list(InboundReason)}),
        "subject": equal("w.subject", str, TEXT, "Like product:788032119674292922, or level:7@3."),
        "webhook_id": equal("w.webhook_id", str, TEXT, "As X-Shopify-Webhook-Id told it."),
        **ranged("w.received_at", "received_at", read_time, TIME_SCHEMA),
    },
    sorts={"id": Sort("w.id", "{0}::bigint", int, is_unique=True)},
    aliases={"received_at": "id"},
)
# A few each day at most: whatever is asked, the table is short.
LIST_RECONCILIATIONS = Listing(
    filters={
        "state": choice("r.state", ReconciliationState),
        "dry_run": equal("r.dry_run", read_flag, FLAG_SCHEMA),
        **ranged("r.started_at", "started_at", read_time, TIME_SCHEMA),
    },
    sorts={"id": Sort("r.id", "{0}::int", int, is_unique=True)},
    aliases={"started_at": "id"},
)


class ReconciliationNotFound(NotFound):
    """There is no such reconciliation."""


async def list_webhooks(query: Query) -> tuple[list[InboundOut], Total, str | None]:
    """A page, how many there are, and the cursor behind the last row."""
    found = await find_page(fetch, query, COLUMNS, INBOX)
    return [msgspec.convert(dict(row), InboundOut) for row in found.rows], found.total, found.cursor


async def get_webhook(webhook_id: int) -> InboundOut:
    """Without its body. Raises WebhookNotFound."""
    return msgspec.convert(await _get(GET, webhook_id), InboundOut)


async def get_webhook_with_body(webhook_id: int) -> InboundDetailOut:
    """Raises WebhookNotFound."""
    return msgspec.convert(_decoded(await _get(GET_WITH_BODY, webhook_id), ["results"]), InboundDetailOut)


async def list_reconciliations(query: Query) -> tuple[list[ReconciliationOut], Total, str | None]:
    """As `list_webhooks`."""
    found = await find_page(fetch, query, RECONCILIATION_COLUMNS, RECONCILIATIONS)
    shaped = [msgspec.convert(_decoded(row, ["counts"]), ReconciliationOut) for row in found.rows]
    return shaped, found.total, found.cursor


async def get_reconciliation(reconciliation_id: int) -> ReconciliationDetailOut:
    """Raises ReconciliationNotFound."""
    row = await fetch_row(GET_RECONCILIATION, reconciliation_id)
    if row is None:
        raise ReconciliationNotFound
    return msgspec.convert(_decoded(row, ["counts", "differences"]), ReconciliationDetailOut)


async def _get(statement: str, webhook_id: int) -> dict[str, Any]:
    row = await fetch_row(statement, webhook_id)
    if row is None:
        raise WebhookNotFound
    return dict(row)


def _decoded(row: Row, columns: Sequence[str]) -> dict[str, Any]:
    return {**row} | {column: msgspec.json.decode(row[column]) for column in columns}
