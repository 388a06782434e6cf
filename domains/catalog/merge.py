"""Many products at once: staged with COPY, merged with one statement for each kind of change.

Unchanged rows are only read, changed ones locked in id order before anything is compared for good, new ones inserted in
the order of their key: imports, orders and edits side by side do not deadlock. Relies on product_sku_key (lower(sku)),
product_external_id_key and stock_level_key (product, location).
"""

from collections.abc import Sequence

import asyncpg
import msgspec

from domains.catalog import merge_statements as sql
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
        held = await connection.fetchval(sql.HOLD_LOCATION, self.location_id)
        if held is None and self.location_id is None:
            raise Raced
        self.location, self.is_open = held or self.location_id, held is not None
        await connection.execute(f"DROP TABLE IF EXISTS product_stage; {sql.PLAN_BY_INDEX}; {self._stage()}")
        await connection.copy_records_to_table(
            "product_stage",
            records=[(number, *texts) for number, texts in rows],
            columns=["row_number", *self.columns],
        )
        await connection.execute(f"{sql.DROP_TWINS}; {self._match()}")
        merged = await self._report(connection, len(rows))
        if merged.unchanged + merged.skipped < len(rows):
            await self._lock(connection, merged.updated)
            await self._decide(connection)
            updated = await self._write(connection)
            merged = await self._report(connection, len(rows))
            if updated != f"UPDATE {merged.updated}":
                raise Raced
        await connection.execute(sql.PLAN_FREELY)
        return merged

    async def outcomes(self, connection: Connection) -> list[asyncpg.Record]:
        """Of the last run: row_number, product_id, action (create, update, unchanged, skip, error), field, message."""
        return await connection.fetch(sql.OUTCOMES)

    async def _lock(self, connection: Connection, changed: int) -> None:
        """The products that will change, of which some may be gone by now."""
        if await connection.execute(sql.LOCK_CHANGED) != f"SELECT {changed}":
            await connection.execute(sql.FORGET_DELETED)

    async def _decide(self, connection: Connection) -> None:
        """Give every row that is new its action, and refuse what cannot be."""
        if self.policy is Policy.UPDATE_ONLY:
            await connection.execute(sql.SKIP_NEW)
        else:
            and_nameless = "AND coalesce(name, '') = ''" if NAME in self.columns else ""
            await connection.execute(sql.REFUSE_NAMELESS.format(and_nameless=and_nameless))
            await connection.execute(sql.NUMBER_NEW)
        if EXTERNAL_ID in self.columns:
            await connection.execute(sql.REFUSE_TAKEN_ID)
        if QUANTITY in self.columns:
            await connection.execute(sql.MEASURE_STOCK.format(on_hand=self._on_hand()))
            level = sql.LEVEL.format(product="s.product_id", location=self.location)
            await connection.execute(sql.REFUSE_SHORT.format(level=level))
            if not self.is_open:
                await connection.execute(sql.REFUSE_CLOSED)

    async def _write(self, connection: Connection) -> str:
        """Products first, their totals with them, then levels and ledger. Returns the tag of the update."""
        if NAME in self.columns:
            await connection.execute(self._insert())
        updated = await connection.execute(self._update())
        if QUANTITY in self.columns:
            delta = "CASE action WHEN 'create' THEN coalesce(inventory_quantity::int, 0) ELSE coalesce(delta, 0) END"
            moves = sql.STOCK_MOVES.format(location=self.location, delta=delta)
            await stock.book_staged(connection, moves, reason=self.reason)
        return updated

    async def _report(self, connection: Connection, staged: int) -> Merged:
        counts = {record["action"]: record["number"] for record in await connection.fetch(sql.COUNT)}
        rejected = await connection.fetch(sql.REJECTED) if "error" in counts else []
        twins = staged - sum(counts.values())
        return Merged(
            created=counts.get("create", 0),
            updated=counts.get("update", 0),
            unchanged=counts.get("unchanged", 0),
            skipped=counts.get("skip", 0) + twins,
            rejected=[Rejected(*record) for record in rejected],
        )

    def _stage(self) -> str:
        return sql.STAGE.format(columns=", ".join(f"{name} text" for name in self.columns))

    def _match(self) -> str:
        if self.policy is Policy.CREATE_ONLY:
            return sql.MATCH.format(differs="true", changed="skip", same="skip")
        old = ", ".join(f"p.{name}" for name in self.plain)
        new = ", ".join(map(_merged, self.plain))
        differs = [f"({old}) IS DISTINCT FROM ({new})"] if self.plain else []
        if QUANTITY in self.columns:
            differs.append(f"coalesce(s.inventory_quantity::int <> {self._on_hand()}, false)")
        return sql.MATCH.format(differs=" OR ".join(differs) or "false", changed="update", same="unchanged")

    def _on_hand(self) -> str:
        """What the given quantity is compared with: the product's total, or its level where a location is named."""
        return sql.LEVEL.format(product="p.id", location=self.location) if self.location_id else "p.inventory_quantity"

    def _insert(self) -> str:
        return sql.INSERT_NEW.format(
            columns=", ".join(self.plain),
            quantity="coalesce(inventory_quantity::int, 0)" if QUANTITY in self.columns else "0",
            values=", ".join(
                f"coalesce(nullif(s.{name}, '')::{WRITABLE[name]}, {_default(name)})" for name in self.plain
            ),
        )

    def _update(self) -> str:
        return sql.UPDATE_CHANGED.format(assignments="".join(f", {name} = {_merged(name)}" for name in self.plain))


def _merged(name: str) -> str:
    """The value after the merge: NULL keeps the old one, '' takes it away."""
    kept = f"coalesce(s.{name}::{WRITABLE[name]}, p.{name})"
    return kept if name in NEVER_CLEARED else f"CASE s.{name} WHEN '' THEN {_default(name)} ELSE {kept} END"


def _default(name: str) -> str:
    return f"{DEFAULTS.get(name, 'NULL')}::{WRITABLE[name]}"
