"""Lists in pages, and versions in headers: what every list endpoint and every versioned resource share."""

import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Request, Response
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from lib import cursors
from lib.errors import BadInput, FieldError, field_error
from lib.integers import LARGEST_BIGINT, LARGEST_INTEGER

T = TypeVar("T")

DEFAULT_SIZE = 50
LARGEST_SIZE = 100
LARGEST_OFFSET = LARGEST_INTEGER
LARGEST_PAGE = LARGEST_OFFSET // LARGEST_SIZE
# Beyond this an answer points to the cursor, whose cost does not grow with the depth.
FAR_OFFSET = 5_000
ETAG = re.compile(r'\s*(?:W/)?"([^"]*)"\s*(?:,|$)')
PLACE_NAMES = {"page", "page_size", "limit", "offset", "after"}
PAGING_NAMES = PLACE_NAMES | {"count"}


class Style(StrEnum):
    """How a caller walks a list; `next` keeps it."""

    PAGE = "page"
    OFFSET = "offset"
    CURSOR = "cursor"


class Count(StrEnum):
    """auto: exact where that is cheap; exact: whatever it costs; none: not at all."""

    AUTO = "auto"
    EXACT = "exact"
    NONE = "none"


class Paging(msgspec.Struct, frozen=True):
    """Which part of a list is wanted."""

    style: Style = Style.PAGE
    limit: int = DEFAULT_SIZE
    offset: int = 0
    after: str = ""
    count: Count = Count.AUTO

    @property
    def wants_count(self) -> bool:
        return self.count is not Count.NONE


class Total(msgspec.Struct, frozen=True):
    """How many there are; None when nobody asked."""

    count: int | None
    is_exact: bool


class Page(msgspec.Struct, Generic[T]):
    """One page of a list. `next` keeps the caller's way of paging; with a cursor there is no way back."""

    count: int | None
    count_is_exact: bool
    next: str | None
    previous: str | None
    total_pages: int | None
    results: Sequence[T]


class Here(msgspec.Struct, frozen=True):
    """The address of a list, to make those of its neighbours from."""

    url: str
    query: tuple[tuple[str, str], ...] = ()

    def at(self, **place: str | int) -> str:
        kept = [pair for pair in self.query if pair[0] not in PLACE_NAMES]
        return f"{self.url}?{urlencode([*kept, *place.items()])}"


NO_COUNT = Total(None, is_exact=False)

# In a path. Whatever lies outside is a 404, like an id that nothing has.
RowId: TypeAlias = Annotated[int, PathParameter(ge=1, le=LARGEST_INTEGER)]
BigRowId: TypeAlias = Annotated[int, PathParameter(ge=1, le=LARGEST_BIGINT)]
PageNumber: TypeAlias = Annotated[int | None, QueryParameter(ge=1, le=LARGEST_PAGE, description="Page number, from 1.")]
PageSize: TypeAlias = Annotated[int | None, QueryParameter(ge=1, le=LARGEST_SIZE, description="Rows on a page (50).")]
Limit: TypeAlias = Annotated[
    int | None, QueryParameter(ge=1, le=LARGEST_SIZE, description="Another name of page_size.")
]
Offset: TypeAlias = Annotated[
    int | None, QueryParameter(ge=0, le=LARGEST_OFFSET, description="Rows to skip; counts before page.")
]
After: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        max_length=cursors.LONGEST, description="Cursor from `next` or a Link header: any depth at one cost."
    ),
]
Counting: TypeAlias = Annotated[
    Count | None, QueryParameter(description="auto: exact where that is cheap; exact: always; none: not at all.")
]
IfMatch: TypeAlias = Annotated[
    str | None, HeaderParameter(name="If-Match", description="The ETag that was read: 412 when it is stale.")
]
IdempotencyKey: TypeAlias = Annotated[
    str | None,
    # Told here, and checked where it is used.
    HeaderParameter(
        name="Idempotency-Key",
        description="The first answer under a key is replayed for 24 hours.",
        schema_extra={"minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    ),
]


def provide_paging(
    page: PageNumber = None,
    page_size: PageSize = None,
    limit: Limit = None,
    offset: Offset = None,
    after: After = None,
    count: Counting = None,
) -> Paging:
    """A dependency for list endpoints. A cursor counts before an offset, an offset before a page number."""
    size = limit or page_size or DEFAULT_SIZE
    counted = count or Count.AUTO
    if after is not None:
        return Paging(Style.CURSOR, size, 0, after, counted)
    if offset is not None or (limit is not None and page is None):
        return Paging(Style.OFFSET, size, offset or 0, "", counted)
    return Paging(Style.PAGE, size, ((page or 1) - 1) * size, "", counted)


def read_paging(query: Mapping[str, str]) -> Paging:
    """The same from raw query parameters; raises BadInput that names the bad one."""
    return provide_paging(
        page=_read_whole(query, "page", 1, LARGEST_PAGE),
        page_size=_read_whole(query, "page_size", 1, LARGEST_SIZE),
        limit=_read_whole(query, "limit", 1, LARGEST_SIZE),
        offset=_read_whole(query, "offset", 0, LARGEST_OFFSET),
        after=query.get("after"),
        count=_read_count(query),
    )


def _read_whole(query: Mapping[str, str], name: str, lowest: int, highest: int) -> int | None:
    if (text := query.get(name)) is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(highest))):
        raise field_error(name, f"expected a whole number from {lowest} to {highest}")
    if not lowest <= int(text) <= highest:
        raise field_error(name, f"expected a whole number from {lowest} to {highest}")
    return int(text)


def _read_count(query: Mapping[str, str]) -> Count | None:
    if (text := query.get("count")) is None:
        return None
    try:
        return Count(text)
    except ValueError:
        raise field_error("count", f"expected one of {', '.join(Count)}") from None


@functools.lru_cache(1024)
def read_query(query_string: bytes) -> tuple[tuple[str, str], ...]:
    """Names and values as they were sent; raises BadInput for a name that stands there twice."""
    pairs = parse_qsl(query_string.decode("utf-8", "replace"), keep_blank_values=True)
    counted = Counter(name for name, _value in pairs)
    twice = [FieldError(name, "is given twice") for name, times in counted.items() if times > 1]
    if twice:
        raise BadInput("A parameter may stand only once.", errors=twice)
    return tuple(pairs)


def here(request: Request[Any, Any, Any]) -> Here:
    """Where the caller is, by the address as it was sent."""
    scope = request.scope
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    path = scope["raw_path"].partition(b"?")[0]
    return Here(f"{scope['scheme']}://{(host + path).decode('latin-1')}", read_query(scope["query_string"]))


def make_page(results: Sequence[T], paging: Paging, total: Total, place: Here, cursor: str | None) -> Page[T]:
    """`cursor` points behind the last result, and is None when nothing follows it."""
    return Page(
        count=total.count,
        count_is_exact=total.is_exact,
        next=_next(paging, place, cursor),
        previous=_previous(paging, place),
        total_pages=None if total.count is None else -(-total.count // paging.limit),
        results=results,
    )


def respond(
    request: Request[Any, Any, Any], results: Sequence[T], paging: Paging, total: Total, cursor: str | None
) -> Response[Page[T]]:
    """The page, and far from the beginning the header that points to the cursor."""
    place = here(request)
    return Response(make_page(results, paging, total, place, cursor), headers=link_header(paging, place, cursor))


def link_header(paging: Paging, place: Here, cursor: str | None) -> dict[str, str]:
    """Far from the beginning the answer says how to go on at a cost that does not grow."""
    if cursor is None or paging.style is Style.CURSOR or paging.offset <= FAR_OFFSET:
        return {}
    return {"Link": f'<{_after(paging, place, cursor)}>; rel="next"; title="cursor"'}


def _next(paging: Paging, place: Here, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    if paging.style is Style.CURSOR:
        return _after(paging, place, cursor)
    return _at_offset(paging, place, paging.offset + paging.limit)


def _previous(paging: Paging, place: Here) -> str | None:
    if paging.offset == 0:
        return None
    return _at_offset(paging, place, max(0, paging.offset - paging.limit))


def _at_offset(paging: Paging, place: Here, offset: int) -> str:
    if paging.style is Style.PAGE:
        return place.at(page=offset // paging.limit + 1, page_size=paging.limit)
    return place.at(limit=paging.limit, offset=offset)


def _after(paging: Paging, place: Here, cursor: str) -> str:
    return place.at(page_size=paging.limit, after=cursor)


def etag(version: int) -> str:
    return f'"{version}"'


def read_if_match(header: str | None) -> frozenset[int] | None:
    """The versions that a caller will accept; None for any. A proxy that compresses weakens tags: those count too."""
    if header is None or header.strip() == "*":
        return None
    if not re.fullmatch(rf"(?:{ETAG.pattern})+", header):
        raise field_error("If-Match", 'expected "*" or an ETag in quotes')
    found = ETAG.findall(header)
    return frozenset(int(tag) for tag in found if tag.isascii() and tag.isdigit() and len(tag) <= 10)
