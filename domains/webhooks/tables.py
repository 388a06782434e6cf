"""Whom we tell, what is to be told, each attempt at telling, and how many there were."""

from enum import StrEnum

from piccolo.columns import (
    JSONB,
    Array,
    BigSerial,
    Boolean,
    Date,
    ForeignKey,
    Integer,
    Serial,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.columns.base import OnDelete
from piccolo.columns.defaults import DateNow, TimestamptzNow
from piccolo.table import Table

from domains.accounts.tables import User
from domains.events.tables import Event


class DisabledReason(StrEnum):
    """Why nothing is sent to an endpoint."""

    BY_HAND = "by_hand"
    GONE = "gone"  # It answered 410.
    FAILING = "failing"  # Five days without a success.


class DeliveryState(StrEnum):
    """pending → delivered | failed; while its endpoint is disabled a pending one is paused. All but pending may be sent
    again, and are pending then."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    PAUSED = "paused"


class Trigger(StrEnum):
    """Why an attempt was made: an event was due, somebody asked for it again, or somebody tried the endpoint out."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    TEST = "test"


class WebhookEndpoint(Table):
    """`event_types` of ["*"] is every type. `secrets` is [{"sealed": …, "expires_at": …}], newest first.

    `failing_since` is the first failure after the last success; `exhausted_at` when, since then, a delivery first ran
    out of attempts. `warned_at` is when its owner was last told that it fails.
    """

    id: Serial
    url = Text()
    description = Text(default="")
    event_types = Array(base_column=Varchar(length=60))
    include_bulk = Boolean(default=False)
    max_per_second = Integer(null=True, default=None)
    is_enabled = Boolean(default=True)
    disabled_reason = Varchar(length=20, null=True, default=None, choices=DisabledReason)
    disabled_at = Timestamptz(null=True, default=None)
    failing_since = Timestamptz(null=True, default=None)
    exhausted_at = Timestamptz(null=True, default=None)
    warned_at = Timestamptz(null=True, default=None)
    secrets = JSONB(default="[]", secret=True)
    created_by = ForeignKey(User, null=True, default=None, on_delete=OnDelete.set_null)
    created_at = Timestamptz(default=TimestamptzNow())
    updated_at = Timestamptz(default=TimestamptzNow())


class WebhookDelivery(Table):
    """One event for one endpoint. `attempt` numbers the attempts and fences: only the newest says how it ended.

    `step` is the place in the schedule of attempts, which begins again when somebody sends the delivery again.
    While `locked_until` lies in the future a worker has it.
    """

    id = BigSerial(primary_key=True)
    event = ForeignKey(Event, null=False, on_delete=OnDelete.cascade)
    endpoint = ForeignKey(WebhookEndpoint, null=False, on_delete=OnDelete.cascade)
    state = Varchar(length=20, default=DeliveryState.PENDING, choices=DeliveryState)
    trigger = Varchar(length=20, default=Trigger.SCHEDULED, choices=Trigger)
    attempt = Integer(default=0)
    step = Integer(default=0)
    next_attempt_at = Timestamptz(default=TimestamptzNow())
    locked_until = Timestamptz(null=True, default=None)
    last_status_code = Integer(null=True, default=None)
    last_error = Varchar(length=30, null=True, default=None)
    created_at = Timestamptz(default=TimestamptzNow())
    delivered_at = Timestamptz(null=True, default=None)


class WebhookAttempt(Table):
    """One request, append-only. Without a delivery it is a test. `error_class` is one of lib.egress_errors.Failure, or
    "interrupted" where the worker died before it could say."""

    id = BigSerial(primary_key=True)
    endpoint = ForeignKey(WebhookEndpoint, null=False, on_delete=OnDelete.cascade)
    delivery = ForeignKey(WebhookDelivery, null=True, default=None, on_delete=OnDelete.cascade)
    number = Integer(default=1)
    trigger = Varchar(length=20, default=Trigger.SCHEDULED, choices=Trigger)
    started_at = Timestamptz()
    duration_ms = Integer(null=True, default=None)
    status_code = Integer(null=True, default=None)
    error_class = Varchar(length=30, null=True, default=None)
    response_excerpt = Text(default="")


class WebhookTally(Table):
    """Of one endpoint on one day (UTC): deliveries that arrived, those given up, and failed attempts. It outlives both
    the log of attempts and the endpoint."""

    id: Serial
    day = Date(default=DateNow())
    endpoint_id = Integer()
    delivered = Integer(default=0)
    failed = Integer(default=0)
    failed_attempts = Integer(default=0)
