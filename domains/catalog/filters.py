"""The words that filter products: each becomes a clause that knows its column and how an index meets it.

Every column that can be filtered has an index that finds few rows; only description__icontains has none.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from lib import filters
from lib.filters import (
    AMOUNT_SCHEMA,
    DAY_SCHEMA,
    FLAG_SCHEMA,
    MOST_WORDS,
    TEXT,
    TIME_SCHEMA,
    WHOLE_SCHEMA,
    Filter,
    escape_like,
    read_amount,
    read_day,
    read_flag,
    read_time,
    read_whole,
)

SHORTEST_TRIGRAM = 3
TRIGRAM = re.compile(r"[^\W_]{3}")

# The expression of product_search: one index for both, and a word of several letters must stand in either.
NAME_AND_SKU = "(name || ' ' || sku)"


class Role(StrEnum):
    """How a condition meets an index: by one value, by a range, as the flag that order indexes carry, or otherwise."""

    EQUAL = "equal"
    RANGE = "range"
    ACTIVE = "active"
    OTHER = "other"


class Condition(filters.Condition, frozen=True):
    """`is_indexed`: an index finds what it leaves."""

    column: str = ""
    role: Role = Role.OTHER
    is_indexed: bool = True


ACTIVE = Condition("is_active", (), "is_active", Role.ACTIVE)
INACTIVE = Condition("NOT is_active", (), "is_active", Role.EQUAL)


def read_filters(given: Mapping[str, Sequence[str]]) -> tuple[Condition, ...]:
    """Conditions of filters by name; raises BadInput for unknown names (with the known ones) and for bad values."""
    return filters.read_filters(given, FILTERS)


def _equal(
    column: str, read: Callable[[str], Any] = str, clause: str = ""
) -> Callable[[Sequence[str]], list[Condition]]:
    clause = clause or f"{column} = {{0}}"
    return lambda values: [Condition(clause, (read(values[0]),), column, Role.EQUAL)]


def _among(
    column: str, read: Callable[[str], Any] = str, clause: str = ""
) -> Callable[[Sequence[str]], list[Condition]]:
    clause = clause or f"{column} = ANY({{0}})"
    return lambda values: [Condition(clause, ([read(value) for value in values],), column)]


def _bounded(column: str, sign: str, read: Callable[[str], Any]) -> Callable[[Sequence[str]], list[Condition]]:
    return lambda values: [Condition(f"{column} {sign} {{0}}", (read(values[0]),), column, Role.RANGE)]


def _contains(column: str) -> Callable[[Sequence[str]], list[Condition]]:
    def build(values: Sequence[str]) -> list[Condition]:
        text = values[0]
        if not text:
            return []
        if column == "description" or not TRIGRAM.search(text):
            return [Condition(f"strpos(lower({column}), lower({{0}})) > 0", (text,), is_indexed=False)]
        # Written apart from the first, lest the planner takes the two for independent and expects next to nothing.
        clause = f"{NAME_AND_SKU} ILIKE {{0}} AND strpos(lower({column}), lower({{1}})) > 0"
        return [Condition(clause, (f"%{escape_like(text)}%", text))]

    return build


def _sku_beginning(values: Sequence[str]) -> list[Condition]:
    return [Condition("lower(sku) LIKE lower({0})", (f"{escape_like(values[0].strip())}%",))]


def _search(values: Sequence[str]) -> list[Condition]:
    """Every word must stand in the name or the SKU; what is shorter than a trigram is the beginning of a SKU."""
    text = values[0].strip()
    words = text.split()
    if len(words) > MOST_WORDS:
        raise ValueError(f"takes at most {MOST_WORDS} words")
    if 0 < len(text) < SHORTEST_TRIGRAM:
        return _sku_beginning(values)
    return [
        Condition(f"{NAME_AND_SKU} ILIKE {{0}}", (f"%{escape_like(word)}%",), is_indexed=bool(TRIGRAM.search(word)))
        for word in words
    ]


def _is_active(values: Sequence[str]) -> list[Condition]:
    return [ACTIVE if read_flag(values[0]) else INACTIVE]


SAME_TEXT = (
    *("brand", "condition", "gender", "product_type", "handle", "color", "size"),
    *("age_group", "currency", "external_id", "gtin"),
)
LOWER_AMONG = "lower({column}) = ANY(ARRAY(SELECT lower(v) FROM unnest({{0}}::text[]) AS v))"


def _ranged(column: str, name: str, read: Callable[[str], Any], schema: dict[str, Any]) -> dict[str, Filter]:
    return {
        f"{name}__gte": Filter(_bounded(column, ">=", read), schema),
        f"{name}__lte": Filter(_bounded(column, "<=", read), schema),
    }


def _whatever_case(column: str) -> dict[str, Filter]:
    return {
        column: Filter(_equal(column, clause=f"lower({column}) = lower({{0}})"), TEXT, "Whatever its case."),
        f"{column}__in": Filter(_among(column, clause=LOWER_AMONG.format(column=column)), TEXT, "Comma-separated."),
        f"{column}__icontains": Filter(_contains(column), TEXT),
    }


FILTERS: dict[str, Filter] = {
    "search": Filter(_search, TEXT, "Words in name or SKU; under three characters: the beginning of the SKU."),
    "id": Filter(_equal("id", read_whole), WHOLE_SCHEMA),
    "id__in": Filter(_among("id", read_whole), TEXT, "Comma-separated."),
    **_whatever_case("sku"),
    "sku__istartswith": Filter(_sku_beginning, TEXT, "The beginning of the SKU, whatever its case."),
    **_whatever_case("name"),
    "description__icontains": Filter(_contains("description"), TEXT, "Slow on large catalogues: no index."),
    **{name: Filter(_equal(name), TEXT) for name in SAME_TEXT},
    **{f"{name}__in": Filter(_among(name), TEXT, "Comma-separated.") for name in SAME_TEXT},
    "is_active": Filter(_is_active, FLAG_SCHEMA),
    "price": Filter(_equal("price", read_amount), AMOUNT_SCHEMA),
    **_ranged("price", "price", read_amount, AMOUNT_SCHEMA),
    "inventory_quantity": Filter(_equal("inventory_quantity", read_whole), WHOLE_SCHEMA),
    **_ranged("inventory_quantity", "inventory_quantity", read_whole, WHOLE_SCHEMA),
    "stock": Filter(_equal("inventory_quantity", read_whole), WHOLE_SCHEMA, "Another name of inventory_quantity."),
    **_ranged("inventory_quantity", "stock", read_whole, WHOLE_SCHEMA),
    **_ranged("created_at", "created_at", read_time, TIME_SCHEMA),
    **_ranged("updated_at", "updated_at", read_time, TIME_SCHEMA),
    "expiry_on": Filter(_equal("expiry_on", read_day), DAY_SCHEMA),
    **_ranged("expiry_on", "expiry_on", read_day, DAY_SCHEMA),
}
