"""Many products at once: staged with COPY, merged with one statement for each kind of change.

Unchanged rows are only read, changed ones locked in id order before anything is compared for good, new ones inserted in
the order of their key: imports, orders and edits side by side do not deadlock. Relies on product_sku_key (lower(sku)),
product_external_id_key and stock_level_key (product, location).
"""

from collections.abc import Sequence

import asyncpg
import msgspec

from domains.catalog import stock
from domains.catalog.columns import WRITABLE
from domains.catalog.races import Raced
from domains.catalog.tables import Policy, Reason
from piccolo_conf import Connection
from settings import settings

# What a new product gets where nothing is given; the others get NULL.
DEFAULTS = {
    "description": "''",
    "price": "0",
    "currency": f"'{settings.default_currency}'",
    "is_active": "true",
    "options": "'{}'",
    "attributes": "'{}'",
}
NEVER_CLEARED = {"sku", "name", "price", "currency", "is_active", "inventory_quantity"}
SKU, NAME, QUANTITY, EXTERNAL_ID = "sku", "name", "inventory_quantity", "external_id"

# Hash and merge joins would read the whole product table for every set: quadratic over a file.
PLAN_BY_INDEX = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
PLAN_FREELY = "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on"

STAGE = """
    CREATE TEMPORARY TABLE product_stage (
        row_number int NOT NULL, {columns}, product_id int, action text, field text, message text, delta int
    ) ON COMMIT DROP
"""

# Keys that only PostgreSQL's lower() finds equal; callers have combined the others.
DROP_TWINS = """
    DELETE FROM product_stage WHERE row_number IN (
        SELECT row_number FROM (
            SELECT row_number, row_number < max(row_number) OVER (PARTITION BY lower(sku)) AS is_twin FROM product_stage
        ) AS s WHERE is_twin
    )
"""

MATCH = """
    UPDATE product_stage s
    SET product_id = p.id, action = CASE WHEN {differs} THEN '{changed}' ELSE '{same}' END
    FROM product p WHERE lower(p.sku) = lower(s.sku)
"""

REFUSE_NAMELESS = """
    UPDATE product_stage SET action = 'error', field = 'name', message = 'name is needed for a new product'
    WHERE action IS NULL {and_nameless}
"""

NUMBER_NEW = """
    UPDATE product_stage SET action = 'create', product_id = nextval('product_id_seq') WHERE action IS NULL
"""

SKIP_NEW = "UPDATE product_stage SET action = 'skip' WHERE action IS NULL"

REFUSE_TAKEN_ID = """
    UPDATE product_stage s SET action = 'error', field = 'external_id',
        message = 'external_id ' || s.external_id || ' belongs to ' || coalesce(
            (SELECT p.sku FROM product p WHERE p.external_id = s.external_id AND p.id <> s.product_id),
            'another row')
    WHERE s.action IN ('create', 'update') AND s.external_id <> '' AND (
        EXISTS (SELECT FROM product p WHERE p.external_id = s.external_id AND p.id <> s.product_id)
        OR s.row_number IN (
            SELECT row_number FROM (
                SELECT row_number, row_number > min(row_number) OVER (PARTITION BY external_id) AS is_second
                FROM product_stage WHERE action IN ('create', 'update') AND external_id <> ''
            ) AS t WHERE is_second))
"""

LOCK_CHANGED = """
    SELECT id FROM product WHERE id IN (SELECT product_id FROM product_stage WHERE action = 'update')
    ORDER BY id FOR NO KEY UPDATE
"""

# Deleted since it was matched: what is to become of the row is open again.
FORGET_DELETED = """
    UPDATE product_stage SET product_id = NULL, action = NULL
    WHERE action = 'update' AND NOT EXISTS (SELECT FROM product p WHERE p.id = product_id)
"""

# Nobody deactivates it until the transaction ends.
HOLD_LOCATION = """
    SELECT id FROM location
    WHERE is_active AND CASE WHEN $1::int IS NULL THEN is_default ELSE id = $1 END FOR KEY SHARE
"""

# Only now, behind the locks, is the difference certain.
MEASURE_STOCK = """
    UPDATE product_stage s SET delta = s.inventory_quantity::int - {on_hand}
    FROM product p WHERE p.id = s.product_id AND s.action = 'update' AND s.inventory_quantity IS NOT NULL
"""

LEVEL = """
    coalesce((SELECT l.on_hand FROM stock_level l WHERE l.product = {product} AND l.location = {location}), 0)
"""

REFUSE_SHORT = """
    UPDATE product_stage s SET action = 'error', field = 'inventory_quantity',
        message = 'inventory_quantity needs ' || -delta || ' less, but only ' || {level} || ' lie at this location'
    WHERE action = 'update' AND delta < 0 AND {level} + delta < 0
"""

REFUSE_CLOSED = """
    UPDATE product_stage SET action = 'error', field = 'inventory_quantity',
        message = 'inventory_quantity cannot be booked: this location is not active'
    WHERE action = 'update' AND delta <> 0 OR action = 'create' AND inventory_quantity::int <> 0
"""

INSERT_NEW = """
    INSERT INTO product (id, sku, slug, inventory_quantity, {columns})
    SELECT product_id, sku, product_slug(name, product_id), {quantity}, {values}
    FROM product_stage s WHERE action = 'create' ORDER BY lower(sku)
"""

UPDATE_CHANGED = """
    UPDATE product p SET inventory_quantity = p.inventory_quantity + coalesce(s.delta, 0) {assignments}
    FROM product_stage s WHERE p.id = s.product_id AND s.action = 'update' AND lower(p.sku) = lower(s.sku)
"""

STOCK_MOVES = """
    SELECT product_id, sku, {location} AS location, {delta} AS delta FROM product_stage
    WHERE action IN ('create', 'update') AND {delta} <> 0
"""

COUNT = "SELECT action, count(*) AS number FROM product_stage GROUP BY action"

REJECTED = "SELECT row_number, sku, field, message FROM product_stage WHERE action = 'error' ORDER BY row_number"

OUTCOMES = "SELECT row_number, product_id, action, field, message FROM product_stage ORDER BY row_number"


def fold(sku: str | None) -> str:
    """A SKU as PostgreSQL's lower() compares it: letter by letter, where Python's looks at the end of a Greek word."""
    text = sku or ""
    return text.lower() if text.isascii() else "".join(map(str.lower, text))


class Rejected(msgspec.Struct, frozen=True):
    row_number: int
    sku: str
    field: str
    message: str


class Merged(msgspec.Struct):
    """What became of the rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    rejected: list[Rejected] = msgspec.field(default_factory=list)


class Merge:
    """The statements for a set of columns; `run` inside a transaction, as often as needed.

    Rows are (row_number, texts by column): None keeps the old value, "" clears it, and `sku` is given and unique.
    Quantities are totals, booked at the default location; with a location they are its own.
    """

    def __init__(self, columns: Sequence[str], policy: Policy, reason: Reason, location_id: int | None = None) -> None:
        self.columns = list(columns)
        self.plain = [name for name in columns if name not in (SKU, QUANTITY)]
        self.policy = policy
        self.reason = reason
        self.location_id = location_id

    async def run(self, connection: Connection, rows: Sequence[tuple[int, Sequence[str | None]]]) -> Merged:
        """Raises one of RACES, after which the transaction is lost and all may be tried again.

        Every statement means the default location that there was at the beginning.
        """
        held = await connection.fetchval(HOLD_LOCATION, self.location_id)
        if held is None and self.location_id is None:
            raise Raced
        self.location, self.is_open = held or self.location_id, held is not None
        await connection.execute(f"DROP TABLE IF EXISTS product_stage; {PLAN_BY_INDEX}; {self._stage()}")
        await connection.copy_records_to_table(
            "product_stage",
            records=[(number, *texts) for number, texts in rows],
            columns=["row_number", *self.columns],
        )
        await connection.execute(f"{DROP_TWINS}; {self._match()}")
        merged = await self._report(connection, len(rows))
        if merged.unchanged + merged.skipped < len(rows):
            await self._lock(connection, merged.updated)
            await self._decide(connection)
            updated = await self._write(connection)
            merged = await self._report(connection, len(rows))
            if updated != f"UPDATE {merged.updated}":
                raise Raced
        await connection.execute(PLAN_FREELY)
        return merged

    async def outcomes(self, connection: Connection) -> list[asyncpg.Record]:
        """Of the last run: row_number, product_id, action (create, update, unchanged, skip, error), field, message."""
        return await connection.fetch(OUTCOMES)

    async def _lock(self, connection: Connection, changed: int) -> None:
        """The products that will change, of which some may be gone by now."""
        if await connection.execute(LOCK_CHANGED) != f"SELECT {changed}":
            await connection.execute(FORGET_DELETED)

    async def _decide(self, connection: Connection) -> None:
        """Give every row that is new its action, and refuse what cannot be."""
        if self.policy is Policy.UPDATE_ONLY:
            await connection.execute(SKIP_NEW)
        else:
            and_nameless = "AND coalesce(name, '') = ''" if NAME in self.columns else ""
            await connection.execute(REFUSE_NAMELESS.format(and_nameless=and_nameless))
            await connection.execute(NUMBER_NEW)
        if EXTERNAL_ID in self.columns:
            await connection.execute(REFUSE_TAKEN_ID)
        if QUANTITY in self.columns:
            await connection.execute(MEASURE_STOCK.format(on_hand=self._on_hand()))
            level = LEVEL.format(product="s.product_id", location=self.location)
            await connection.execute(REFUSE_SHORT.format(level=level))
            if not self.is_open:
                await connection.execute(REFUSE_CLOSED)

    async def _write(self, connection: Connection) -> str:
        """Products first, their totals with them, then levels and ledger. Returns the tag of the update."""
        if NAME in self.columns:
            await connection.execute(self._insert())
        updated = await connection.execute(self._update())
        if QUANTITY in self.columns:
            delta = "CASE action WHEN 'create' THEN coalesce(inventory_quantity::int, 0) ELSE coalesce(delta, 0) END"
            moves = STOCK_MOVES.format(location=self.location, delta=delta)
            await stock.book_staged(connection, moves, reason=self.reason)
        return updated

    async def _report(self, connection: Connection, staged: int) -> Merged:
        counts = {record["action"]: record["number"] for record in await connection.fetch(COUNT)}
        rejected = await connection.fetch(REJECTED) if "error" in counts else []
        twins = staged - sum(counts.values())
        return Merged(
            created=counts.get("create", 0),
            updated=counts.get("update", 0),
            unchanged=counts.get("unchanged", 0),
            skipped=counts.get("skip", 0) + twins,
            rejected=[Rejected(*record) for record in rejected],
        )

    def _stage(self) -> str:
        return STAGE.format(columns=", ".join(f"{name} text" for name in self.columns))

    def _match(self) -> str:
        if self.policy is Policy.CREATE_ONLY:
            return MATCH.format(differs="true", changed="skip", same="skip")
        old = ", ".join(f"p.{name}" for name in self.plain)
        new = ", ".join(map(_merged, self.plain))
        differs = [f"({old}) IS DISTINCT FROM ({new})"] if self.plain else []
        if QUANTITY in self.columns:
            differs.append(f"coalesce(s.inventory_quantity::int <> {self._on_hand()}, false)")
        return MATCH.format(differs=" OR ".join(differs) or "false", changed="update", same="unchanged")

    def _on_hand(self) -> str:
        """What the given quantity is compared with: the product's total, or its level where a location is named."""
        return LEVEL.format(product="p.id", location=self.location) if self.location_id else "p.inventory_quantity"

    def _insert(self) -> str:
        return INSERT_NEW.format(
            columns=", ".join(self.plain),
            quantity="coalesce(inventory_quantity::int, 0)" if QUANTITY in self.columns else "0",
            values=", ".join(
                f"coalesce(nullif(s.{name}, '')::{WRITABLE[name]}, {_default(name)})" for name in self.plain
            ),
        )

    def _update(self) -> str:
        return UPDATE_CHANGED.format(assignments="".join(f", {name} = {_merged(name)}" for name in self.plain))


def _merged(name: str) -> str:
    """The value after the merge: NULL keeps the old one, '' takes it away."""
    kept = f"coalesce(s.{name}::{WRITABLE[name]}, p.{name})"
    return kept if name in NEVER_CLEARED else f"CASE s.{name} WHEN '' THEN {_default(name)} ELSE {kept} END"


def _default(name: str) -> str:
    return f"{DEFAULTS.get(name, 'NULL')}::{WRITABLE[name]}"
