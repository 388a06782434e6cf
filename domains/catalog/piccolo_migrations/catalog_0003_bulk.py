"""The table of bulk changes."""

from enum import Enum
from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.base import OnDelete, OnUpdate
from piccolo.columns.column_types import JSONB, UUID, ForeignKey, Integer, Serial, Timestamptz, Varchar
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.columns.defaults.uuid import UUID4
from piccolo.columns.indexes import IndexMethod
from piccolo.table import Table

ID = "2026-11-20T12:00:00:000003"
VERSION = "1.38.0"
DESCRIPTION = "Changes of many products in the background"

USUAL: dict[str, Any] = {
    "null": False,
    "primary_key": False,
    "unique": False,
    "index": False,
    "index_method": IndexMethod.btree,
    "choices": None,
    "db_column_name": None,
    "secret": False,
}
NULLABLE = USUAL | {"default": None, "null": True}


class User(Table, tablename="users", schema=None):
    id = Serial(primary_key=True, db_column_name="id")


KINDS = Enum("BulkKind", {"UPDATE": "update", "DELETE": "delete"})
STATUSES = Enum(
    "BulkStatus", {"PENDING": "pending", "RUNNING": "running", "COMPLETED": "completed", "FAILED": "failed"}
)
FAILURES = Enum("BulkFailure", {"PRICE_TOO_LARGE": "price_too_large", "INTERNAL": "internal"})
REQUESTED_BY = {
    "references": User,
    "on_delete": OnDelete.set_null,
    "on_update": OnUpdate.cascade,
    "target_column": None,
}

COLUMNS: list[tuple[str, type, dict[str, Any]]] = [
    ("id", UUID, USUAL | {"default": UUID4(), "primary_key": True}),
    ("kind", Varchar, USUAL | {"length": 20, "default": "", "choices": KINDS}),
    ("status", Varchar, USUAL | {"length": 20, "default": "pending", "choices": STATUSES}),
    ("arguments", JSONB, USUAL | {"default": "{}"}),
    ("requested_by", ForeignKey, NULLABLE | REQUESTED_BY),
    ("matched", Integer, USUAL | {"default": 0}),
    ("changed", Integer, USUAL | {"default": 0}),
    ("cursor", Integer, USUAL | {"default": 0}),
    ("failure_reason", Varchar, NULLABLE | {"length": 40, "choices": FAILURES}),
    ("lease_until", Timestamptz, NULLABLE),
    ("attempt", Integer, USUAL | {"default": 0}),
    ("created_at", Timestamptz, USUAL | {"default": TimestamptzNow()}),
    ("started_at", Timestamptz, NULLABLE),
    ("completed_at", Timestamptz, NULLABLE),
]


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="catalog", description=DESCRIPTION)
    manager.add_table(class_name="BulkJob", tablename="bulk_job", schema=None, columns=None)
    for name, kind, parameters in COLUMNS:
        manager.add_column(
            table_class_name="BulkJob",
            tablename="bulk_job",
            column_name=name,
            db_column_name=name,
            column_class_name=kind.__name__,
            column_class=kind,
            params=dict(parameters),
            schema=None,
        )
    return manager
