"""Endpoints and events written straight into a database, and what is left of their deliveries."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeAlias

import asyncpg
import msgspec
from cryptography.fernet import Fernet
from standardwebhooks import Webhook

from tests.faults.harness import SECRET as HOUSE_KEY
from tests.faults.receiver import Received, Receiver

# Of every endpoint here.
SECRET = "whsec_" + base64.b64encode(b"of endpoints in the tests, 32 B.").decode()
# What domains/webhooks/signing.py seals with.
PURPOSE = b"webhook secrets"
# Receivers refuse what is older than five minutes.
LONGEST_UNDER_WAY_SECONDS = 300

SUBSCRIBE = """
    INSERT INTO webhook_endpoint (url, event_types, include_bulk, max_per_second, secrets)
    VALUES ($1, $2, $3, $4, $5) RETURNING id
"""
# As large as the product of a small shop.
ANNOUNCE = """
    INSERT INTO event (topic, subject, product_id, source, bulk, data, changes)
    SELECT $1, 'product:' || number, number, 'sql', $3,
           jsonb_build_object('id', number, 'sku', 'S-' || number, 'name', 'Thing ' || number, 'price', 19.99,
               'description', repeat('Made to be used every day. ', 12), 'version', 1, 'is_active', true,
               'inventory_quantity', 7, 'brand', 'Alder', 'product_type', 'Home > Lamps', 'currency', 'USD'),
           '{"price": ["17.50", "19.99"]}'
    FROM generate_series(1, $2::int) AS number RETURNING id
"""
UNDELIVERED = "SELECT count(*) FROM webhook_delivery WHERE state <> 'delivered'"
UNRELAYED = "SELECT count(*) FROM event WHERE relayed_at IS NULL"

# The log of attempts at each delivery.
ATTEMPTS = """
    SELECT regexp_replace(p.url, '^[a-z]+://[^/]+', '') AS path, 'msg_' || d.event AS webhook_id,
        count(a.id) AS attempts, count(*) FILTER (WHERE a.status_code = 200) AS answered,
        count(*) FILTER (WHERE a.error_class = 'interrupted') AS interrupted
    FROM webhook_delivery d JOIN webhook_endpoint p ON p.id = d.endpoint
        LEFT JOIN webhook_attempt a ON a.delivery = d.id
    GROUP BY d.id, p.url
"""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def subscribe(
    connection: Connection,
    url: str,
    *,
    event_types: Sequence[str] = ("*",),
    include_bulk: bool = False,
    max_per_second: int | None = None,
    key: str = HOUSE_KEY,
) -> int:
    """The id of a new endpoint, for an installation whose SECRET_KEY is `key`."""
    secrets = msgspec.json.encode([{"sealed": seal(SECRET, key), "expires_at": None}]).decode()
    return int(await connection.fetchval(SUBSCRIBE, url, list(event_types), include_bulk, max_per_second, secrets))


def seal(secret: str, key: str) -> str:
    derived = hmac.digest(key.encode(), PURPOSE, hashlib.sha256)
    return Fernet(base64.urlsafe_b64encode(derived)).encrypt(secret.encode()).decode()


async def announce(
    connection: Connection, count: int = 1, topic: str = "product.updated", *, bulk: bool = False
) -> list[int]:
    """The ids of so many events, committed together."""
    return [row["id"] for row in await connection.fetch(ANNOUNCE, topic, count, bulk)]


async def announce_for(
    connection: Connection, seconds: float, per_second: float, topic: str = "product.updated"
) -> dict[str, float]:
    """One after the other, evenly. When each was committed (unix seconds), by webhook-id."""
    committed: dict[str, float] = {}
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        await asyncio.sleep(max(len(committed) / per_second - passed, 0))
        (event,) = await announce(connection, topic=topic)
        committed[f"msg_{event}"] = time.time()
    return committed


async def is_all_delivered(connection: Connection) -> bool:
    return not await connection.fetchval(UNRELAYED) and not await connection.fetchval(UNDELIVERED)


async def check_told(connection: Connection, receiver: Receiver, expected: int) -> int:
    """Every one of so many deliveries came, was answered once, and came again only where a worker died over it.

    How often one came again, altogether.
    """
    deliveries, came = await connection.fetch(ATTEMPTS), receiver.counted()
    assert len(deliveries) == expected
    assert set(came) == {(row["path"], row["webhook_id"]) for row in deliveries}
    for row in deliveries:
        times = came[row["path"], row["webhook_id"]]
        assert row["answered"] == 1, row
        assert row["attempts"] == 1 + row["interrupted"], row
        assert 1 <= times <= row["attempts"], (times, row)
    check_signed(receiver.received)
    return came.total() - expected


def check_signed(requests: Sequence[Received]) -> None:
    """Each as it would have been checked when it came, which may be long ago."""
    webhook = Webhook(SECRET)
    for request in requests:
        assert abs(request.at - request.timestamp) <= LONGEST_UNDER_WAY_SECONDS
        sent_at = datetime.fromtimestamp(request.timestamp, UTC)
        expected = webhook.sign(request.webhook_id, sent_at, request.body.decode())
        assert request.headers["webhook-signature"] == expected
