"""The parameters of lists of users, as the OpenAPI document tells them."""

from typing import Annotated, TypeAlias

from litestar.params import QueryParameter

from domains.accounts.listing import SORTS
from domains.accounts.tables import Role
from lib.errors import BadInput, FieldError
from lib.http import Counting, Limit, Offset, PageNumber, PageSize, Paging, provide_paging, read_query

PAGING_NAMES = ("page", "page_size", "limit", "offset", "count")
LONGEST_SEARCH = 500

Search: TypeAlias = Annotated[
    str, QueryParameter(max_length=LONGEST_SEARCH, description="Words in username, e-mail address or names.")
]
# Told in the document and checked by the list, which names the columns that it knows.
Ordering: TypeAlias = Annotated[
    str,
    QueryParameter(
        schema_extra={"pattern": f"^(-?({'|'.join(SORTS)})(,-?({'|'.join(SORTS)}))*)?$"},
        description=f"Columns, with a minus for descending: {', '.join(SORTS)}. Newest first by default.",
    ),
]
OfRole: TypeAlias = Annotated[Role | None, QueryParameter(name="role", description="Users of this role only.")]
IsActive: TypeAlias = Annotated[bool | None, QueryParameter(name="active", description="Whether they may sign in.")]


def provide_pages(
    page: PageNumber = None,
    page_size: PageSize = None,
    limit: Limit = None,
    offset: Offset = None,
    count: Counting = None,
) -> Paging:
    """A dependency for lists without a cursor."""
    return provide_paging(page=page, page_size=page_size, limit=limit, offset=offset, count=count)


def check_names(query_string: bytes, filters: tuple[str, ...]) -> None:
    """Raises BadInput for a parameter that the list does not know, with those that it knows."""
    known = (*filters, *PAGING_NAMES)
    if unknown := [name for name, _value in read_query(query_string) if name not in known]:
        errors = [FieldError(name, "is not a known filter") for name in unknown]
        raise BadInput(f"Unknown filter: {', '.join(unknown)}. Known are: {', '.join(known)}.", errors=errors)
