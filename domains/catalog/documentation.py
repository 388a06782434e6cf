"""The parameters of a list in the OpenAPI document: its handler reads them itself, all at once."""

from dataclasses import dataclass
from typing import Any, cast

from litestar.openapi.spec import Operation, Parameter, Schema

from domains.catalog.filters import FILTERS
from domains.catalog.queries import ALIASES, SORTS
from lib import cursors
from lib.http import LARGEST_OFFSET, LARGEST_PAGE, LARGEST_SIZE, Count

COLUMNS = "|".join([*SORTS, *ALIASES])
SIZE = {"type": "integer", "minimum": 1, "maximum": LARGEST_SIZE}
PAGING: dict[str, tuple[dict[str, Any], str]] = {
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
ORDERING: dict[str, tuple[dict[str, Any], str]] = {
    "ordering": (
        {"type": "string", "pattern": f"^(-?({COLUMNS})(,-?({COLUMNS}))*)?$"},
        f"Columns, with a minus for descending. Known are {', '.join([*SORTS, *ALIASES])}. Newest first by default.",
    ),
    "sort_by": ({"type": "string", "enum": [*SORTS, *ALIASES, ""]}, "Instead of ordering; empty says nothing."),
    "order": ({"type": "string", "enum": ["asc", "desc", ""]}, "The direction of sort_by."),
}
FILTERING = {name: (filter_.schema, filter_.description) for name, filter_ in FILTERS.items()}


def _describe(parameters: dict[str, tuple[dict[str, Any], str]]) -> list[Parameter]:
    return [
        Parameter(name, "query", cast("Schema", schema), description or None)
        for name, (schema, description) in parameters.items()
    ]


@dataclass
class ListOperation(Operation):
    """A list of products."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), *_describe(PAGING | ORDERING | FILTERING)]


@dataclass
class FilteredOperation(Operation):
    """All products that some filters leave."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), *_describe(FILTERING)]
