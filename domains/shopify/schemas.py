"""The inbox and the reconciliations as clients see them."""

from datetime import datetime
from typing import Any

import msgspec

from domains.shopify.tables import InboundReason, InboundState, ReconciliationState


class InboundOut(msgspec.Struct, kw_only=True):
    """A webhook of the inbox, without what it said. `detail` says in words why it was not simply processed.

    `subject` is what it tells of, by the shop's ids (`product:788032119674292922`, `level:7@3` for item 7 at location
    3); `awaits` is what a parked one waits for. `next_attempt_at` is null unless it is pending or parked.
    """

    id: int
    shop: str
    topic: str
    webhook_id: str
    event_id: str
    api_version: str
    subject: str
    state: InboundState
    reason: InboundReason | None
    detail: str
    awaits: str | None
    attempts: int
    triggered_at: datetime | None
    received_at: datetime
    next_attempt_at: datetime | None
    processed_at: datetime | None


class InboundResultOut(msgspec.Struct, kw_only=True):
    """What became of one thing that a webhook told of. `shopify_id` is the shop's, of a variant, an item or an order;
    `product` and `order` are ids of ours."""

    became: str
    shopify_id: int | None = None
    sku: str = ""
    product: int | None = None
    order: int | None = None
    detail: str = ""


class InboundDetailOut(InboundOut, kw_only=True):
    """`body` is what was signed, character for character; empty when the shop asked us to forget a person in it."""

    body: str
    results: list[InboundResultOut]


class ReconciliationOut(msgspec.Struct, kw_only=True):
    """One comparison with the shop. `counts` are those of what was compared, repaired and kept; `resumes` is how often
    it went on where it had been stopped."""

    id: int
    state: ReconciliationState
    dry_run: bool
    detail: str
    counts: dict[str, Any]
    resumes: int
    started_at: datetime
    finished_at: datetime | None


class ReconciliationDetailOut(ReconciliationOut, kw_only=True):
    """With the first five hundred differences, each with `field`, `ours` and `theirs` as they were found."""

    differences: list[dict[str, Any]]
