"""What PostgreSQL itself needs to place an order: pgbench with the bare SQL of the same rows."""

import re
from enum import StrEnum
from pathlib import Path

import msgspec

from bench import cores
from bench.limits import find_client
from bench.servers import Place, connect, run

LINES = 100
# Otherwise each client plans each statement five times, which is a good part of a short run.
PLAN_ONCE = "-c plan_cache_mode=force_generic_plan -c jit=off"
# More than any run sells of one product.
PLENTY = 10_000_000

# By SQL, keeping the laws of stock: levels and ledger grow with the totals. Triggers are off: a million events tell
# nothing here.
STOCK_UP = f"""
    WITH moved AS (
        UPDATE product SET is_active = true, inventory_quantity = inventory_quantity + {PLENTY}
        WHERE id BETWEEN $1 AND $2 RETURNING id, sku
    ), level AS (
        INSERT INTO stock_level AS old (product, location, on_hand)
        SELECT m.id, l.id, {PLENTY} FROM moved m, location l WHERE l.is_default
        ON CONFLICT (product, location) DO UPDATE SET on_hand = old.on_hand + {PLENTY}
        RETURNING product, location, on_hand
    )
    INSERT INTO stock_movement (product_id, sku, location, delta, on_hand_after, reason)
    SELECT m.id, m.sku, l.location, {PLENTY}, l.on_hand, 'adjustment' FROM moved m JOIN level l ON l.product = m.id
"""

WRONG = """
    SELECT (
        SELECT count(*) FROM stock_level l
        FULL JOIN (SELECT product_id, location, sum(delta) AS moved FROM stock_movement GROUP BY 1, 2) AS m
            ON m.product_id = l.product AND m.location = l.location
        WHERE l.on_hand IS DISTINCT FROM m.moved AND coalesce(l.on_hand, m.moved) <> 0
    ) + (
        SELECT count(*) FROM product p
        LEFT JOIN (SELECT product, sum(on_hand) AS total FROM stock_level GROUP BY 1) AS l ON l.product = p.id
        WHERE p.inventory_quantity <> coalesce(l.total, 0)
    )
"""

# What placing an order of `:lines` neighbours writes: levels, ledger, totals (and an event for each by the trigger),
# order, lines and the event of the order; behind the locks of the products, in the order of their ids.
PLACE_ORDER = """
\\set last :first + :lines - 1
BEGIN;
SELECT set_config('stockroom.actor_id', '1', true), set_config('stockroom.actor', 'bench', true),
       set_config('stockroom.source', 'order', true), set_config('stockroom.reference', 'order:1', true);
SELECT nextval('sales_order_id_seq') AS number \\gset
SELECT count(*) AS locked FROM (
    SELECT id FROM product WHERE id BETWEEN :first AND :last ORDER BY id FOR NO KEY UPDATE) AS l \\gset
WITH level AS (
    UPDATE stock_level SET on_hand = on_hand - 1
    WHERE product BETWEEN :first AND :last AND location = 1 RETURNING product, location, on_hand
)
INSERT INTO stock_movement (product_id, sku, location, delta, on_hand_after, reason, note, reference, actor_id)
SELECT p.id, p.sku, l.location, -1, l.on_hand, 'sale', '', 'order:' || :number::int, 1
FROM level l JOIN product p ON p.id = l.product;
UPDATE product SET inventory_quantity = inventory_quantity - 1 WHERE id BETWEEN :first AND :last;
INSERT INTO sales_order (id, number, customer_name, email, currency, total, source)
VALUES (:number, 'PGB-' || :number::int, 'Bench', 'bench@example.com', 'USD', 19.99, 'api');
INSERT INTO sales_order_line (sales_order, product, sku, name, unit_price, quantity)
SELECT :number::int, id, sku, name, price, 1 FROM product WHERE id BETWEEN :first AND :last;
INSERT INTO event (topic, subject, actor_id, actor, source, reference, data)
SELECT 'order.placed', 'order:' || :number::int, 1, 'bench', 'order', 'order:' || :number::int, jsonb_build_object(
    'id', :number::int, 'number', 'PGB-' || :number::int, 'total', '19.99', 'currency', 'USD', 'lines',
    jsonb_agg(jsonb_build_object('product', id, 'sku', sku, 'quantity', 1, 'unit_price', price::text)))
FROM product WHERE id BETWEEN :first AND :last;
COMMIT;
"""


class Choice(StrEnum):
    """Which products an order is about, in the language of pgbench."""

    DISTINCT = "random(:least, :most)"
    HOT = ":least"


class Crowd(msgspec.Struct, frozen=True):
    """Neighbouring ids of active products that have plenty of stock."""

    least: int
    most: int


async def stock_up(place: Place, wanted: int) -> Crowd:
    connection = await connect(place)
    try:
        least = await connection.fetchval("SELECT min(id) FROM product")
        most = await connection.fetchval("SELECT max(id) FROM product WHERE id < $1::int + $2", least, wanted)
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(STOCK_UP, least, most, timeout=300)
        await connection.execute("SET session_replication_role = origin")
        await connection.execute("VACUUM (ANALYZE) product, stock_level, stock_movement")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    return Crowd(least, most)


async def orders_per_second(
    place: Place, crowd: Crowd, choice: Choice, *, lines: int, clients: int, seconds: int
) -> tuple[float, float]:
    """Transactions of `PLACE_ORDER`, each statement planned once for each client; and PostgreSQL's processor time for
    one of them, in milliseconds."""
    command = ["env", f"PGOPTIONS={PLAN_ONCE}", find_client("pgbench"), "-n", "-M", "prepared"]
    given = {"least": crowd.least, "most": crowd.most - lines + 1, "lines": lines}
    command += [word for name, value in given.items() for word in ("-D", f"{name}={value}")]
    command += ["-c", str(clients), "-T", str(seconds), "-f", str(_script(place, choice)), place.database_url]
    used = cores.postgres_seconds(place)
    printed = await run(place, "pgbench", command)
    used = cores.postgres_seconds(place) - used
    rate = re.search(rb"tps = ([0-9.]+)", printed)
    count = re.search(rb"actually processed: ([0-9]+)", printed)
    return (float(rate[1]), used / int(count[1]) * 1000) if rate and count else (0.0, 0.0)


async def count_wrong(place: Place) -> int:
    """Levels that are not the sum of their movements, and totals that are not the sum of their levels."""
    connection = await connect(place)
    try:
        return int(await connection.fetchval(WRONG, timeout=600))
    finally:
        await connection.close()


def _script(place: Place, choice: Choice) -> Path:
    script = place.directory / f"place-{choice.name.lower()}.sql"
    script.write_text(f"\\set first {choice}\n{PLACE_ORDER}")
    return script
