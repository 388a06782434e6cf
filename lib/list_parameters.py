"""What a list tells the OpenAPI document of its parameters: its handler reads them itself, all at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from litestar.openapi.spec import Operation, Parameter, Schema

from lib import cursors
from lib.filters import Filter
from lib.http import LARGEST_OFFSET, LARGEST_PAGE, LARGEST_SIZE, Count

# By name: the JSON schema of a value, and a sentence.
Described: TypeAlias = dict[str, tuple[dict[str, Any], str]]

SIZE = {"type": "integer", "minimum": 1, "maximum": LARGEST_SIZE}
PAGING: Described = {
    "page": ({"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}, "Page number, from 1."),
    "page_size": (SIZE, "Rows on a page (50)."),
    "limit": (SIZE, "Another name of page_size."),
    "offset": ({"type": "integer", "minimum": 0, "maximum": LARGEST_OFFSET}, "Rows to skip; counts before page."),
    "after": (
        {"type": "string", "maxLength": cursors.LONGEST},
        "A cursor, from `next` or a Link header: as cheap at any depth. Empty: begin, and walk by cursor.",
    ),
    "count": (
        {"type": "string", "enum": list(Count)},
        "auto: exact up to 25,000, else the planner's estimate; exact: whatever it costs; none: not at all.",
    ),
}


def describe_order(columns: Sequence[str], first: str) -> Described:
    one = "|".join(columns)
    known = f"Columns, with a minus for descending. Known are {', '.join(columns)}; {first} by default."
    both = [f"{sign}{column}" for column in columns for sign in ("", "-")]
    return {
        "ordering": ({"type": "string", "pattern": f"^( *-?({one}) *(, *-?({one}) *)*)?$"}, known),
        "sort_by": ({"type": "string", "enum": [*both, ""]}, "Instead of ordering; empty says nothing."),
        "order": ({"type": "string", "enum": ["asc", "desc", "ASC", "DESC", ""]}, "The direction of sort_by."),
    }


def describe_filters(filters: Mapping[str, Filter]) -> Described:
    return {name: (filter_.schema, filter_.description) for name, filter_ in filters.items()}


def operation_with(parameters: Described) -> type[Operation]:
    """An OpenAPI operation with these query parameters."""
    described = list(_parameters(parameters))

    @dataclass
    class DescribedOperation(Operation):
        def __post_init__(self) -> None:
            self.parameters = [*(self.parameters or []), *described]

    return DescribedOperation


def _parameters(parameters: Described) -> Iterable[Parameter]:
    for name, (schema, description) in parameters.items():
        yield Parameter(name, "query", cast("Schema", schema), description or None)
