"""What the dashboard counts, written straight into the tables, at times of the test's choice."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import httpx

from lib import clock
from piccolo_conf import execute, fetch_value

STATS = "/api/dashboard/stats/"
INSERT_SALE = """
    INSERT INTO sales_order (number, status, currency, total, source, placed_at, cancelled_at)
    VALUES ($1, $2::text, $3, $4::text::numeric, 'api', $5::timestamptz,
            CASE WHEN $2::text = 'cancelled' THEN $5::timestamptz END)
"""
INSERT_IMPORT = """
    INSERT INTO import_job (id, filename, status, processed_rows, total_rows, error_count, dry_run, created_at)
    VALUES ($1, $2, $3, $4, $4, $5, $6, $7) RETURNING id
"""


def days_ago(days: int) -> date:
    return clock.now().date() - timedelta(days=days)


async def make_sale(total: str = "10.00", *, days: int = 0, currency: str = "USD", status: str = "placed") -> None:
    placed_at = clock.now() - timedelta(days=days)
    await execute(INSERT_SALE, uuid4().hex[:12], status, currency, total, placed_at)


async def make_import(
    rows: int = 0, errors: int = 0, *, days: int = 0, status: str = "completed", dry_run: bool = False
) -> None:
    created_at = clock.now() - timedelta(days=days)
    await fetch_value(INSERT_IMPORT, uuid4(), f"{days} days ago.csv", status, rows, errors, dry_run, created_at)


async def make_tally(delivered: int, failed: int, *, days: int = 0, endpoint: int = 1) -> None:
    sql = "INSERT INTO webhook_tally (day, endpoint_id, delivered, failed) VALUES ($1, $2, $3, $4)"
    await execute(sql, days_ago(days), endpoint, delivered, failed)


async def make_endpoint(url: str = "https://till.example/hook", **columns: Any) -> int:
    named = {"url": url, "event_types": ["*"], **columns}
    places = ", ".join(f"${number}" for number in range(1, len(named) + 1))
    sql = f"INSERT INTO webhook_endpoint ({', '.join(named)}) VALUES ({places}) RETURNING id"
    return int(await fetch_value(sql, *named.values()))


async def make_delivery(endpoint: int, state: str) -> None:
    event = "INSERT INTO event (topic, subject, source) VALUES ('order.placed', 'order:1', 'api') RETURNING id"
    sql = "INSERT INTO webhook_delivery (event, endpoint, state) VALUES ($1, $2, $3)"
    await execute(sql, await fetch_value(event), endpoint, state)


async def stats(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get(STATS)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def day_of(found: dict[str, Any], days: int) -> dict[str, Any]:
    """The numbers of a day that is so many days past."""
    entry: dict[str, Any] = next(entry for entry in found["days"] if entry["day"] == str(days_ago(days)))
    return entry
