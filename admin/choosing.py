"""What pages share on which rows are chosen, looked at and confirmed: times, ids, and how many there were."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from starlette.requests import Request

from admin.pages import Form
from admin.selection import SEPARATORS
from lib.errors import field_error
from lib.filters import read_time
from lib.integers import LARGEST_BIGINT


def read_choice(form: Form, fields: Iterable[str]) -> dict[str, Any]:
    """The fields that hold anything; since and until as times, ids as numbers. Raises BadInput that names the field."""
    given: dict[str, Any] = {name: text for name in fields if (text := form.get(name, "").strip())}
    for name in ("since", "until"):
        if name in given:
            given[name] = _moment(name, given[name])
    if "ids" in given:
        given["ids"] = [_id(part) for part in SEPARATORS.split(given["ids"]) if part]
    return given


def read_count(text: str, most: int) -> int | None:
    """How many somebody saw, or had done a moment ago; None for what is no such number."""
    return int(text) if text.isdecimal() and len(text) <= len(str(most)) else None


def read_done(request: Request, most: int) -> int | None:
    return read_count(request.query_params.get("done", ""), most)


def _moment(field: str, text: str) -> datetime:
    """Of UTC unless it tells another zone, as everything here is."""
    try:
        return read_time(text)
    except ValueError:
        raise field_error(field, "expected a time like 2030-01-31T12:00") from None


def _id(text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(LARGEST_BIGINT)) or not 0 < int(text) <= LARGEST_BIGINT:
        raise field_error("ids", f"{text[:20]} is no id")
    return int(text)
