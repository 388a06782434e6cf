"""Webhooks as they travel: endpoints, what was sent to them, and how that went."""

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domains.accounts.schemas import Concealed
from domains.webhooks.tables import DeliveryState, DisabledReason, Trigger
from domains.webhooks.topics import EVERY, EventType

LONGEST_URL = 2000
LONGEST_DESCRIPTION = 1000
FASTEST = 1000
# Of pending and of paused deliveries so many are counted; an endpoint that was away may have millions.
MOST_COUNTED = 10_000

# The service says in words what is wrong with a URL; the document has to say it by a pattern.
URL_PATTERN = r"^https?://[^\s/?#@\\]+([/?#][^\s]*)?$"

Url: TypeAlias = Annotated[
    str,
    Meta(
        max_length=LONGEST_URL,
        description="https, without user and password, and not leading to an address inside our network.",
        examples=["https://example.com/hooks"],
        extra_json_schema={"pattern": URL_PATTERN},
    ),
]
Description: TypeAlias = Annotated[str, Meta(max_length=LONGEST_DESCRIPTION)]
EventTypes: TypeAlias = Annotated[
    list[Annotated[str, Meta(max_length=60, extra_json_schema={"enum": [*EventType, EVERY]})]],
    Meta(
        min_length=1,
        max_length=len(EventType),
        description='Some of /api/webhooks/event-types, or ["*"] for all of them.',
        examples=[["product.updated", "order.placed"]],
        extra_json_schema={"uniqueItems": True},
    ),
]
PerSecond: TypeAlias = Annotated[int, Meta(ge=1, le=FASTEST)]


class EndpointIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A whole endpoint. `include_bulk`: rows changed by imports and bulk edits too, one by one.

    Without `max_per_second` there is no limit but the four requests at a time.
    """

    url: Url
    event_types: EventTypes
    description: Description = ""
    include_bulk: bool = False
    max_per_second: PerSecond | None = None
    is_enabled: bool = True


class EndpointPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What changes; what is left out stays."""

    url: Url | UnsetType = UNSET
    event_types: EventTypes | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    include_bulk: bool | UnsetType = UNSET
    max_per_second: PerSecond | UnsetType | None = UNSET
    is_enabled: bool | UnsetType = UNSET


class EndpointOut(msgspec.Struct, frozen=True, kw_only=True):
    """`live_secrets` sign together; `secret_expires_at` tells when those that were rotated out stop.

    `failing_since` is the first failure after the last success. `pending` and `paused` are counted up to 10,000;
    `delivered` and `failed` are all there ever were. `last_delivery_at` is the last success among the latest thousand
    attempts.
    """

    id: int
    url: str
    description: str
    event_types: list[str]
    include_bulk: bool
    max_per_second: int | None
    is_enabled: bool
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    failing_since: datetime | None
    live_secrets: int
    secret_expires_at: list[datetime]
    created_by: str | None
    created_at: datetime
    updated_at: datetime
    pending: int
    paused: int
    delivered: int
    failed: int
    last_delivery_at: datetime | None


class EndpointMadeOut(EndpointOut, Concealed, frozen=True, kw_only=True):
    """The one answer with the secret."""

    secret: str


class RotatedOut(Concealed, frozen=True, kw_only=True):
    """The new secret, shown here and never again. Those before it sign along until `previous_expires_at`."""

    secret: str
    previous_expires_at: datetime


class EventTypeOut(msgspec.Struct, frozen=True):
    event_type: str
    description: str


class TestOut(msgspec.Struct, kw_only=True):
    """How an endpoint answered a test. `error` is set when there was no answer; `error_detail` says in words what went
    wrong, also of an answer that is not a success."""

    # For pytest, which takes whatever is called Test… for one.
    __test__ = False

    webhook_id: str
    is_success: bool
    status_code: int | None
    milliseconds: int
    response_excerpt: str
    error: str | None
    error_detail: str | None


class WebhookDeliveryOut(msgspec.Struct, kw_only=True):
    """One event for one endpoint. `attempt` counts requests; `next_attempt_at` is null unless it is pending.

    `last_…` tell of the latest attempt.
    """

    id: int
    event: int
    event_type: str
    subject: str
    webhook_id: str
    state: DeliveryState
    trigger: Trigger
    attempt: int
    next_attempt_at: datetime | None
    last_status_code: int | None
    last_error: str | None
    last_duration_ms: int | None
    created_at: datetime
    delivered_at: datetime | None


class AttemptOut(msgspec.Struct, kw_only=True):
    """One request. `error_class` says why there was no answer; "interrupted": the sender died before it could say."""

    number: int
    trigger: Trigger
    started_at: datetime
    duration_ms: int | None
    status_code: int | None
    error_class: str | None
    response_excerpt: str


class WebhookDeliveryDetailOut(WebhookDeliveryOut, kw_only=True):
    """With the body, byte for byte as it is signed and sent, and all attempts of the last thirty days, newest first."""

    payload: str
    attempts: list[AttemptOut]


class RecoveryIn(msgspec.Struct, forbid_unknown_fields=True):
    """At most 14 days back."""

    since: Annotated[datetime, Meta(tz=True, examples=["2030-01-31T12:00:00Z"])]


class RecoveryOut(msgspec.Struct, frozen=True):
    """How many deliveries are due now."""

    deliveries: int
