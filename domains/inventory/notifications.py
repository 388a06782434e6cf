"""Low-stock notifications, as administrators read them and put them away."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from domains.inventory.notification_schemas import NotificationOut
from lib.errors import NotFound
from lib.filters import TIME_SCHEMA, WHOLE_SCHEMA, Condition, equal, flag, ranged, read_time, read_whole, same_text
from lib.http import Total
from lib.listing import Listing, Query, Sort, find_page
from piccolo_conf import execute, fetch, fetch_row, transaction

# Thousands at most; those of one product by low_stock_notification_product.
SOURCE = "low_stock_notification n JOIN product p ON p.id = n.product"
COLUMNS = """
    n.id, n.product, p.sku, p.name, n.message, n.stock, n.threshold, p.inventory_quantity AS current_stock,
    n.read_at IS NOT NULL AS is_read, n.resolved_at IS NOT NULL AS is_resolved,
    n.created_at, n.mailed_at, n.read_at, n.resolved_at
"""
SHOWN = Condition("n.dismissed_at IS NULL")

LIST = Listing(
    filters={
        "is_read": flag("n.read_at IS NOT NULL", "n.read_at IS NULL"),
        "is_resolved": flag("n.resolved_at IS NOT NULL", "n.resolved_at IS NULL", "False: those that are open."),
        "product": equal("n.product", read_whole, WHOLE_SCHEMA, "Its id."),
        "sku": same_text("p.sku"),
        **ranged("n.created_at", "created_at", read_time, TIME_SCHEMA),
    },
    sorts={
        "id": Sort("n.id", "{0}::int", int, is_unique=True),
        "created_at": Sort("n.created_at", "{0}::timestamptz", datetime),
        "current_stock": Sort("p.inventory_quantity", "{0}::int", int),
    },
)

SET_READ = """
    UPDATE low_stock_notification SET read_at = CASE WHEN $2 THEN coalesce(read_at, now()) END WHERE id = $1
"""
LOCK = "SELECT resolved_at FROM low_stock_notification WHERE id = $1 AND dismissed_at IS NULL FOR UPDATE"
DISMISS = "UPDATE low_stock_notification SET dismissed_at = now() WHERE id = $1"
DELETE = "DELETE FROM low_stock_notification WHERE id = $1"


class NotificationNotFound(NotFound):
    """There is no such notification."""


async def list_notifications(query: Query) -> tuple[list[NotificationOut], Total, str | None]:
    """A page, how many there are, and the cursor behind the last row. `query` is read with SHOWN."""
    found = await find_page(fetch, query, COLUMNS, SOURCE)
    return [_shape(row) for row in found.rows], found.total, found.cursor


async def get_notification(notification_id: int) -> NotificationOut:
    row = await fetch_row(f"SELECT {COLUMNS} FROM {SOURCE} WHERE n.id = $1 AND {SHOWN.clause}", notification_id)
    if row is None:
        raise NotificationNotFound
    return _shape(row)


async def mark(notification_id: int, *, is_read: bool) -> NotificationOut:
    """The time of the first reading stays. What was dismissed is not found, and so not marked either."""
    async with transaction():
        await execute(SET_READ, notification_id, is_read)
        return await get_notification(notification_id)


async def dismiss(notification_id: int) -> None:
    """One that is open goes out of sight, and keeps another from being raised before a restock; else it is deleted."""
    async with transaction():
        row = await fetch_row(LOCK, notification_id)
        if row is None:
            raise NotificationNotFound
        await execute(DISMISS if row["resolved_at"] is None else DELETE, notification_id)


def _shape(row: Mapping[str, Any] | asyncpg.Record) -> NotificationOut:
    return msgspec.convert(dict(row), NotificationOut)
