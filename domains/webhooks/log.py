"""What was sent to an endpoint: its deliveries and every attempt at each."""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import asyncpg
import msgspec

from domains.webhooks.health import EndpointNotFound
from domains.webhooks.payloads import render
from domains.webhooks.schemas import AttemptOut, WebhookDeliveryDetailOut, WebhookDeliveryOut
from domains.webhooks.sending import webhook_id_of
from domains.webhooks.tables import DeliveryState, Trigger
from domains.webhooks.topics import EventType
from lib.errors import NotFound
from lib.filters import (
    BIGINT_SCHEMA,
    TEXT,
    TIME_SCHEMA,
    WHOLE_SCHEMA,
    Condition,
    choice,
    equal,
    ranged,
    read_bigint,
    read_time,
    read_whole,
)
from lib.http import Total
from lib.listing import Listing, Query, Sort, find_page
from piccolo_conf import fetch, fetch_row, fetch_value

Row: TypeAlias = Mapping[str, Any] | asyncpg.Record

WEBHOOK_ID = re.compile("msg_([1-9][0-9]{0,18})")
MOST_ATTEMPTS = 100

# Relies on webhook_delivery_endpoint (endpoint, id) and, for what is not sent, on webhook_delivery_unsent.
SOURCE = "webhook_delivery d JOIN event e ON e.id = d.event"
# The duration relies on webhook_attempt_key (delivery, number).
COLUMNS = """
    d.id, d.event, e.topic AS event_type, e.subject, d.state, d.trigger, d.attempt,
    CASE WHEN d.state = 'pending' THEN d.next_attempt_at END AS next_attempt_at, d.last_status_code, d.last_error,
    (SELECT a.duration_ms FROM webhook_attempt a WHERE a.delivery = d.id ORDER BY a.number DESC LIMIT 1)
        AS last_duration_ms,
    d.created_at, d.delivered_at
"""
GET = f"""
    SELECT {COLUMNS}, e.occurred_at AS event_time, e.data AS event_data, e.changes AS event_changes
    FROM {SOURCE} WHERE d.id = $2 AND d.endpoint = $1
"""
ATTEMPTS = """
    SELECT number, trigger, started_at, duration_ms, status_code, error_class, response_excerpt
    FROM webhook_attempt WHERE delivery = $1 ORDER BY number DESC LIMIT $2
"""
IS_ENDPOINT = "SELECT EXISTS (SELECT FROM webhook_endpoint WHERE id = $1)"


def _read_webhook_id(text: str) -> int:
    if found := WEBHOOK_ID.fullmatch(text):
        return read_bigint(found.group(1))
    raise ValueError("expected a webhook-id like msg_12")


LIST = Listing(
    filters={
        "state": choice("d.state", DeliveryState),
        "event_type": choice("e.topic", EventType),
        "trigger": choice("d.trigger", Trigger),
        "event": equal("d.event", read_bigint, BIGINT_SCHEMA, "The id of an event."),
        "webhook_id": equal("d.event", _read_webhook_id, TEXT, "As the receiver got it."),
        "last_status_code": equal("d.last_status_code", read_whole, WHOLE_SCHEMA),
        **ranged("d.last_status_code", "last_status_code", read_whole, WHOLE_SCHEMA),
        "last_error": equal("d.last_error", str, TEXT, "Why there was no answer: timed_out, blocked_address …"),
        **ranged("d.created_at", "created_at", read_time, TIME_SCHEMA),
    },
    # Ids are given in the order in which deliveries are made: an order by time would be the same, and have no index.
    sorts={"id": Sort("d.id", "{0}::bigint", int, is_unique=True)},
    aliases={"created_at": "id"},
)


class DeliveryNotFound(NotFound):
    """There is no such delivery to this endpoint."""


def of_endpoint(endpoint_id: int) -> Condition:
    """What `list_deliveries` has to be asked with."""
    return Condition("d.endpoint = {0}", (endpoint_id,))


async def list_deliveries(endpoint_id: int, query: Query) -> tuple[list[WebhookDeliveryOut], Total, str | None]:
    """A page, how many there are, and the cursor behind the last row. `query` is read with `of_endpoint`.

    Raises EndpointNotFound.
    """
    if not await fetch_value(IS_ENDPOINT, endpoint_id):
        raise EndpointNotFound
    found = await find_page(fetch, query, COLUMNS, SOURCE)
    return [msgspec.convert(_told(row), WebhookDeliveryOut) for row in found.rows], found.total, found.cursor


async def get_delivery(endpoint_id: int, delivery_id: int) -> WebhookDeliveryDetailOut:
    """Raises DeliveryNotFound, also for one of another endpoint."""
    row = await fetch_row(GET, endpoint_id, delivery_id)
    if row is None:
        raise DeliveryNotFound
    told = {name: value for name, value in _told(row).items() if name in WebhookDeliveryOut.__struct_fields__}
    payload = render(row["event_type"], row["event_time"], row["event_data"], row["event_changes"])
    attempts = [AttemptOut(**attempt) for attempt in await fetch(ATTEMPTS, delivery_id, MOST_ATTEMPTS)]
    return msgspec.convert(told | {"payload": payload.decode(), "attempts": attempts}, WebhookDeliveryDetailOut)


def _told(row: Row) -> dict[str, Any]:
    return {**row, "webhook_id": webhook_id_of(row["event"])}
