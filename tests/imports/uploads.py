"""What tests of imports share: files as text, uploads through the front door, the job called as a worker calls it."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import httpx

from domains.imports.jobs import run_import
from lib import actor
from piccolo_conf import fetch, fetch_value

Json = dict[str, Any]


def make_csv(*rows: Sequence[object], header: str = "sku,name,price,inventory_quantity") -> str:
    text = io.StringIO(newline="")
    text.write(header + "\n")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


async def upload(client: httpx.AsyncClient, content: str | bytes, **fields: str) -> httpx.Response:
    headers = {"Idempotency-Key": fields.pop("key")} if "key" in fields else {}
    return await client.post("/api/upload", files={"file": ("catalogue.csv", content)}, data=fields, headers=headers)


async def import_csv(client: httpx.AsyncClient, content: str | bytes, **fields: str) -> Json:
    """Upload, let the worker's job run, and read the job."""
    accepted = await upload(client, content, **fields)
    assert accepted.status_code == 202, accepted.text
    return await work(client, accepted.json()["job_id"])


async def work(client: httpx.AsyncClient, job_id: str) -> Json:
    actor.become(actor.Actor())
    await run_import(import_id=job_id)
    return (await client.get(f"/api/jobs/{job_id}")).json()


async def product(sku: str) -> Json:
    rows = await fetch("SELECT *, price::text AS price FROM product WHERE lower(sku) = lower($1)", sku)
    return dict(rows[0])


async def count(table: str, condition: str = "true") -> int:
    return int(await fetch_value(f"SELECT count(*) FROM {table} WHERE {condition}"))


async def assert_stock_is_true() -> None:
    """Totals are the sums of levels, levels the sums of movements."""
    assert await fetch_value("SELECT coalesce(sum(inventory_quantity), 0) FROM product") == await fetch_value(
        "SELECT coalesce(sum(on_hand), 0) FROM stock_level"
    )
    assert not await fetch(
        "SELECT l.id FROM stock_level l WHERE l.on_hand <> (SELECT sum(m.delta) FROM stock_movement m "
        "WHERE m.product_id = l.product AND m.location = l.location)"
    )
