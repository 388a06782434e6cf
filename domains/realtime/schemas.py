"""The messages of the live feed, as clients see them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class FeedEvent(msgspec.Struct, kw_only=True):
    """What happened, as the event log has it.

    `changes` holds {"price": ["19.99", "24.99"]}: old, then new. A value of more than 1,000 characters ends in "…".
    """

    id: int
    topic: str
    occurred_at: datetime
    actor: str
    source: str
    reference: str
    subject: str
    product_id: int | None
    sku: str | None
    name: str | None
    version: int | None
    changes: dict[str, tuple[Any, Any]]


class Message(msgspec.Struct, kw_only=True):
    """`action` is created, updated or deleted for a product, else the topic (import.completed), heartbeat or gap."""

    action: str
    message: str
    event: FeedEvent | None = None


class ImportProgress(msgspec.Struct, kw_only=True):
    """How far an import is; `progress` is in percent, `total_rows` null until the file has been surveyed."""

    job_id: UUID
    filename: str
    dry_run: bool
    status: str
    phase: str
    total_rows: int | None
    processed_rows: int
    created: int
    updated: int
    unchanged: int
    skipped: int
    error_count: int
    progress: int
    rows_per_second: float

    @property
    def sentence(self) -> str:
        """ "prices.csv: 12,000 of 50,000 rows"."""
        name = f"{self.filename} (dry run)" if self.dry_run else self.filename
        if self.status != "importing":
            return f"{name}: {self.status}"
        if self.total_rows is None:
            return f"{name}: reading"
        return f"{name}: {self.processed_rows:,} of {self.total_rows:,} rows"


class ImportMessage(Message, kw_only=True):
    """The one line of an import that moves: a later message about the same `job_id` takes its place."""

    import_: ImportProgress = msgspec.field(name="import")


class TicketOut(msgspec.Struct):
    """Opens one connection as `?ticket=…` within `expires_in` seconds."""

    ticket: str
    expires_in: int
