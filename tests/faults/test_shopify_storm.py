"""R9: what a shop tells comes up to five times, in any order, some of it hours late and some of it forged. At the end
everything is as it is in the shop, and nothing was booked twice."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.crew import hired
from tests.faults.harness import House, free_port, make_seed, until
from tests.faults.shop import Shop
from tests.faults.shop_checking import check_inbox, check_ledger, check_same, is_settled
from tests.faults.shop_sending import SETTINGS, Sender, make_calls

LATEST_99_SECONDS, SLOWEST_SECONDS = 0.5, 5.0
# Before the shop is connected a catalogue was imported; some of it is what the shop sells.
KNOWN_BEFORE = 30
PARKED_SECONDS = {"SHOPIFY_PARKED_SECONDS": "1"}


class Plan(NamedTuple):
    """Copies come within `jitter` of the event, but for the late ones: with a day of it, in any order at all."""

    events: int
    workers: int
    patience: float
    jitter: timedelta
    is_timed: bool


async def import_catalogue(house: House) -> None:
    """As somebody writes SKUs who does not care for case, and with stock that is the shop's to tell."""
    lines = [f"shop-{number},Thing {number} as it was,1.00,7\n" for number in range(KNOWN_BEFORE)]
    import_id = await house.order_import("sku,name,price,inventory_quantity\n" + "".join(lines))

    async def has_ended() -> bool:
        return await house.ask("SELECT status FROM import_job WHERE id = $1", import_id) == "completed"

    await until(has_ended, 60)


async def run(directory: Path, plan: Plan) -> None:
    rng = make_seed()
    with House(directory, **SETTINGS, **PARKED_SECONDS).running() as house, hired(house) as crew:
        for _ in range(plan.workers):
            crew.start()
        port = free_port()
        await asyncio.to_thread(house.start_web, port)
        await import_catalogue(house)
        shop = Shop(rng, imported=[f"SHOP-{number}" for number in range(KNOWN_BEFORE)])
        calls = make_calls(rng, shop.live(plan.events), jitter=plan.jitter)
        sender = Sender(f"http://127.0.0.1:{port}/api/shopify-webhook/", rng)
        await sender.send(calls)
        async with house.database() as connection:
            took = await until(lambda: is_settled(connection), plan.patience)
            print(f"{plan.events} events in {len(calls)} calls: {sender.tell()}; settled {took:.1f} s later")
            await check_inbox(connection, shop, calls)
            await check_same(connection, shop)
            await check_ledger(connection)
    assert set(sender.statuses) == {200}
    assert set(sender.forged) == {401}
    if plan.is_timed:
        sender.check_speed(LATEST_99_SECONDS, SLOWEST_SECONDS)


@pytest.mark.timeout(180)
async def test_a_storm_of_webhooks_ends_as_the_shop_is(tmp_path: Path) -> None:
    await run(tmp_path, Plan(400, workers=2, patience=60, jitter=timedelta(days=1), is_timed=False))


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("jitter", [timedelta(minutes=10), timedelta(days=1)], ids=["nearly in order", "in any order"])
async def test_r9_five_thousand_events(tmp_path: Path, jitter: timedelta) -> None:
    await run(tmp_path, Plan(5000, workers=2, patience=600, jitter=jitter, is_timed=True))
