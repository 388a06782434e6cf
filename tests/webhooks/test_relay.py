"""Events become deliveries: each once, for those who asked, and in the transaction that marks the event."""

import asyncio
from typing import Any

import httpx
import pytest

from domains.webhooks import relay as module
from piccolo_conf import fetch_value, transaction
from tests.catalog.making import make_product
from tests.webhooks.making import deliveries, make_endpoint, record, record_in_bulk, relay

URL = "https://example.com/hook"


async def unrelayed() -> int:
    return int(await fetch_value("SELECT count(*) FROM event WHERE relayed_at IS NULL"))


async def test_an_event_reaches_those_who_subscribed_to_its_type(database: None):
    asked = await make_endpoint(URL, "order.placed", "order.cancelled")
    await make_endpoint(URL, "product.created")
    every = await make_endpoint(URL)
    await record("order.placed")
    relayed = await relay()
    assert (relayed.events, relayed.deliveries) == (1, 2)
    assert [row["endpoint"] for row in await deliveries()] == [asked, every]


async def test_an_event_is_relayed_once_whoever_relays(database: None):
    await make_endpoint(URL)
    for _ in range(50):
        await record()
    relayed = await asyncio.gather(*(relay() for _ in range(8)))
    assert sum(batch.events for batch in relayed) == 50
    assert len(await deliveries()) == 50
    assert await unrelayed() == 0


async def test_changes_of_an_import_go_out_one_by_one_only_where_that_was_asked_for(database: None):
    await make_endpoint(URL, "product.updated")
    patient = await make_endpoint(URL, "product.updated", include_bulk=True)
    await record_in_bulk("product.updated", 3)
    assert [row["endpoint"] for row in await deliveries()] == []
    assert (await relay()).deliveries == 3
    assert {row["endpoint"] for row in await deliveries()} == {patient}


async def test_a_disabled_endpoint_gets_nothing_new(database: None):
    disabled = {"is_enabled": False, "disabled_reason": "by_hand", "disabled_at": await fetch_value("SELECT now()")}
    await make_endpoint(URL, **disabled)
    await record()
    assert (await relay()).deliveries == 0


async def test_a_batch_that_fails_is_relayed_again_whole(database: None):
    await make_endpoint(URL)
    await record()
    with pytest.raises(RuntimeError):
        async with transaction():
            await relay()
            raise RuntimeError("the worker died")
    assert await unrelayed() == 1
    assert await deliveries() == []
    assert (await relay()).deliveries == 1


async def test_an_event_whose_transaction_is_still_open_is_found_later(database: None):
    """Its id is lower than those that were relayed already."""
    await make_endpoint(URL)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def write_slowly() -> None:
        async with transaction():
            await record("order.cancelled")
            begun.set()
            await go_on.wait()

    slow = asyncio.create_task(write_slowly())
    await begun.wait()
    await record("order.placed")
    assert (await relay()).events == 1
    go_on.set()
    await slow
    assert (await relay()).events == 1
    assert await unrelayed() == 0


async def test_more_than_a_batch_is_relayed_in_several(database: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    for _ in range(3):
        await record()
    first, second = await relay(), await relay()
    assert (first.events, first.was_full, second.events, second.was_full) == (2, True, 1, False)


async def test_what_is_followed_are_changes_one_by_one_and_not_those_of_an_import(staff: httpx.AsyncClient):
    await relay()
    await make_product(staff, "A-1")
    await record_in_bulk("product.updated", 3)
    followed = [row["topic"] for row in (await relay()).followed]
    assert followed == ["product.created"]


async def test_an_endpoint_that_is_deleted_meanwhile_stops_nobody(database: None):
    gone, stays = await make_endpoint(URL), await make_endpoint(URL)
    await record()

    async def delete() -> Any:
        return await fetch_value("DELETE FROM webhook_endpoint WHERE id = $1 RETURNING id", gone)

    await asyncio.gather(relay(), delete(), return_exceptions=True)
    await relay()
    assert [row["endpoint"] for row in await deliveries()] == [stays]
    assert await unrelayed() == 0
