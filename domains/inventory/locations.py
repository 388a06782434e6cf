"""Locations: where stock lies. Exactly one is the default, and it is active.

Whoever changes locations has their table to themselves. Whoever books stock at one holds its row until the transaction
ends, by naming it or by the movement, so that it is not deactivated meanwhile.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import msgspec
from msgspec import UNSET

from domains.catalog.cleaning import clean_sku
from domains.inventory.schemas import LocationIn, LocationOut, LocationPatch
from lib.database_errors import naming_conflicts
from lib.errors import Conflict, FieldError, NotFound, field_error, refuse_fields
from lib.filters import flag, same_text, words
from lib.integers import LARGEST_INTEGER
from lib.listing import Found, Listing, Query, Sort, find_page
from piccolo_conf import execute, fetch, fetch_row, transaction

COLUMNS = "l.id, l.code, l.name, l.is_default, l.is_active, l.shopify_location_id"

# A code counts before an id: of two that fit, the last one stands. Relies on there being few locations.
FIND = """
    SELECT w.place, l.id, l.code
    FROM unnest($1::text[], $2::bool[]) WITH ORDINALITY AS w (ref, is_id, place)
    JOIN location l ON CASE
        WHEN w.ref IS NULL THEN l.is_default
        ELSE l.id::text = w.ref OR NOT w.is_id AND lower(l.code) = lower(w.ref) END
    WHERE l.is_active
    ORDER BY w.place, lower(l.code) = lower(w.ref)
    FOR KEY SHARE OF l
"""

HOLD_ACTIVE = "SELECT id FROM location WHERE id = ANY($1::int[]) AND is_active FOR KEY SHARE"
ONE_AT_A_TIME = "LOCK TABLE location IN SHARE ROW EXCLUSIVE MODE"
# Waits for those who hold the row: by FIND, or by a movement that refers to it, and is not committed yet.
LOCK = f"SELECT {COLUMNS} FROM location l WHERE id = $1 FOR UPDATE"
GET = f"SELECT {COLUMNS} FROM location l WHERE id = $1"
FREE_THE_FLAG = "UPDATE location SET is_default = false WHERE is_default"
# Relies on stock_level_location (location, product).
HOLDS_STOCK = "SELECT FROM stock_level WHERE location = $1 AND on_hand > 0 LIMIT 1"

LIST = Listing(
    filters={
        "search": words("(l.code || ' ' || l.name)", "Words in code or name."),
        "code": same_text("l.code"),
        "is_active": flag("l.is_active", "NOT l.is_active"),
        "is_default": flag("l.is_default", "NOT l.is_default"),
    },
    sorts={
        "id": Sort("l.id", "{0}::int", int, is_unique=True),
        "code": Sort("lower(l.code)", "lower({0}::text)", str, is_unique=True),
        "name": Sort("lower(l.name)", "lower({0}::text)", str),
    },
    first="id",
)


class Place(msgspec.Struct, frozen=True):
    """A location that stock may be booked at."""

    id: int
    code: str


class LocationNotFound(NotFound):
    """There is no such location."""


class LocationCodeTaken(Conflict):
    """Another location already uses this code."""


class ShopifyLocationTaken(Conflict):
    """Another location already stands for this location of the Shopify shop."""


class DefaultLocationStays(Conflict):
    """This is the default location: make another one the default first."""


class LocationHoldsStock(Conflict):
    """Stock lies at this location: transfer it before you deactivate the location."""


class LocationHasHistory(Conflict):
    """Stock has lain at this location and its history names it: deactivate it instead."""


CONFLICTS: dict[str, tuple[type[Conflict], str]] = {
    "location_code_key": (LocationCodeTaken, "code"),
    "location_code_lower_key": (LocationCodeTaken, "code"),
    "location_shopify_key": (ShopifyLocationTaken, "shopify_location_id"),
}


async def find_location(ref: int | str, field: str = "location") -> int:
    """The id of an active location that an id or a code means; raises BadInput that names `field`."""
    return (await find_locations([ref], field))[0].id


async def find_locations(refs: Sequence[int | str | None], field: str) -> list[Place]:
    """Active locations in the order of the references, in one statement; None means the default one.

    `field` names a line's field ("lines[{}].location"). Raises BadInput with every reference that means none.
    """
    unique = list(dict.fromkeys(map(_key, refs)))
    texts = [None if ref is None else str(ref).strip() for _kind, ref in unique]
    rows = await fetch(FIND, texts, [kind is int for kind, _ref in unique])
    found = {unique[row["place"] - 1]: Place(row["id"], row["code"]) for row in rows}
    refuse_fields(
        FieldError(field.format(number), f"there is no active location {ref!r}")
        for number, ref in enumerate(refs)
        if _key(ref) not in found
    )
    return [found[_key(ref)] for ref in refs]


async def hold_active(location_ids: Iterable[int]) -> set[int]:
    """Those that are active, and stay so until the transaction ends."""
    return {row["id"] for row in await fetch(HOLD_ACTIVE, list(location_ids))}


async def list_locations(query: Query) -> Found:
    """Rows of a LocationOut."""
    return await find_page(fetch, query, COLUMNS, "location l")


async def get_location(location_id: int) -> LocationOut:
    if location_id > LARGEST_INTEGER:
        raise LocationNotFound
    return _shape(await fetch_row(GET, location_id))


async def create_location(data: LocationIn) -> LocationOut:
    """Raises LocationCodeTaken, ShopifyLocationTaken, and BadInput for a default that is not active."""
    values = _clean(data)
    if data.is_default and not data.is_active:
        raise field_error("is_active", "must be true for the default location")
    with naming_conflicts(CONFLICTS, "location"):
        async with transaction():
            await execute(ONE_AT_A_TIME)
            if data.is_default:
                await execute(FREE_THE_FLAG)
            places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
            insert = f"INSERT INTO location AS l ({', '.join(values)}) VALUES ({places}) RETURNING {COLUMNS}"
            return _shape(await fetch_row(insert, *values.values()))


async def change_location(location_id: int, patch: LocationPatch) -> LocationOut:
    """Raises what creating raises, DefaultLocationStays and LocationHoldsStock."""
    values = _clean(patch)
    with naming_conflicts(CONFLICTS, "location"):
        async with transaction():
            await execute(ONE_AT_A_TIME)
            old = await get_location(location_id)
            changed = {name: value for name, value in values.items() if getattr(old, name) != value}
            if not changed:
                return old
            await _prepare(old, changed)
            assigned = ", ".join(f"{name} = ${number}" for number, name in enumerate(changed, 2))
            update = f"UPDATE location l SET {assigned} WHERE id = $1 RETURNING {COLUMNS}"
            return _shape(await fetch_row(update, location_id, *changed.values()))


async def delete_location(location_id: int) -> None:
    """Only one that nothing has ever named. Raises DefaultLocationStays and LocationHasHistory."""
    try:
        async with transaction():
            await execute(ONE_AT_A_TIME)
            if (await get_location(location_id)).is_default:
                raise DefaultLocationStays
            await execute("DELETE FROM location WHERE id = $1", location_id)
    except (asyncpg.ForeignKeyViolationError, asyncpg.RestrictViolationError):
        raise LocationHasHistory from None


async def _prepare(old: LocationOut, changed: dict[str, Any]) -> None:
    """What has to be so before the flags of a location change."""
    is_default = changed.get("is_default", old.is_default)
    if old.is_default and not is_default:
        raise DefaultLocationStays
    if not changed.get("is_active", old.is_active):
        if is_default:
            raise DefaultLocationStays if old.is_default else field_error("is_active", "must be true for the default")
        await fetch(LOCK, old.id)
        if await fetch(HOLDS_STOCK, old.id):
            raise LocationHoldsStock
    elif is_default and not old.is_default:
        await execute(FREE_THE_FLAG)


def _clean(data: LocationIn | LocationPatch) -> dict[str, Any]:
    """Values by column of what is set; raises BadInput."""
    values = {name: value for name in data.__struct_fields__ if (value := getattr(data, name)) is not UNSET}
    for name in ("code", "name"):
        if name in values:
            try:
                values[name] = clean_sku(values[name])
            except ValueError as error:
                raise field_error(name, str(error)) from None
    return values


def _key(ref: int | str | None) -> tuple[type, int | str | None]:
    return type(ref), ref


def _shape(row: asyncpg.Record | None) -> LocationOut:
    if row is None:
        raise LocationNotFound
    return LocationOut(**row)
