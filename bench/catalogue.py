"""Many products at once, by SQL: skewed brands, types and prices, and words that are common, rare and in between.

Triggers are off for the filling session alone, so no events are written; levels and ledger are, so the laws of stock
hold. Indexes that serve only reading are dropped and made again: filling an empty catalogue takes a minute instead of
five.
"""

import sys
import time

import asyncpg

from bench.servers import Place, connect

CHUNK = 100_000
RARE_WORD = "zephyrine"
RARE_EVERY = 50_000
# Enough products to be worth rebuilding the indexes for.
WORTH_REBUILDING = 200_000

FILL = f"""
    WITH fresh AS (
        INSERT INTO product (id, sku, name, slug, description, price, compare_at_price, cost_price, is_active,
            inventory_quantity, brand, product_type, condition, gender, age_group, color, size, gtin, image_link,
            handle, options, expiry_on, supplier_number, attributes, external_id, version, created_at, updated_at)
        SELECT id, 'SEED-' || lpad((id * 7654321::bigint % 10000019)::text, 8, '0'), name, product_slug(name, id),
            'Made to be used every day, and to be repaired when it breaks. Tested for ten thousand cycles.',
            price, CASE WHEN random() < 0.2 THEN round(price * 1.3, 2) END, round(price * 0.6, 2), random() > 0.04,
            quantity, brand, kind,
            (array['new', 'new', 'new', 'new', 'used', 'refurbished', NULL])[1 + (random() * 6)::int],
            (array['unisex', 'male', 'female', NULL])[1 + (random() * 3)::int], 'adult', colour, 'M',
            lpad(id::text, 13, '4'), 'https://images.example.com/' || id || '.jpg', 'handle-' || id / 4,
            jsonb_build_object('Size', 'M', 'Color', colour),
            CASE WHEN id % 20 = 0 THEN date '2027-01-01' + id % 700 END,
            'S-' || id % 5000, jsonb_build_object('google_product_category', kind, 'shipping_weight', '2 kg'),
            CASE WHEN id % 2 = 0 THEN 'feed-' || id END, 1, made_at, made_at + random() * interval '1 day'
        FROM (
            SELECT id, brand, kind, colour, price, quantity, now() - (5000000 - id) * interval '20 seconds' AS made_at,
                concat_ws(' ', brand, look, thing, colour, CASE WHEN id % {RARE_EVERY} = 7 THEN '{RARE_WORD}' END,
                    (id * 31) % 9973) AS name
            FROM (
                SELECT nextval('product_id_seq')::int AS id, 'Brand ' || (400 * power(random(), 3))::int AS brand,
                    'Home > Type ' || (60 * power(random(), 2))::int AS kind,
                    (array['soft', 'robust', 'light', 'folding', 'woven', 'compact'])[1 + (random() * 5)::int] AS look,
                    (array['cotton shirt', 'cotton jacket', 'desk lamp', 'chair', 'kettle', 'rucksack', 'blanket',
                        'notebook', 'helmet', 'bottle'])[1 + (random() * 9)::int] AS thing,
                    (array['black', 'white', 'navy', 'olive', 'sand', 'crimson'])[1 + (6 * power(random(), 2))::int % 6]
                        AS colour,
                    round((2 * exp(random() * 5))::numeric, 2) AS price, (500 * power(random(), 4))::int AS quantity
                FROM generate_series(1, $1::int)
            ) AS parts
        ) AS named
        RETURNING id, sku, inventory_quantity
    ), level AS (
        INSERT INTO stock_level (product, location, on_hand)
        SELECT f.id, l.id, f.inventory_quantity FROM fresh f, location l WHERE l.is_default AND f.inventory_quantity > 0
    )
    INSERT INTO stock_movement (product_id, sku, location, delta, on_hand_after, reason)
    SELECT f.id, f.sku, l.id, f.inventory_quantity, f.inventory_quantity, 'adjustment'
    FROM fresh f, location l WHERE l.is_default AND f.inventory_quantity > 0
"""

READING_INDEXES = """
    SELECT c.relname, pg_get_indexdef(i.indexrelid) AS definition
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = 'product'::regclass AND NOT i.indisunique
"""


async def fill(place: Place, wanted: int) -> None:
    """Bring the number of products up to `wanted`, with fresh statistics."""
    connection = await connect(place)
    try:
        missing = wanted - await connection.fetchval("SELECT count(*) FROM product")
        if missing > 0:
            await _fill(connection, missing)
        await connection.execute("VACUUM (ANALYZE) product, stock_level, stock_movement, event")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _fill(connection: "asyncpg.Connection[asyncpg.Record]", missing: int) -> None:
    started = time.perf_counter()
    indexes = await connection.fetch(READING_INDEXES) if missing >= WORTH_REBUILDING else []
    await connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '512MB'")
    await connection.execute("SET synchronous_commit = off; SELECT setseed(0.42)")
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['relname']}")
    for done in range(0, missing, CHUNK):
        await connection.execute(FILL, min(CHUNK, missing - done), timeout=600)
    for index in indexes:
        await connection.execute(index["definition"], timeout=600)
    await connection.execute("SET session_replication_role = origin")
    tell(f"{missing:,} products filled in {time.perf_counter() - started:.0f} s")


async def empty(place: Place) -> None:
    """No products, no imports and nothing that tells of them."""
    connection = await connect(place)
    try:
        await connection.execute(
            "TRUNCATE product, stock_level, stock_movement, event, import_job, import_row_error CASCADE"
        )
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def tell(sentence: str) -> None:
    """What is going on, for whoever waits."""
    print(f"  … {sentence}", file=sys.stderr, flush=True)
