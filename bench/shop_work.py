"""How many webhooks of a shop one worker processes: what a shop tells in a day, and levels alone against pgbench, which
writes the same rows."""

import contextlib
import random
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from statistics import median

import msgspec

from bench.catalogue import tell
from bench.limits import find_client
from bench.report import Row, inform
from bench.servers import PYTHON, Place, connect, run, running
from bench.telling import until, using
from tests.faults.endpoints import Connection
from tests.faults.shop import Event, Shop
from tests.faults.shop_sending import SHOP

LANES = 4
CLEAR = "TRUNCATE inbound_webhook, shopify_version, event, sales_order CASCADE"
STORE = """
    INSERT INTO inbound_webhook (shop, topic, webhook_id, triggered_at, body) VALUES ($1, $2, $3, $4, $5)
"""
IS_PENDING = "SELECT EXISTS (SELECT FROM inbound_webhook WHERE state = 'pending')"
PROCESSED = "SELECT count(*) FROM inbound_webhook WHERE state = 'processed'"
# Between the first and the last tenth, when not every lane is at work yet or any more.
MIDDLE_SECONDS = """
    SELECT extract(epoch FROM percentile_disc(0.9) WITHIN GROUP (ORDER BY processed_at)
        - percentile_disc(0.1) WITHIN GROUP (ORDER BY processed_at))::float8
    FROM inbound_webhook
"""
# What setting a level writes: its version, level, ledger and total (and its event, by the trigger), and the row of the
# inbox, which is claimed as the product claims it.
MAKE_TARGETS = """
    DROP TABLE IF EXISTS bench_target;
    CREATE TABLE bench_target AS
        SELECT row_number() OVER ()::int AS number, s.product, s.location, p.shopify_inventory_item_id AS item,
            l.shopify_location_id AS place
        FROM stock_level s JOIN product p ON p.id = s.product JOIN location l ON l.id = s.location
        WHERE s.shopify_updated_at IS NOT NULL AND p.shopify_inventory_item_id IS NOT NULL;
    ALTER TABLE bench_target ADD PRIMARY KEY (number);
    ANALYZE bench_target;
"""
AGAIN = """
    UPDATE inbound_webhook SET state = 'pending', processed_at = NULL, reason = NULL, attempts = 0,
        next_attempt_at = now()
"""
SET_LEVEL = """
\\set number random(1, :targets)
BEGIN;
SELECT id AS webhook, body FROM inbound_webhook
WHERE state IN ('pending', 'parked') AND next_attempt_at <= now()
ORDER BY next_attempt_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED \\gset
SELECT set_config('stockroom.actor_id', '', true), set_config('stockroom.actor', 'shopify', true),
    set_config('stockroom.source', 'shopify', true), set_config('stockroom.reference', 'shopify-webhook:1', true);
SELECT product, location, item, place FROM bench_target WHERE number = :number \\gset
INSERT INTO shopify_version AS v (kind, shopify_id, location_id, updated_at, triggered_at, is_removed)
VALUES ('level', :item, :place, now(), now(), false)
ON CONFLICT (shopify_id, kind, location_id) DO UPDATE
SET updated_at = v.updated_at, triggered_at = v.triggered_at, is_removed = false
RETURNING id AS version \\gset
SELECT id AS locked FROM product WHERE id = :product FOR NO KEY UPDATE \\gset
WITH level AS (
    UPDATE stock_level SET on_hand = on_hand + 1, shopify_updated_at = now()
    WHERE product = :product AND location = :location RETURNING product, location, on_hand
), movement AS (
    INSERT INTO stock_movement
        (product_id, sku, location, delta, on_hand_after, reason, note, reference, actor_id, occurred_at)
    SELECT product, 'S', location, 1, on_hand, 'shopify', '', 'shopify-webhook:1', NULL, clock_timestamp() FROM level
)
UPDATE product SET inventory_quantity = inventory_quantity + 1 WHERE id = :product;
UPDATE inbound_webhook SET state = 'processed', reason = NULL, detail = '', results = '[]', awaits = NULL,
    attempts = attempts + 1, processed_at = now(), next_attempt_at = now()
WHERE id = :webhook;
COMMIT;
"""


class Speed(msgspec.Struct, frozen=True):
    """Webhooks a second, and milliseconds of processor time for one."""

    rate: float
    worker: float
    postgres: float


async def measure_work(place: Place, told: int) -> list[Row]:
    """`told` webhooks at once, each time."""
    connection = await connect(place)
    try:
        await connection.execute(CLEAR)
        shop = Shop(random.Random(7))
        mixed = await _work(place, connection, shop.live(told))
        levels, limits = [], []
        for _ in range(3):
            levels.append(await _work(place, connection, _set_levels(shop, told)))
            limits.append(await _limit(place, connection, told))
    finally:
        await connection.execute(f"{CLEAR}; DROP TABLE IF EXISTS bench_target")
        await connection.close()
    middle = sorted(levels, key=lambda speed: speed.rate)[1]
    note = f"{told:,} at once, {LANES} at a time; limit: pgbench, {LANES} clients, the same rows"
    return [
        inform("webhooks processed by one worker", mixed.rate, "/s", note=f"{told:,} at once, as a shop tells them"),
        inform("  inventory_levels/update alone", middle.rate, "/s", median(limits), note),
        inform("  processor time of the worker for one", middle.worker, "ms"),
        inform("  processor time of PostgreSQL for one", middle.postgres, "ms"),
    ]


async def _work(place: Place, connection: Connection, events: Sequence[Event]) -> Speed:
    """All of them are there at one moment, for a worker that is up already."""
    async with _working(place, connection) as pid:
        await connection.execute("DELETE FROM inbound_webhook")
        with using(place, pid) as used:
            await _store(connection, events)
            used.restart()
            await _until_done(connection)
        rate = len(events) * 0.8 / max(await connection.fetchval(MIDDLE_SECONDS), 0.001)
        tell(f"{len(events):,} webhooks, {await connection.fetchval(PROCESSED):,} with an effect: {rate:,.0f}/s")
    count = len(events)
    return Speed(rate, used.worker / count * 1000, used.postgres / count * 1000)


@contextlib.asynccontextmanager
async def _working(place: Place, connection: Connection) -> AsyncIterator[int]:
    async with running(place, "worker", [PYTHON, "-m", "litestar", "worker"]) as pid:
        await _store(connection, [Event("products/delete", b'{"id": 1}', datetime.now(UTC), "first")])
        await _until_done(connection)
        yield pid


async def _until_done(connection: Connection) -> None:
    async def is_done() -> bool:
        return not await connection.fetchval(IS_PENDING)

    await until(is_done)


async def _store(connection: Connection, events: Sequence[Event]) -> None:
    rows = [(SHOP, event.topic, event.webhook_id, event.triggered_at, event.body.decode()) for event in events]
    async with connection.transaction():
        await connection.executemany(STORE, rows)


def _set_levels(shop: Shop, count: int) -> list[Event]:
    """As many more updates of levels that are there."""
    variants = {variant.item: variant for product in shop.products.values() for variant in product.variants}
    before, places = len(shop.events), list(shop.levels)
    for _ in range(count):
        item, location = shop.rng.choice(places)
        shop.put(variants[item], location, shop.rng.randrange(300))
    return shop.events[before:]


async def _limit(place: Place, connection: Connection, told: int) -> float:
    """Transactions a second, on the rows of the inbox that were processed before."""
    await connection.execute(AGAIN)
    await connection.execute(MAKE_TARGETS)
    targets = await connection.fetchval("SELECT count(*) FROM bench_target")
    script = place.directory / "set_level.sql"
    script.write_text(SET_LEVEL)
    command = [find_client("pgbench"), "-n", "-c", str(LANES), "-t", str(told // LANES), "-M", "prepared"]
    printed = await run(place, "pgbench", [*command, "-D", f"targets={targets}", "-f", str(script), place.database_url])
    found = re.search(rb"tps = ([0-9.]+)", printed)
    return float(found[1]) if found else 0.0
