"""One product: read, create, replace, change, delete.

Writers hold the product's row lock before they compare its version, so that of two changes to one version one is stale.
"""

import re
from typing import Any

import asyncpg
import msgspec

from domains.catalog import low_stock, stock
from domains.catalog.cleaning import clean
from domains.catalog.columns import WRITABLE, placeholders, select_list, shape
from domains.catalog.schemas import ProductIn, ProductOut, ProductPatch
from domains.catalog.stock import Move
from domains.catalog.tables import Reason
from lib.database_errors import naming_conflicts
from lib.errors import Conflict, NotFound, Stale
from lib.http import etag
from lib.integers import LARGEST_INTEGER
from piccolo_conf import fetch, fetch_row, transaction

ID = re.compile("[0-9]{1,10}")
KEYS = {
    "sku": "lower(sku) = lower($1)",  # product_sku_key
    "slug": "slug = $1",  # product_slug_key
    "external": "external_id = $1",  # product_external_id_key
}
LOCKED = ", ".join(["id", "version", *WRITABLE])
JSON_COLUMNS = ("options", "attributes")


class ProductNotFound(NotFound):
    """There is no such product."""


class SkuTaken(Conflict):
    """Another product already uses this SKU."""


class ExternalIdTaken(Conflict):
    """Another product already uses this external id."""


CONFLICTS: dict[str, tuple[type[Conflict], str]] = {
    "product_sku_key": (SkuTaken, "sku"),
    "product_external_id_key": (ExternalIdTaken, "external_id"),
}


async def get_product(key: str, *, internal: bool) -> ProductOut:
    """`key` is an id, `sku:…`, `slug:…` or `external:…`. Without `internal` only active products are found."""
    where, value = _find(key, internal=internal)
    found = await fetch(f"SELECT {select_list(internal=internal)} FROM product WHERE {where}", value)
    if not found:
        raise ProductNotFound
    return shape(found)[0]


async def find_id(key: str) -> int:
    """The id that a key means. An id is taken as it is: its product may be gone."""
    where, value = _find(key, internal=True)
    if isinstance(value, int):
        return value
    found = await fetch_row(f"SELECT id FROM product WHERE {where}", value)
    if found is None:
        raise ProductNotFound
    return int(found["id"])


async def create_product(product: ProductIn, *, internal: bool) -> ProductOut:
    values = clean(product)
    names = list(values)
    statement = f"""
        INSERT INTO product ({", ".join(names)}) VALUES ({placeholders(names)})
        RETURNING {select_list(internal=internal)}
    """
    with naming_conflicts(CONFLICTS, "product"):
        async with transaction():
            created = shape(await fetch(statement, *values.values()))[0]
            if quantity := values.get("inventory_quantity", 0):
                await _book(created.id, quantity)
                await low_stock.review([created.id])
    return created


async def replace_product(
    key: str, product: ProductIn, versions: frozenset[int] | None, *, internal: bool
) -> ProductOut:
    """Every column that callers may write takes the new value or its default; only stock left out stays."""
    return await _change(key, clean(product), versions, internal=internal)


async def change_product(
    key: str, patch: ProductPatch, versions: frozenset[int] | None, *, internal: bool
) -> ProductOut:
    """Writes what differs; when nothing does the product keeps its version, and no event tells of it."""
    return await _change(key, clean(patch), versions, internal=internal)


async def delete_product(key: str, versions: frozenset[int] | None, *, internal: bool) -> None:
    async with transaction():
        product = await _lock(key, versions, internal=internal)
        await fetch("DELETE FROM product WHERE id = $1", product["id"])


async def _change(key: str, values: dict[str, Any], versions: frozenset[int] | None, *, internal: bool) -> ProductOut:
    with naming_conflicts(CONFLICTS, "product"):
        async with transaction():
            old = await _lock(key, versions, internal=internal)
            before = old["inventory_quantity"]
            changed = {name: value for name, value in values.items() if _differs(name, old[name], value)}
            await _write(old["id"], changed)
            await _book(old["id"], changed.get("inventory_quantity", before) - before)
            if low_stock.decides(changed):
                await low_stock.review([old["id"]])
            found = await fetch(f"SELECT {select_list(internal=internal)} FROM product WHERE id = $1", old["id"])
    return shape(found)[0]


async def _lock(key: str, versions: frozenset[int] | None, *, internal: bool) -> asyncpg.Record:
    where, value = _find(key, internal=internal)
    found = await fetch_row(f"SELECT {LOCKED} FROM product WHERE {where} FOR NO KEY UPDATE", value)
    if found is None:
        raise ProductNotFound
    if versions is not None and found["version"] not in versions:
        raise Stale(headers={"ETag": etag(found["version"])})
    return found


async def _write(product_id: int, changed: dict[str, Any]) -> None:
    if not changed:
        return
    assignments = ", ".join(f"{name} = ${number}::{WRITABLE[name]}" for number, name in enumerate(changed, 2))
    await fetch(f"UPDATE product SET {assignments} WHERE id = $1", product_id, *changed.values())


async def _book(product_id: int, delta: int) -> None:
    """The total stands in the product's own write: one write, one version, one event."""
    if delta:
        await stock.record_moves([Move(product_id, delta)], reason=Reason.ADJUSTMENT)


def _differs(name: str, old: Any, new: Any) -> bool:
    if name in JSON_COLUMNS:
        return bool(msgspec.json.decode(old) != msgspec.json.decode(new))
    return bool(old != new)


def _find(key: str, *, internal: bool) -> tuple[str, int | str]:
    """The condition that a key means, and its value. Raises ProductNotFound for what cannot be a key."""
    visible = "" if internal else " AND is_active"
    kind, colon, text = key.partition(":")
    if colon and kind in KEYS:
        return KEYS[kind] + visible, text.strip()
    if not ID.fullmatch(key) or int(key) > LARGEST_INTEGER:
        raise ProductNotFound
    return "id = $1" + visible, int(key)
