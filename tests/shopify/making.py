"""A shop that sends webhooks: bodies, signatures and headers as Shopify's are."""

import json
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from domains.shopify import jobs
from domains.shopify.signing import sign
from piccolo_conf import fetch, fetch_row

SECRET = "hush-for-tests"
SHOP = "lamps-and-more.myshopify.com"
URL = "/api/shopify-webhook/"
PAYLOADS = Path(__file__).with_name("payloads")

_numbers = count(1)


def load(name: str) -> dict[str, Any]:
    """The example of tests/shopify/payloads/<name>.json."""
    loaded: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return loaded


def headers_for(topic: str, body: bytes, *, triggered_at: datetime | None = None, **more: str) -> dict[str, str]:
    """`more` replaces headers by the part behind X-Shopify-, with underscores: webhook_id="…"."""
    told = {
        "Topic": topic,
        "Hmac-Sha256": sign(body, SECRET),
        "Shop-Domain": SHOP,
        "Api-Version": "2026-04",
        "Webhook-Id": f"webhook-{next(_numbers)}",
        "Triggered-At": (triggered_at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%f000Z"),
    }
    told |= {name.replace("_", "-").title(): value for name, value in more.items()}
    return {"Content-Type": "application/json"} | {f"X-Shopify-{name}": value for name, value in told.items() if value}


async def send(client: httpx.AsyncClient, topic: str, payload: object, **more: Any) -> httpx.Response:
    """One webhook, signed; `more` as in `headers_for`. Nothing is processed yet: `settle`."""
    body = json.dumps(payload).encode()
    return await client.post(URL, content=body, headers=headers_for(topic, body, **more))


async def settle() -> None:
    """What a worker does when it is rung for."""
    await jobs.process_inbox()


async def tell(client: httpx.AsyncClient, topic: str, payload: object, **more: Any) -> asyncpg.Record:
    """Send a webhook, let it be processed, and return its row of the inbox."""
    answer = await send(client, topic, payload, **more)
    assert answer.status_code == 200, answer.text
    await settle()
    return await row_of(answer.json()["id"])


async def row_of(webhook_id: int) -> asyncpg.Record:
    row = await fetch_row("SELECT * FROM inbound_webhook WHERE id = $1", webhook_id)
    assert row is not None
    return row


async def inbox_rows() -> list[asyncpg.Record]:
    return list(await fetch("SELECT * FROM inbound_webhook ORDER BY id"))


async def product_rows() -> list[asyncpg.Record]:
    return list(await fetch("SELECT * FROM product ORDER BY id"))
