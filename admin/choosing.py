"""Which rows a form means: its fields as times, ids and texts, and how many there were."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from admin.forms import S, in_words
from admin.pages import Form
from admin.selection import SEPARATORS
from lib.errors import FieldError, refuse_fields
from lib.filters import read_time
from lib.integers import LARGEST_BIGINT
from lib.money import decode
from lib.wrong_fields import find_wrong_fields

# What makes of a field's text what the struct holds; it raises ValueError in words for people.
Readers: TypeAlias = Mapping[str, Callable[[str], Any]]


def read_choice(form: Form, struct: type[S], labels: Mapping[str, str], readers: Readers) -> S:
    """The fields that hold anything; of `labels` these are all. Raises BadInput with every wrong one, by its label."""
    given: dict[str, Any] = {}
    wrong: list[FieldError] = []
    for name in labels:
        if not (text := form.get(name, "").strip()):
            continue
        try:
            given[name] = readers.get(name, str)(text)
        except ValueError as error:
            wrong.append(FieldError(name, str(error)))
    with in_words(labels):
        refuse_fields([*wrong, *find_wrong_fields(given, struct, decode)])
    return msgspec.convert(given, struct, dec_hook=decode)


def read_moment(text: str) -> datetime:
    """Of UTC unless it tells another zone, as everything here is."""
    try:
        return read_time(text)
    except ValueError:
        raise ValueError("expected a time like 2030-01-31T12:00") from None


def read_ids(text: str) -> list[int]:
    return [_id(part) for part in SEPARATORS.split(text) if part]


def _id(text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(LARGEST_BIGINT)) or not 0 < int(text) <= LARGEST_BIGINT:
        raise ValueError(f"{text[:20]} is no id")
    return int(text)


def read_count(text: str, most: int) -> int | None:
    """How many somebody saw, or had done a moment ago; None for what is no such number."""
    return int(text) if text.isdecimal() and len(text) <= len(str(most)) else None
