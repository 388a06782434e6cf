"""Forms of endpoints: what people type about one, read and shown again."""

from datetime import datetime
from typing import Any

from domains.web.forms import Form, checked
from domains.webhooks.schemas import FASTEST, EndpointIn, EndpointOut, EndpointPatch
from domains.webhooks.topics import EVERY
from lib.errors import BadInput, FieldError, field_error
from lib.filters import read_time

LONGEST_NUMBER = 9
# What JSON names by kinds and lengths, in words for people.
WORDS = {
    "event_types": "is empty: choose what it is told of",
    "max_per_second": f"is a whole number from 1 to {FASTEST:,}, or empty",
}


def form_of(endpoint: EndpointOut) -> Form:
    """As it is stored."""
    values = {
        "url": endpoint.url,
        "description": endpoint.description,
        "include_bulk": "yes" if endpoint.include_bulk else "",
        "max_per_second": str(endpoint.max_per_second or ""),
    }
    return Form(values, choices={"event_types": [*endpoint.event_types]})


def read_endpoint(form: Form) -> EndpointIn:
    """Raises BadInput that names every wrong field."""
    # A box that is not ticked is not sent: its errors have their place all the same.
    form.values.setdefault("event_types", "")
    try:
        return checked(_given(form), EndpointIn)
    except BadInput as error:
        errors = [FieldError(wrong.field, WORDS.get(wrong.field, wrong.message)) for wrong in error.errors]
        raise BadInput(errors=errors) from None


def read_change(form: Form) -> EndpointPatch:
    """All that the form has: whether it is enabled has a button of its own. Raises BadInput."""
    read = read_endpoint(form)
    return EndpointPatch(
        url=read.url,
        description=read.description,
        event_types=read.event_types,
        include_bulk=read.include_bulk,
        max_per_second=read.max_per_second,
    )


def read_since(form: Form) -> datetime:
    """What browsers send has no zone: the page says that it is UTC. Raises BadInput."""
    form.require("since")
    try:
        return read_time(form["since"].strip())
    except ValueError as error:
        raise field_error("since", str(error)) from None


def _given(form: Form) -> dict[str, Any]:
    types = list(dict.fromkeys(form.choices.get("event_types", [])))
    return {
        "url": form["url"].strip(),
        "description": form["description"].strip(),
        "event_types": [EVERY] if EVERY in types else types,
        "include_bulk": bool(form["include_bulk"]),
        "max_per_second": _number(form["max_per_second"].strip()),
    }


def _number(text: str) -> int | str | None:
    """Text that is no number is told as such where the whole is checked."""
    is_number = text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER
    return int(text) if is_number else text or None
