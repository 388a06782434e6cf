"""Short histories of a shop, told in any order and more than once: whatever comes first, the end is the same."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import httpx
import pytest

from domains.shopify import jobs
from lib.embedded import Urls
from piccolo_conf import execute, fetch_value
from tests.conftest import empty_tables
from tests.faults.endpoints import Connection
from tests.faults.harness import make_seed
from tests.faults.shop import Shop
from tests.faults.shop_checking import check_inbox, check_ledger, check_same
from tests.faults.shop_sending import Call, headers_of, make_calls

URL = "/api/shopify-webhook/"
# What parked webhooks meet later, and later again.
COME_BACK = "UPDATE inbound_webhook SET next_attempt_at = now() WHERE state = 'parked'"
PARKED = "SELECT count(*) FROM inbound_webhook WHERE state = 'parked'"
MOST_AT_ONCE = 20


@pytest.fixture
async def connection(servers: Urls, database: None) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(servers.database_url)
    yield connection
    await connection.close()


async def tell(client: httpx.AsyncClient, call: Call, rng: random.Random) -> None:
    answer = await client.post(URL, content=call.body, headers=headers_of(call, rng))
    assert answer.status_code == (401 if call.is_forged else 200), answer.text


async def tell_all(client: httpx.AsyncClient, calls: list[Call], rng: random.Random) -> None:
    """Some at a time, and processed meanwhile."""
    while calls:
        some = [calls.pop() for _ in range(min(rng.randint(1, MOST_AT_ONCE), len(calls)))]
        await asyncio.gather(*(tell(client, call, rng) for call in some), jobs.process_inbox())
    await jobs.process_inbox()


async def come_back() -> None:
    """Until nothing changes any more."""
    before = -1
    while (parked := await fetch_value(PARKED)) != before:
        before = parked
        await execute(COME_BACK)
        await jobs.process_inbox()


async def live_and_tell(client: httpx.AsyncClient, connection: Connection, rng: random.Random, events: int) -> None:
    shop = Shop(rng)
    calls = make_calls(rng, shop.live(events), most_copies=2, jitter=timedelta(days=1))
    await tell_all(client, list(reversed(calls)), rng)
    await come_back()
    await check_inbox(connection, shop, calls)
    await check_same(connection, shop)
    await check_ledger(connection)


@pytest.mark.parametrize("turn", range(3))
async def test_a_history_told_in_any_order_ends_as_the_shop_is(
    client: httpx.AsyncClient, connection: Connection, turn: int
) -> None:
    await live_and_tell(client, connection, make_seed(), events=150)


@pytest.mark.faults
@pytest.mark.timeout(3600)
async def test_two_hundred_histories_end_as_the_shop_is(client: httpx.AsyncClient, connection: Connection) -> None:
    rng = make_seed()
    for _ in range(200):
        await live_and_tell(client, connection, random.Random(rng.randrange(1 << 32)), rng.choice((30, 100, 300)))
        await empty_tables()
