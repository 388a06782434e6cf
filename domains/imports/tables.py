"""Bringing data in: one row per import, one row per rejected line."""

from enum import StrEnum

from piccolo.columns import JSONB, UUID, BigInt, BigSerial, Boolean, ForeignKey, Integer, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete
from piccolo.columns.defaults import TimestamptzNow
from piccolo.table import Table

from domains.accounts.tables import User
from domains.catalog.tables import Location, Policy


class Status(StrEnum):
    """pending → importing → completed | failed | cancelled; a retry makes it pending again."""

    PENDING = "pending"
    IMPORTING = "importing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    PARSING = "parsing"
    VALIDATING = "validating"
    IMPORTING = "importing"
    COMPLETE = "complete"


class FileFormat(StrEnum):
    CSV = "csv"


class Origin(StrEnum):
    UPLOAD = "upload"
    CLI = "cli"
    SCHEDULE = "schedule"
    SHOPIFY = "shopify"


class FailureReason(StrEnum):
    """Why nothing of a file could be imported."""

    EMPTY = "empty"
    NOT_A_TABLE = "not_a_table"
    UNKNOWN_HEADER = "unknown_header"
    UNDECODABLE = "undecodable"
    TOO_LARGE = "too_large"
    FILE_MISSING = "file_missing"
    INTERNAL = "internal"


class ImportJob(Table):
    """One import: what was asked, how far it is (`cursor` counts the rows done), and how it ended."""

    id = UUID(primary_key=True)
    filename = Varchar(length=255)
    format = Varchar(length=20, default=FileFormat.CSV, choices=FileFormat)
    source = Varchar(length=20, default=Origin.UPLOAD, choices=Origin)
    policy = Varchar(length=20, default=Policy.UPSERT, choices=Policy)
    location = ForeignKey(Location, null=True, default=None, on_delete=OnDelete.restrict)
    dry_run = Boolean(default=False)
    mapping = JSONB(default="{}")
    header = JSONB(default="[]")
    status = Varchar(length=20, default=Status.PENDING, choices=Status)
    phase = Varchar(length=20, default=Phase.PARSING, choices=Phase)
    total_rows = Integer(null=True, default=None)
    processed_rows = Integer(default=0)
    created = Integer(default=0)
    updated = Integer(default=0)
    unchanged = Integer(default=0)
    skipped = Integer(default=0)
    duplicates = Integer(default=0)
    error_count = Integer(default=0)
    cursor = Integer(default=0)
    encoding = Varchar(length=40, default="")
    warnings = JSONB(default="[]")
    file_key = Varchar(length=255, null=True, default=None)
    file_digest = Varchar(length=64, default="")
    file_bytes = BigInt(default=0)
    failure_reason = Varchar(length=40, null=True, default=None, choices=FailureReason)
    failure_detail = Text(default="")
    requested_by = ForeignKey(User, null=True, default=None, on_delete=OnDelete.set_null)
    lease_until = Timestamptz(null=True, default=None)
    attempt = Integer(default=0)
    created_at = Timestamptz(default=TimestamptzNow())
    started_at = Timestamptz(null=True, default=None)
    completed_at = Timestamptz(null=True, default=None)


class ImportRowError(Table):
    """A rejected row with its original cells, in the order of the job's header."""

    id = BigSerial(primary_key=True)
    job = ForeignKey(ImportJob, null=False)
    row_number = Integer()
    sku = Text(default="")
    field = Varchar(length=100, default="")
    message = Text(default="")
    row = JSONB(default="[]")


class ImportPreviewRow(Table):
    """What a dry run would do with a row: create, update, unchanged or skip, and {"price": ["19.99", "24.99"]}."""

    id = BigSerial(primary_key=True)
    job = ForeignKey(ImportJob, null=False)
    row_number = Integer()
    sku = Text(default="")
    action = Varchar(length=20)
    changes = JSONB(null=True, default=None)
