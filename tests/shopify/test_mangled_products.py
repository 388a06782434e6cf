"""Whatever a payload of a product holds, it is settled with a state and a reason, and stock adds up."""

import asyncio
from itertools import count
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.catalog.proof import find_differences
from domains.shopify.tables import InboundReason, InboundState
from piccolo_conf import execute, fetch_value
from tests.shopify.assortment import BLACK, BLACK_ITEM, BRASS, BRASS_ITEM, LAMP, lamp, minute
from tests.shopify.making import tell

EXAMPLES = 100
DROP = object()
IDS = (LAMP, LAMP + 1, BRASS, BLACK, BRASS_ITEM, BLACK_ITEM, 0, 1, str(BRASS), 2**63 - 1)
TEXTS = ("", " ", "\0", "a\0b", "LAMP-BRASS", "lamp-black", "FOREIGN", "İ", "ς", "\u2028", "x" * 20_000, "€" * 600)
NUMBERS = (0, 5, -3, 2**31 - 1, 2**31, 2**63, 2**64, 10**30, -(10**30), 1e300, 0.1, "7", "-1", "1e5", "NaN")
TIMES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-03-02T15:00:00", "yesterday", 5)
SHAPES = (None, True, [], {}, [None], [[]], [{}], {"id": 1}, [1], DROP)
WILD = (*IDS, *TEXTS, *NUMBERS, *TIMES, *SHAPES)
PLACES = st.sampled_from([None, 0, 1])
# One in eight is of any type: a wrong one refuses the whole payload.
EDITS = st.lists(st.tuples(PLACES, st.integers(0, 40), st.integers(0, 100), st.integers(0, 7)), min_size=1, max_size=8)
Edit = tuple[int | None, int, int, int]

_minutes = count(1)


def mangle(edits: list[Edit]) -> dict[str, Any]:
    """The lamp with some keys of it, or of one of its variants, replaced or dropped."""
    payload = lamp(next(_minutes))
    variants = list(payload["variants"])
    for place, key, choice, is_tame in edits:
        target = payload if place is None else variants[place]
        name = sorted(target)[key % len(target)]
        values = fitting(name, target[name]) if is_tame else WILD
        target[name] = values[choice % len(values)]
        if target[name] is DROP:
            del target[name]
    return payload


def fitting(name: str, value: object) -> tuple[Any, ...]:
    """What might stand there, however strange."""
    if name == "id" or name.endswith("_id"):
        return IDS
    if isinstance(value, str):
        return (*TEXTS, None, DROP)
    return (*NUMBERS, None, DROP) if isinstance(value, int) else (None, DROP, [])


async def check(client: httpx.AsyncClient, payload: dict[str, Any]) -> None:
    row = await tell(client, "products/update", payload, triggered_at=minute(next(_minutes)))
    assert_settled(row)
    assert await find_differences() == []


def assert_settled(row: asyncpg.Record) -> None:
    assert row["state"] != InboundState.PENDING
    assert row["reason"] != InboundReason.INTERNAL
    assert row["state"] == InboundState.PROCESSED or row["detail"]


@pytest.mark.parametrize("time", TIMES)
async def test_no_time_breaks_anything(client: httpx.AsyncClient, time: object) -> None:
    assert_settled(await tell(client, "products/update", lamp(updated_at=time)))


async def test_mangled_payloads_break_nothing(client: httpx.AsyncClient) -> None:
    await execute("INSERT INTO product (sku, name, slug) VALUES ('FOREIGN', 'Foreign', '')")
    loop = asyncio.get_running_loop()

    @settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(EDITS)
    def run(edits: list[Edit]) -> None:
        asyncio.run_coroutine_threadsafe(check(client, mangle(edits)), loop).result(timeout=60)

    await asyncio.to_thread(run)
    assert await fetch_value("SELECT count(*) FROM inbound_webhook WHERE state = 'processed'") > EXAMPLES // 4
