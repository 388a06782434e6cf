"""The words a list understands: filters, each a clause of our own with its values as parameters.

Every column that can be filtered has an index that finds few rows; only description__icontains has none.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from domains.catalog.schemas import LARGEST_INTEGER
from lib.errors import BadInput, FieldError

LONGEST_VALUE = 500
MOST_VALUES = 100
MOST_WORDS = 10
SHORTEST_TRIGRAM = 3
TRIGRAM = re.compile(r"[^\W_]{3}")
WHOLE = re.compile("-?[0-9]{1,10}")
NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,10})?")
# A plus that nobody escaped arrives as a space: 2030-01-31T12:00:00 02:00.
LOST_PLUS = re.compile(r"(?<=\d) (?=\d\d:\d\d$)")
YES, NO = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}

# The expression of product_search: one index for both, and a word of several letters must stand in either.
NAME_AND_SKU = "(name || ' ' || sku)"


class Role(StrEnum):
    """How a condition meets an index: by one value, by a range, as the flag that order indexes carry, or otherwise."""

    EQUAL = "equal"
    RANGE = "range"
    ACTIVE = "active"
    OTHER = "other"


class Condition(msgspec.Struct, frozen=True):
    """A clause with `{0}` for its parameter, if it has one. `is_indexed`: an index finds what it leaves."""

    clause: str
    values: tuple[Any, ...] = ()
    column: str = ""
    role: Role = Role.OTHER
    is_indexed: bool = True


class Filter(msgspec.Struct, frozen=True):
    """`build` raises ValueError with a plain sentence; `schema` is the JSON schema of one value."""

    build: Callable[[Sequence[str]], list[Condition]]
    schema: dict[str, Any]
    description: str = ""


ACTIVE = Condition("is_active", (), "is_active", Role.ACTIVE)
INACTIVE = Condition("NOT is_active", (), "is_active", Role.EQUAL)


def read_filters(given: Mapping[str, Sequence[str]]) -> tuple[Condition, ...]:
    """Conditions of filters by name; raises BadInput for unknown names (with the known ones) and for bad values."""
    conditions: list[Condition] = []
    errors = [FieldError(name, "is not a known filter") for name in given if name not in FILTERS]
    if errors:
        unknown = ", ".join(error.field for error in errors)
        raise BadInput(f"Unknown filter: {unknown}. Known are: {', '.join(FILTERS)}.", errors=errors)
    for name, values in given.items():
        try:
            conditions += FILTERS[name].build(_split(name, values))
        except ValueError as error:
            errors.append(FieldError(name, str(error)))
    if errors:
        raise BadInput("; ".join(f"{error.field}: {error.message}" for error in errors), errors=errors)
    return tuple(conditions)


def _split(name: str, values: Sequence[str]) -> Sequence[str]:
    if name.endswith("__in"):
        values = [part for value in values for part in value.split(",")] if len(values) == 1 else values
        if len(values) > MOST_VALUES:
            raise ValueError(f"takes at most {MOST_VALUES} values")
    elif len(values) != 1:
        raise ValueError("takes one value")
    if any(len(value) > LONGEST_VALUE for value in values):
        raise ValueError(f"must have at most {LONGEST_VALUE} characters")
    return values


def escape_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def read_whole(text: str) -> int:
    if not WHOLE.fullmatch(text) or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError("expected a whole number")
    return int(text)


def read_amount(text: str) -> Decimal:
    if not NUMBER.fullmatch(text):
        raise ValueError("expected a number like 29.99")
    return Decimal(text)


def read_time(text: str) -> datetime:
    """A day means its beginning, and a time without a zone is UTC."""
    try:
        found = datetime.fromisoformat(LOST_PLUS.sub("+", text))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("expected a time like 2030-01-31T12:00:00Z") from None


def read_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("expected a date like 2030-01-31") from None


def read_flag(text: str) -> bool:
    if text.lower() not in YES | NO:
        raise ValueError("expected true or false")
    return text.lower() in YES


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


TEXT = {"type": "string", "maxLength": LONGEST_VALUE}
WHOLE_SCHEMA = {"type": "integer", "minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER}
AMOUNT_SCHEMA = {"type": "string", "pattern": f"^{NUMBER.pattern}$"}
TIME_SCHEMA = {"type": "string", "format": "date-time"}
DAY_SCHEMA = {"type": "string", "format": "date"}
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
    "is_active": Filter(_is_active, {"type": "boolean"}),
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
