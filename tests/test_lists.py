"""Every list of the API: each order walks by cursor, each filter is understood, and all of it as documented."""

import re
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, TypeAlias, get_args
from uuid import UUID

import httpx
import pytest

from app import app
from lib import cursors
from lib.filters import FLAG_SCHEMA
from lib.list_parameters import PAGING, describe_order
from lib.listing import Listing, Query
from piccolo_conf import fetch

# A value of each type that a cursor carries, and of each format that a filter takes.
SAMPLES: dict[type, Any] = {
    int: 1,
    str: "a",
    Decimal: Decimal("1.00"),
    date: date(2030, 1, 1),
    datetime: datetime(2030, 1, 1, tzinfo=UTC),
    UUID: UUID(int=7),
}
FORMATS = {"date": "2030-01-01", "date-time": "2030-01-01T00:00:00Z"}
# Sorts whose column is NOT NULL in their own table, though another's of that name may be null.
NEVER_NULL = {("/api/stock", "product_id")}
COLUMN = re.compile(r"(?:lower\()?\w+\.\"?(\w+)\"?\)?")


# What tells one list from another: the pattern of its orders, and all of its parameters.
Words: TypeAlias = tuple[str, frozenset[str]]


def documented() -> dict[str, Words]:
    """Lists by their path, as the OpenAPI document tells them."""
    found = {}
    for path, operations in app.openapi_schema.to_schema()["paths"].items():
        parameters = operations.get("get", {}).get("parameters", [])
        schemas = {one["name"]: one["schema"] for one in parameters if one["in"] == "query"}
        if {"ordering", "after"} <= schemas.keys():
            found[path] = (schemas["ordering"]["pattern"], frozenset(schemas))
    return found


def listings() -> dict[Words, Listing]:
    modules = [module for name, module in sys.modules.items() if name.startswith(("domains.", "queues."))]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Listing)]
    return {words_of(listing): listing for listing in found}


def words_of(listing: Listing) -> Words:
    order = describe_order([*listing.sorts, *listing.aliases], listing.first)
    return order["ordering"][0]["pattern"], frozenset({*PAGING, *order, *listing.filters})


DOCUMENTED = documented()
# A list inside of something needs that first: it is tried where that is tested.
PATHS = sorted(path for path in DOCUMENTED if "{" not in path)


def listing_at(path: str) -> Listing:
    return listings()[DOCUMENTED[path]]


def parameters_of(path: str) -> dict[str, dict[str, Any]]:
    given = app.openapi_schema.to_schema()["paths"][path]["get"]["parameters"]
    return {one["name"]: one["schema"] for one in given if one["in"] == "query"}


def test_the_lists_are_found() -> None:
    assert {"/api/products", "/auth/users", "/api/customers", "/api/jobs"} <= set(PATHS)
    assert set(DOCUMENTED.values()) <= set(listings())


@pytest.mark.parametrize("path", PATHS)
async def test_every_order_goes_on_behind_a_cursor(admin: httpx.AsyncClient, path: str) -> None:
    """Forged with our own seal, since an empty list has none to give."""
    listing = listing_at(path)
    names = list(listing.sorts)
    mixed = [f"{one},-{two}" for one, two in pairwise(names)]
    for ordering in (*names, *(f"-{name}" for name in names), *mixed):
        query = listing.read(f"ordering={ordering}".encode())
        for after in cursors_of(query):
            answer = await admin.get(path, params={"ordering": ordering, "after": after})
            assert answer.status_code == 200, f"{ordering}: {answer.text}"


def cursors_of(query: Query) -> list[str]:
    types = [order.sort.type for order in query.orders]
    values = [next(SAMPLES[one] for one in (type_, *get_args(type_)) if one in SAMPLES) for type_ in types]
    nulls = [None if type(None) in get_args(type_) else value for type_, value in zip(types, values, strict=True)]
    return [cursors.encode(query.ordering, these, query.mark) for these in (values, nulls)]


@pytest.mark.parametrize("path", PATHS)
async def test_every_filter_takes_what_the_document_says(admin: httpx.AsyncClient, path: str) -> None:
    listing = listing_at(path)
    described = parameters_of(path)
    for name in listing.filters:
        for value in samples(name, described[name]):
            answer = await admin.get(path, params={name: value, "count": "exact"})
            assert answer.status_code in allowed(described[name]), f"{name}={value}: {answer.text}"
    together = {name: next(iter(samples(name, described[name]))) for name in listing.filters}
    assert (await admin.get(path, params=together)).status_code < 500


def allowed(schema: dict[str, Any]) -> set[int]:
    """A free text may mean something that no schema can say: a code of a location, several numbers."""
    return {200, 400} if schema["type"] == "string" and not {"enum", "pattern"} & schema.keys() else {200}


def samples(name: str, schema: dict[str, Any]) -> list[Any]:
    if schema == FLAG_SCHEMA:
        return ["true", "false"]
    if schema["type"] == "integer":
        return [schema["minimum"], 1, schema["maximum"]]
    if "enum" in schema:
        return list(schema["enum"])
    if "format" in schema:
        return [FORMATS[schema["format"]]]
    if "pattern" in schema:
        return [sample for sample in ("1", "1.50", "-1.5") if re.search(schema["pattern"], sample)]
    return ["1,2", "1", "x", "a b", "'\"%_\\{0}"] if name.endswith("__in") else ["1", "x", "a b", "'\"%_\\{0}"]


@pytest.mark.parametrize("path", PATHS)
async def test_no_order_goes_by_what_may_be_null(database: None, path: str) -> None:
    """No row is before or behind a null: a cursor would lose those rows. `nullable` says where they stand."""
    rows = await fetch(
        "SELECT column_name, bool_or(is_nullable = 'YES') AS may_be_null FROM information_schema.columns "
        "WHERE table_schema = 'public' GROUP BY 1"
    )
    may_be_null = {row["column_name"] for row in rows if row["may_be_null"]}
    for name, sort in listing_at(path).sorts.items():
        plain = COLUMN.fullmatch(sort.key)
        assert plain is None or plain.group(1) not in may_be_null or (path, name) in NEVER_NULL, f"{name}: {sort.key}"


@pytest.mark.parametrize("path", PATHS)
async def test_what_no_list_knows_is_refused_by_name(admin: httpx.AsyncClient, path: str) -> None:
    for query in ("ordering=nothing", "nothing=1", "after=nothing", "page=0", "offset=-1", "count=all"):
        answer = await admin.get(f"{path}?{query}")
        assert answer.status_code == 400, answer.text
        assert answer.json()["errors"][0]["field"] == query.partition("=")[0]
