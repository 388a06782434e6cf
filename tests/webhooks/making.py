"""Endpoints, events and what became of them, for tests of delivering."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from domains.events import services as events
from domains.webhooks.jobs import deliver_due
from domains.webhooks.relay import Relayed, relay_events
from domains.webhooks.signing import new_secret, seal
from lib.actor import Actor, Source, become
from piccolo_conf import fetch, fetch_row, fetch_value
from tests.webhooks.conftest import FrozenClock


async def make_endpoint(url: str, *event_types: str, secret: str = "", **fields: Any) -> int:
    """The id of an endpoint; of every type when none is named."""
    secrets = msgspec.json.encode([seal(secret or new_secret())]).decode()
    columns = {"url": url, "event_types": list(event_types) or ["*"], "secrets": secrets, **fields}
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    sql = f"INSERT INTO webhook_endpoint ({', '.join(columns)}) VALUES ({places}) RETURNING id"
    return int(await fetch_value(sql, *columns.values()))


async def record(topic: str = "order.placed", **data: Any) -> None:
    await events.record(topic, subject="order:1", data=data)


async def record_in_bulk(topic: str, times: int) -> None:
    become(Actor(source=Source.IMPORT, reference="import:1", bulk=True))
    await events.record_all(topic, [(f"product:{number}", number, {"id": number}) for number in range(times)])
    become(Actor())


async def relay() -> Relayed:
    return await relay_events()


async def deliver() -> None:
    """Everything that is recorded and due, to its end."""
    while (await relay_events()).was_full:
        pass
    await deliver_due()


async def deliver_at_its_time(frozen: FrozenClock) -> timedelta:
    """To the next attempt, wherever that lies; how long it took to come."""
    due: datetime = await fetch_value("SELECT min(next_attempt_at) FROM webhook_delivery WHERE state = 'pending'")
    wait = due - frozen.time
    frozen.time = max(due, frozen.time)
    await deliver()
    return wait


async def deliveries() -> Sequence[asyncpg.Record]:
    return await fetch("SELECT * FROM webhook_delivery ORDER BY id")


async def attempts() -> Sequence[asyncpg.Record]:
    return await fetch("SELECT * FROM webhook_attempt ORDER BY id")


async def endpoint_row(endpoint_id: int) -> asyncpg.Record:
    row = await fetch_row("SELECT * FROM webhook_endpoint WHERE id = $1", endpoint_id)
    assert row is not None
    return row
