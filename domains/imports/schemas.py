"""Imports as clients see them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from domains.catalog.tables import Policy
from domains.imports.tables import FailureReason, Phase, Status
from lib.files import Saved

FINAL = {Status.COMPLETED, Status.FAILED, Status.CANCELLED}


class NewImport(msgspec.Struct, kw_only=True):
    """What an upload asks for. `mapping` goes from header to column name, "" leaves a column out."""

    file: Saved
    filename: str
    policy: Policy = Policy.UPSERT
    location_id: int | None = None
    dry_run: bool = False
    mapping: dict[str, str] = msgspec.field(default_factory=dict)
    requested_by: int | None = None


class AcceptedOut(msgspec.Struct):
    """The answer to an upload, before anything of the file is read."""

    job_id: UUID
    message: str


class RowErrorOut(msgspec.Struct):
    """A rejected row: its number (1 is the first row under the header), what is wrong, and its original cells."""

    row_number: int
    sku: str
    field: str
    message: str
    row: dict[str, str]


class JobOut(msgspec.Struct, kw_only=True):
    """An import and how far it is. `progress` is in percent; `total_rows` is null until the file has been surveyed."""

    job_id: UUID
    filename: str
    format: str
    source: str
    policy: Policy
    location: str | None
    dry_run: bool
    status: Status
    phase: Phase
    total_rows: int | None
    processed_rows: int
    success_count: int
    error_count: int
    created: int
    updated: int
    unchanged: int
    skipped: int
    duplicates: int
    progress: int
    rows_per_second: float
    warnings: list[str]
    encoding: str
    failure_reason: FailureReason | None
    failure_detail: str
    file_bytes: int
    attempt: int
    requested_by: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def state(self) -> str:
        """The same as long as nothing moved: the id of a progress message."""
        return f"{self.attempt}-{self.status}-{self.phase}-{self.processed_rows}"


class JobDetailOut(JobOut, kw_only=True):
    """`errors` are the first hundred rejected rows; errors.csv has the first hundred thousand."""

    errors: list[RowErrorOut]


class Outcome(StrEnum):
    """What a dry run says of a row."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    SKIP = "skip"
    ERROR = "error"


class PreviewRowOut(msgspec.Struct):
    """A row of a dry run: old and new value by column, or what is wrong with it."""

    row_number: int
    sku: str
    action: Outcome
    changes: dict[str, tuple[Any, Any]]
    message: str


class PreviewOut(msgspec.Struct):
    """Rows in the order of the file; `next_after` is the `after` of the next request, null at the end."""

    results: list[PreviewRowOut]
    next_after: int | None
