"""One change for many products, chosen by ids, by a filter or all: new values, prices by percent, or deletion.

A piece of 5,000 products, locked in the order of their ids, is one transaction. A change that is larger becomes a job.
"""

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET

from domains.catalog import low_stock
from domains.catalog.bulk_schemas import BulkChangeOut, BulkDeleteIn, BulkPreviewRow, BulkUpdateIn, Selection
from domains.catalog.cleaning import RULES
from domains.catalog.columns import INTERNAL, WRITABLE
from domains.catalog.filters import ACTIVE, Condition, read_filters
from domains.catalog.tables import BulkKind
from domains.events import services as events
from lib.actor import Source, acting
from lib.errors import BadInput, field_error
from lib.listing import Binder
from piccolo_conf import Connection, connected, fetch_value, transaction

PIECE = 5_000
PREVIEWED = 100
CONFIRMATION = "DELETE"
SUMMARIES = {BulkKind.UPDATE: "products.bulk_updated", BulkKind.DELETE: "products.bulk_deleted"}


class Change(msgspec.Struct, frozen=True):
    """What is kept of a request in a job: the selection, and texts by column. No selection at all means all.

    Callers without the scope products:internal change only what they see: `active_only`.
    """

    kind: BulkKind
    ids: list[int] | None = None
    filter: dict[str, list[str]] | None = None
    set: dict[str, str | None] = {}
    percent: dict[str, str] = {}
    active_only: bool = False
    source: Source = Source.API

    def conditions(self) -> tuple[Condition, ...]:
        """Raises BadInput that names a filter."""
        visible = (ACTIVE,) if self.active_only else ()
        if self.ids is not None:
            return (Condition("product.id = ANY({0}::int[])", (self.ids,)), *visible)
        return (*read_filters(self.filter or {}), *visible)

    @property
    def tells_internals(self) -> bool:
        """Whether comparing old and new would tell of columns that are not for everybody."""
        return not {*self.set, *self.percent}.isdisjoint(INTERNAL)

    def expressions(self, binder: Binder) -> dict[str, str]:
        """The new value of each column; a price that is null stays null."""
        new = {name: f"{binder.bind(value)}::text::{WRITABLE[name]}" for name, value in self.set.items()}
        for name, percent in self.percent.items():
            raised = f"product.{name} * (100 + {binder.bind(Decimal(percent))}::numeric) * 0.01"
            # Rounded half up; a dry run too refuses what the column cannot hold.
            new[name] = f"round({raised}, 2)::numeric(12, 2)"
        return new


class NotConfirmed(BadInput):
    """Deleting products needs `"confirm": "DELETE"`."""


def read_update(wanted: BulkUpdateIn, *, internal: bool = True) -> Change:
    """Raises BadInput for an unclear selection and for what is no change."""
    values = {name: value for name in wanted.set.__struct_fields__ if (value := getattr(wanted.set, name)) is not UNSET}
    percent = {
        name: str(value)
        for name in wanted.percent.__struct_fields__
        if (value := getattr(wanted.percent, name)) is not UNSET
    }
    if not values and not percent:
        raise field_error("set", "says nothing to change, and neither does percent")
    if both := values.keys() & percent.keys():
        raise field_error("percent", f"changes {min(both)}, which set gives a value already")
    ids, chosen = _read_selection(wanted)
    cleaned = {name: _clean(name, value) for name, value in values.items()}
    return Change(BulkKind.UPDATE, ids, chosen, cleaned, percent, active_only=not internal)


def read_delete(wanted: BulkDeleteIn, *, internal: bool = True) -> Change:
    """Raises NotConfirmed, and BadInput for an unclear selection."""
    if wanted.confirm != CONFIRMATION and not wanted.dry_run:
        raise NotConfirmed
    ids, chosen = _read_selection(wanted)
    return Change(BulkKind.DELETE, ids, chosen, active_only=not internal)


def _clean(name: str, value: Any) -> str | None:
    if value is None:
        return None
    cleaned = RULES[name](value) if name in RULES else value
    return None if cleaned is None else str(cleaned)


def _read_selection(wanted: Selection) -> tuple[list[int] | None, dict[str, list[str]] | None]:
    given = [wanted.ids is not UNSET, wanted.filter is not UNSET, wanted.all]
    if sum(given) != 1:
        raise field_error("filter", "say which products: exactly one of ids, filter and all")
    if not isinstance(wanted.filter, dict):
        return (wanted.ids if isinstance(wanted.ids, list) else None), None
    if not wanted.filter:
        raise field_error("filter", 'is empty: say "all": true to mean every product')
    chosen = {name: _words(name, value) for name, value in wanted.filter.items()}
    read_filters(chosen)
    return None, chosen


def _words(name: str, value: Any) -> list[str]:
    """A filter's value as it would stand in a query string."""
    words = [_word(item) for item in value] if isinstance(value, list) else [_word(value)]
    if None in words:
        raise field_error(f"filter.{name}", "expected a text, a number, true or false")
    return [word for word in words if word is not None]


def _word(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


async def count_up_to_a_piece(change: Change) -> int:
    """How many products are meant; one more than a piece when that many or more are."""
    binder = Binder()
    where = binder.where(change.conditions())
    counted = f"SELECT count(*) FROM (SELECT FROM product {where} LIMIT {PIECE + 1}) AS p"
    return int(await fetch_value(counted, *binder.values))


class TooMany(Exception):
    """Not a fault: more products match than a piece takes, so this is for a job."""


async def change_now(change: Change) -> BulkChangeOut:
    """In one transaction, for what fits into a piece; raises TooMany for what does not."""
    if await count_up_to_a_piece(change) > PIECE:
        raise TooMany
    with acting(bulk=True):
        async with transaction() as connection:
            ids = await lock_piece(connection, change, after=0)
            if len(ids) == PIECE and await count_up_to_a_piece(change) > PIECE:
                raise TooMany
            changed = await change_piece(connection, change, ids)
            await record_summary(change, matched=len(ids), changed=changed)
    return BulkChangeOut(len(ids), changed, len(ids) - changed, dry_run=False, preview=[])


async def lock_piece(connection: Connection, change: Change, *, after: int) -> list[int]:
    """The next products that are meant, by id; they stay locked until the transaction ends."""
    binder = Binder()
    where = binder.where(change.conditions(), f"product.id > {binder.bind(after)}")
    rows = await connection.fetch(
        f"SELECT id FROM product {where} ORDER BY id LIMIT {PIECE} FOR NO KEY UPDATE", *binder.values
    )
    return [row["id"] for row in rows]


async def change_piece(connection: Connection, change: Change, ids: Sequence[int]) -> int:
    """How many really changed."""
    if change.kind is BulkKind.DELETE:
        return _number(await connection.execute("DELETE FROM product WHERE id = ANY($1::int[])", ids))
    binder = Binder()
    chosen = f"product.id = ANY({binder.bind(ids)}::int[])"
    new = change.expressions(binder)
    assignments = ", ".join(f"{name} = {expression}" for name, expression in new.items())
    statement = f"UPDATE product SET {assignments} WHERE {chosen} AND {_differs(new)}"
    changed = _number(await connection.execute(statement, *binder.values))
    if changed and low_stock.decides(new):
        await low_stock.review(ids)
    return changed


async def record_summary(change: Change, *, matched: int, changed: int) -> None:
    data = {"matched": matched, "changed": changed, "set": change.set, "percent": change.percent}
    await events.record(SUMMARIES[change.kind], subject="products", data=data)


async def preview(change: Change) -> BulkChangeOut:
    """What would happen: exact counts, and the first hundred products, old → new."""
    async with connected() as connection, connection.transaction(readonly=True):
        matched, changed = await _count_differences(connection, change)
        shown = [] if change.kind is BulkKind.DELETE else await _show_differences(connection, change)
    return BulkChangeOut(matched, changed, matched - changed, dry_run=True, preview=shown)


async def fingerprint(change: Change) -> str:
    """Of the change and the products it means, with their old values: where it differs, the outcome may."""
    columns = ", ".join(f"product.{name}" for name in [*change.set, *change.percent])
    binder = Binder()
    where = binder.where(change.conditions())
    seen = f"SELECT count(*), bit_xor(hash_record_extended(ROW(product.id, {columns}), 0)) FROM product {where}"
    async with connected() as connection:
        row = await connection.fetchrow(seen, *binder.values)
    return hashlib.sha256(msgspec.json.encode([change, tuple(row or ())])).hexdigest()


async def _count_differences(connection: Connection, change: Change) -> tuple[int, int]:
    binder = Binder()
    new = change.expressions(binder)
    differs = "true" if change.kind is BulkKind.DELETE else _differs(new)
    where = binder.where(change.conditions())
    row = await connection.fetchrow(
        f"SELECT count(*) AS matched, count(*) FILTER (WHERE {differs}) AS changed FROM product {where}", *binder.values
    )
    return (row["matched"], row["changed"]) if row else (0, 0)


async def _show_differences(connection: Connection, change: Change) -> list[BulkPreviewRow]:
    binder = Binder()
    new = change.expressions(binder)
    pairs = ", ".join(
        f"'{name}', jsonb_build_array({_shown(name, f'product.{name}')}, {_shown(name, value)})"
        for name, value in new.items()
    )
    where = binder.where(change.conditions(), _differs(new))
    rows = await connection.fetch(
        f"SELECT id, sku, jsonb_build_object({pairs})::text AS changes FROM product {where} "
        f"ORDER BY id LIMIT {PREVIEWED}",
        *binder.values,
    )
    return [BulkPreviewRow(row["id"], row["sku"], _only_changed(row["changes"])) for row in rows]


def _only_changed(text: str) -> dict[str, tuple[Any, Any]]:
    pairs = msgspec.json.decode(text, type=dict[str, tuple[Any, Any]])
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _shown(name: str, expression: str) -> str:
    return f"({expression})::text" if name.endswith("price") else expression


def _differs(new: dict[str, str]) -> str:
    old = ", ".join(f"product.{name}" for name in new)
    return f"({old}) IS DISTINCT FROM ({', '.join(new.values())})"


def _number(tag: str) -> int:
    """From "UPDATE 3"."""
    return int(tag.rpartition(" ")[2])
