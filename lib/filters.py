"""The words that filter a list: each becomes a clause of our own with its values as parameters."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from lib import clock
from lib.errors import BadInput, FieldError, refuse_fields
from lib.integers import LARGEST_BIGINT, LARGEST_INTEGER

LONGEST_VALUE = 500
MOST_VALUES = 100
MOST_WORDS = 10
WHOLE = re.compile("-?[0-9]{1,19}")
NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,10})?")
# A plus that nobody escaped arrives as a space: 2030-01-31T12:00:00 02:00.
LOST_PLUS = re.compile(r"(?<=\d) (?=\d\d:\d\d$)")
YES, NO = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}

TEXT = {"type": "string", "maxLength": LONGEST_VALUE}
WHOLE_SCHEMA = {"type": "integer", "minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER}
BIGINT_SCHEMA = {"type": "integer", "minimum": -LARGEST_BIGINT, "maximum": LARGEST_BIGINT}
AMOUNT_SCHEMA = {"type": "string", "pattern": f"^{NUMBER.pattern}$"}
TIME_SCHEMA = {"type": "string", "format": "date-time"}
DAY_SCHEMA = {"type": "string", "format": "date"}
FLAG_SCHEMA = {"type": "boolean"}


class Condition(msgspec.Struct, frozen=True):
    """A clause with `{0}` for its parameter, `{1}` for a second; values travel apart. Other braces stand doubled."""

    clause: str
    values: tuple[Any, ...] = ()


class Filter(msgspec.Struct, frozen=True):
    """`build` makes conditions of the texts given; it raises ValueError with a plain sentence.

    `schema` is the JSON schema of one value, for the OpenAPI document.
    """

    build: Callable[[Sequence[str]], Sequence[Condition]]
    schema: dict[str, Any]
    description: str = ""


def read_filters(given: Mapping[str, Sequence[str]], filters: Mapping[str, Filter]) -> tuple[Any, ...]:
    """Conditions of filters by name; raises BadInput for unknown names (with the known ones) and for bad values."""
    conditions: list[Condition] = []
    errors = [FieldError(name, "is not a known filter") for name in given if name not in filters]
    if errors:
        unknown = ", ".join(error.field for error in errors)
        raise BadInput(f"Unknown filter: {unknown}. Known are: {', '.join(filters)}.", errors=errors)
    for name, values in given.items():
        try:
            conditions += filters[name].build(_split(name, values))
        except ValueError as error:
            errors.append(FieldError(name, str(error)))
    refuse_fields(errors)
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
    return _read_integer(text, LARGEST_INTEGER)


def read_bigint(text: str) -> int:
    return _read_integer(text, LARGEST_BIGINT)


def _read_integer(text: str, largest: int) -> int:
    if not WHOLE.fullmatch(text) or abs(int(text)) > largest:
        raise ValueError("expected a whole number")
    return int(text)


def read_amount(text: str) -> Decimal:
    if not NUMBER.fullmatch(text):
        raise ValueError("expected a number like 29.99")
    return Decimal(text)


def read_time(text: str) -> datetime:
    """A day means its beginning, and a time without a zone is UTC."""
    try:
        found = clock.to_utc(datetime.fromisoformat(LOST_PLUS.sub("+", text)))
    except ValueError:
        found = None
    if found is None:
        raise ValueError("expected a time like 2030-01-31T12:00:00Z")
    return found


def read_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("expected a date like 2030-01-31") from None


def read_flag(text: str) -> bool:
    if text.lower() not in YES | NO:
        raise ValueError("expected true or false")
    return text.lower() in YES


def equal(column: str, read: Callable[[str], Any], schema: dict[str, Any], description: str = "") -> Filter:
    return Filter(lambda values: [Condition(f"{column} = {{0}}", (read(values[0]),))], schema, description)


def same_text(column: str, description: str = "Whatever its case.") -> Filter:
    """Relies on an index of `lower(column)` where the table is long."""
    return Filter(lambda values: [Condition(f"lower({column}) = lower({{0}})", (values[0],))], TEXT, description)


def among(column: str, read: Callable[[str], Any], description: str = "Comma-separated.") -> Filter:
    """For a name that ends in `__in`: any of several values."""
    return Filter(
        lambda values: [Condition(f"{column} = ANY({{0}})", ([read(value) for value in values],))], TEXT, description
    )


def choice(column: str, choices: type[StrEnum]) -> Filter:
    """One of an enumeration."""
    return equal(column, read_choice(choices), {"type": "string", "enum": list(choices)})


def read_choice(choices: type[StrEnum]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in set(choices):
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return read


def ranged(column: str, name: str, read: Callable[[str], Any], schema: dict[str, Any]) -> dict[str, Filter]:
    """`name__gte` and `name__lte`."""
    return {f"{name}__gte": _bound(column, ">=", read, schema), f"{name}__lte": _bound(column, "<=", read, schema)}


def _bound(column: str, sign: str, read: Callable[[str], Any], schema: dict[str, Any]) -> Filter:
    return Filter(lambda values: [Condition(f"{column} {sign} {{0}}", (read(values[0]),))], schema)


def flag(when_true: str, when_false: str, description: str = "") -> Filter:
    """Two clauses of our own, without parameters."""
    return Filter(
        lambda values: [Condition(when_true if read_flag(values[0]) else when_false)], FLAG_SCHEMA, description
    )


def contains(column: str, description: str = "A part of it, whatever its case.") -> Filter:
    """Reads every row: for tables of thousands."""
    return Filter(
        lambda values: [Condition(f"strpos(lower({column}), lower({{0}})) > 0", (values[0],))], TEXT, description
    )


def words(expression: str, description: str) -> Filter:
    """Every word must stand in the expression, whatever its case. For tables of thousands of rows."""

    def build(values: Sequence[str]) -> list[Condition]:
        found = values[0].split()
        if len(found) > MOST_WORDS:
            raise ValueError(f"takes at most {MOST_WORDS} words")
        return [Condition(f"strpos(lower({expression}), lower({{0}})) > 0", (word,)) for word in found]

    return Filter(build, TEXT, description)
