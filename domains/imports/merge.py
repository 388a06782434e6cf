"""One chunk into the catalogue: staged with COPY, merged with one statement for each kind of change.

Sees to it that unchanged rows are only read, changed ones locked in id order before anything is compared for good, and
new ones inserted in the order of their key, so that imports, orders and edits side by side do not deadlock.
Relies on product_sku_key (lower(sku)) and stock_level_key (product, location).
"""

from collections.abc import Sequence

import msgspec

from domains.catalog import stock
from domains.catalog.tables import Reason
from domains.imports.chunks import Row
from domains.imports.columns import NAME, QUANTITY, SKU, Column
from domains.imports.errors import RowError
from domains.imports.tables import Policy
from piccolo_conf import Connection
from settings import settings

# Hash and merge joins would read the whole product table for every chunk: quadratic over the file.
PLAN_BY_INDEX = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"

STAGE = """
    CREATE TEMPORARY TABLE import_stage (
        row_number int NOT NULL, {columns}, product_id int, action text, field text, message text, delta int
    ) ON COMMIT DROP
"""

# Keys that only PostgreSQL's lower() finds equal; the others were combined before.
DROP_TWINS = """
    DELETE FROM import_stage WHERE row_number IN (
        SELECT row_number FROM (
            SELECT row_number, row_number < max(row_number) OVER (PARTITION BY lower(sku)) AS is_twin FROM import_stage
        ) AS s WHERE is_twin
    )
"""

MATCH = """
    UPDATE import_stage s
    SET product_id = p.id, action = CASE WHEN {differs} THEN '{changed}' ELSE '{same}' END
    FROM product p WHERE lower(p.sku) = lower(s.sku)
"""

REFUSE_NAMELESS = """
    UPDATE import_stage SET action = 'error', field = 'name', message = 'name is needed for a new product'
    WHERE action IS NULL {and_nameless}
"""

NUMBER_NEW = """
    UPDATE import_stage SET action = 'create', product_id = nextval('product_id_seq') WHERE action IS NULL
"""

SKIP_NEW = "UPDATE import_stage SET action = 'skip' WHERE action IS NULL"

REFUSE_TAKEN_ID = """
    UPDATE import_stage s SET action = 'error', field = 'external_id',
        message = 'external_id ' || s.external_id || ' belongs to ' || coalesce(
            (SELECT p.sku FROM product p WHERE p.external_id = s.external_id AND p.id <> s.product_id),
            'another row of this file')
    WHERE s.action IN ('create', 'update') AND s.external_id <> '' AND (
        EXISTS (SELECT FROM product p WHERE p.external_id = s.external_id AND p.id <> s.product_id)
        OR s.row_number IN (
            SELECT row_number FROM (
                SELECT row_number, row_number > min(row_number) OVER (PARTITION BY external_id) AS is_second
                FROM import_stage WHERE action IN ('create', 'update') AND external_id <> ''
            ) AS t WHERE is_second))
"""

LOCK_CHANGED = """
    SELECT id FROM product WHERE id IN (SELECT product_id FROM import_stage WHERE action = 'update')
    ORDER BY id FOR NO KEY UPDATE
"""

# Only now, behind the locks, is the difference certain.
MEASURE_STOCK = """
    UPDATE import_stage s SET delta = s.inventory_quantity::int - {on_hand}
    FROM product p WHERE p.id = s.product_id AND s.action = 'update' AND s.inventory_quantity IS NOT NULL
"""

LEVEL = """
    coalesce((SELECT l.on_hand FROM stock_level l WHERE l.product = {product} AND l.location = {location}), 0)
"""

REFUSE_SHORT = """
    UPDATE import_stage s SET action = 'error', field = 'inventory_quantity',
        message = 'inventory_quantity needs ' || -delta || ' less, but only ' || {level} || ' lie at this location'
    WHERE action = 'update' AND delta < 0 AND {level} + delta < 0
"""

INSERT_NEW = """
    INSERT INTO product (id, sku, slug, inventory_quantity, {columns})
    SELECT product_id, sku, product_slug(name, product_id), {quantity}, {values}
    FROM import_stage s WHERE action = 'create' ORDER BY lower(sku)
"""

UPDATE_CHANGED = """
    UPDATE product p SET inventory_quantity = p.inventory_quantity + coalesce(s.delta, 0) {assignments}
    FROM import_stage s WHERE p.id = s.product_id AND s.action = 'update'
"""

STOCK_MOVES = """
    SELECT product_id, sku, {location} AS location, {delta} AS delta FROM import_stage
    WHERE action IN ('create', 'update') AND {delta} <> 0
"""

COUNT = "SELECT action, count(*) AS number FROM import_stage GROUP BY action"

REJECTED = "SELECT row_number, sku, field, message FROM import_stage WHERE action = 'error' ORDER BY row_number"


class Raced(Exception):
    """A product of the chunk was deleted between two statements."""


class Merged(msgspec.Struct):
    """What became of a chunk's rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    errors: list[RowError] = msgspec.field(default_factory=list)


class Merge:
    """The statements for one file's columns, policy and location; `run` inside a transaction, once for each chunk."""

    def __init__(self, columns: Sequence[Column], policy: Policy, location_id: int | None) -> None:
        self.columns = list(columns)
        self.plain = [column for column in columns if column not in (SKU, QUANTITY)]
        self.names = {column.name for column in columns}
        self.policy = policy
        self.location = str(location_id) if location_id else "(SELECT id FROM location WHERE is_default)"
        self.by_location = location_id is not None

    async def run(self, connection: Connection, rows: Sequence[Row]) -> Merged:
        await connection.execute(f"{PLAN_BY_INDEX}; {self._stage()}")
        await connection.copy_records_to_table(
            "import_stage",
            records=[(row.number, *row.values) for row in rows],
            columns=["row_number", *(column.name for column in self.columns)],
        )
        await self._decide(connection)
        updated = await self._write(connection)
        merged = await self._report(connection, rows)
        if updated != f"UPDATE {merged.updated}":
            raise Raced
        return merged

    async def _decide(self, connection: Connection) -> None:
        """Give every staged row its action, and lock the products that will change."""
        await connection.execute(DROP_TWINS)
        await connection.execute(self._match())
        if self.policy is Policy.UPDATE_ONLY:
            await connection.execute(SKIP_NEW)
        else:
            and_nameless = "AND coalesce(name, '') = ''" if NAME.name in self.names else ""
            await connection.execute(REFUSE_NAMELESS.format(and_nameless=and_nameless))
            await connection.execute(NUMBER_NEW)
        if "external_id" in self.names:
            await connection.execute(REFUSE_TAKEN_ID)
        await connection.execute(LOCK_CHANGED)
        if QUANTITY.name in self.names:
            await connection.execute(MEASURE_STOCK.format(on_hand=self._on_hand()))
            level = LEVEL.format(product="s.product_id", location=self.location)
            await connection.execute(REFUSE_SHORT.format(level=level))

    async def _write(self, connection: Connection) -> str:
        """Products first, their totals with them, then levels and ledger. Returns the tag of the update."""
        if NAME.name in self.names:
            await connection.execute(self._insert())
        updated = await connection.execute(self._update())
        if QUANTITY.name in self.names:
            delta = "CASE action WHEN 'create' THEN coalesce(inventory_quantity::int, 0) ELSE coalesce(delta, 0) END"
            moves = STOCK_MOVES.format(location=self.location, delta=delta)
            await stock.book_staged(connection, moves, reason=Reason.IMPORT)
        return updated

    async def _report(self, connection: Connection, rows: Sequence[Row]) -> Merged:
        counts = {record["action"]: record["number"] for record in await connection.fetch(COUNT)}
        twins = len(rows) - sum(counts.values())
        cells = {row.number: row.cells for row in rows} if "error" in counts else {}
        return Merged(
            created=counts.get("create", 0),
            updated=counts.get("update", 0),
            unchanged=counts.get("unchanged", 0),
            skipped=counts.get("skip", 0) + twins,
            errors=[
                RowError(number, sku, field, message, cells[number])
                for number, sku, field, message in (await connection.fetch(REJECTED) if cells else [])
            ],
        )

    def _stage(self) -> str:
        return STAGE.format(columns=", ".join(f"{column.name} text" for column in self.columns))

    def _match(self) -> str:
        if self.policy is Policy.CREATE_ONLY:
            return MATCH.format(differs="true", changed="skip", same="skip")
        old = ", ".join(f"p.{column.name}" for column in self.plain)
        new = ", ".join(_merged(column) for column in self.plain)
        differs = [f"({old}) IS DISTINCT FROM ({new})"] if self.plain else []
        if QUANTITY.name in self.names:
            differs.append(f"coalesce(s.inventory_quantity::int <> {self._on_hand()}, false)")
        return MATCH.format(differs=" OR ".join(differs), changed="update", same="unchanged")

    def _on_hand(self) -> str:
        """What the file's quantity is compared with: the product's total, or its level where a location is named."""
        return LEVEL.format(product="p.id", location=self.location) if self.by_location else "p.inventory_quantity"

    def _insert(self) -> str:
        return INSERT_NEW.format(
            columns=", ".join(column.name for column in self.plain),
            quantity="coalesce(inventory_quantity::int, 0)" if QUANTITY.name in self.names else "0",
            values=", ".join(_fresh(column) for column in self.plain),
        )

    def _update(self) -> str:
        assignments = "".join(f", {column.name} = {_merged(column)}" for column in self.plain)
        return UPDATE_CHANGED.format(assignments=assignments)


def _merged(column: Column) -> str:
    """The value after the merge: an empty cell (NULL) keeps the old one, a cleared cell ('') takes it away."""
    name, given = column.name, f"s.{column.name}::{column.sql}"
    if not column.can_clear:
        return f"coalesce({given}, p.{name})"
    return f"CASE s.{name} WHEN '' THEN {_default(column)} ELSE coalesce({given}, p.{name}) END"


def _fresh(column: Column) -> str:
    return f"coalesce(nullif(s.{column.name}, '')::{column.sql}, {_default(column)})"


def _default(column: Column) -> str:
    if column.name == "currency":
        return f"'{settings.default_currency}'"
    return f"{column.default}::{column.sql}"
