"""Lists on a table of their own: every order walked by cursor, filters, counts, and what is refused."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from lib import cursors, listing, totals
from lib.errors import BadInput
from lib.filters import DAY_SCHEMA, WHOLE_SCHEMA, Condition, Filter, equal, ranged, read_day, read_whole, words
from lib.listing import Found, Listing, Sort, find_page, nullable
from piccolo_conf import execute, fetch

SORTS = {
    "id": Sort("b.id", "{0}::bigint", int, is_unique=True),
    "code": Sort("b.code", "{0}::text", str, "~<~", "~>~"),
    "title": Sort("lower(b.title)", "lower({0}::text)", str),
    "pages": Sort("b.pages", "{0}::int", int),
    "price": Sort("b.price", "{0}::numeric", Decimal),
    "printed_on": Sort("b.printed_on", "{0}::date", date),
    "made_at": Sort("b.made_at", "{0}::timestamptz", datetime),
    "lent_at": nullable(Sort("b.lent_at", "{0}::timestamptz", datetime), "'-infinity'::timestamptz"),
    "shelf": nullable(Sort("b.shelf", "{0}::int", int), "-1"),
}
FILTERS: dict[str, Filter] = {
    "search": words("b.title", "Words of the title."),
    "pages": equal("b.pages", read_whole, WHOLE_SCHEMA),
    **ranged("b.printed_on", "printed_on", read_day, DAY_SCHEMA),
    "odd": Filter(lambda _: [Condition("b.pages = 1 OR b.pages = 3")], {"type": "string"}),
}
BOOKS = Listing(filters=FILTERS, sorts=SORTS, first="-made_at", aliases={"width": "pages"})
COLUMNS = (
    "b.id, b.code, b.title, b.pages, b.price::text AS price, b.printed_on, b.made_at, b.lent_at, b.shelf, b.note AS n"
)
SOURCE = "lists.book b"
# Ties in every column, so that only the id tells rows apart; a microsecond that a cursor must not lose.
FILL = """
    INSERT INTO lists.book (code, title, pages, price, printed_on, made_at, lent_at, shelf)
    SELECT chr(65 + i % 3) || chr(97 + i % 2), CASE WHEN i % 2 = 0 THEN 'Blue ' ELSE 'red ' END || i % 5, i % 4,
        (i % 3) + 0.10, date '2030-01-01' + i % 6, timestamptz '2030-01-01' + (i % 7) * interval '1 microsecond',
        CASE WHEN i % 3 <> 0 THEN timestamptz '2030-01-01' + (i % 2) * interval '1 hour' END,
        CASE WHEN i % 5 <> 0 THEN i % 5 END
    FROM generate_series(1, $1::int) AS i
"""


@pytest.fixture
async def _books(running_app: None) -> AsyncIterator[None]:
    await execute("CREATE SCHEMA lists")
    await execute(
        """CREATE TABLE lists.book (id bigserial PRIMARY KEY, code text NOT NULL, title text NOT NULL,
            pages int NOT NULL, price numeric(12, 2) NOT NULL, printed_on date NOT NULL, made_at timestamptz NOT NULL,
            lent_at timestamptz, shelf int, note text)"""
    )
    totals.forget()
    yield
    await execute("DROP SCHEMA lists CASCADE")
    totals.forget()


pytestmark = pytest.mark.usefixtures("_books")


async def find(*always: Condition, **words: Any) -> Found:
    return await find_page(fetch, BOOKS.read(urlencode(words).encode(), *always), COLUMNS, SOURCE)


async def walk(**words: Any) -> list[int]:
    """The ids of all pages, by cursor."""
    found = await find(after="", **words)
    ids = [row["id"] for row in found.rows]
    while found.cursor:
        found = await find(after=found.cursor, **words)
        ids += [row["id"] for row in found.rows]
    return ids


def lowest_first(key: str, row: Any) -> Any:
    """As the list sorts: text whatever its case, and nothing before everything."""
    value = row[key]
    lowered = value.lower() if key == "title" else Decimal(value) if key == "price" else value
    return (value is not None, lowered) if value is not None else (False,)


def sort(rows: Sequence[Any], ordering: str) -> list[int]:
    """By Python, the least important key first; the id goes the way of the last."""
    names = [*ordering.split(","), f"{'-' * ordering.rpartition(',')[2].startswith('-')}id"]
    found = list(rows)
    for name in reversed(names):
        key = name.removeprefix("-")
        found.sort(key=lambda row, key=key: lowest_first(key, row), reverse=name.startswith("-"))
    return [row["id"] for row in found]


MIXED = ["-price,title", "code,-pages", "-code,-price,title", "lent_at,-shelf,code", "-lent_at,pages", "pages,-lent_at"]


@pytest.mark.parametrize("ordering", [*SORTS, *(f"-{name}" for name in SORTS), *MIXED])
async def test_a_cursor_walks_every_order_to_its_end(ordering: str) -> None:
    await execute(FILL, 60)
    expected = sort(await fetch(f"SELECT {COLUMNS} FROM {SOURCE}"), ordering)
    assert await walk(ordering=ordering, page_size=7) == expected
    by_offset = [await find(ordering=ordering, limit=7, offset=offset) for offset in range(0, 63, 7)]
    assert [row["id"] for found in by_offset for row in found.rows] == expected


async def test_a_page_far_from_the_beginning_is_the_same_page(monkeypatch: pytest.MonkeyPatch) -> None:
    await execute(FILL, 60)
    asked = {"search": "red", "ordering": "-price,title", "limit": 7, "offset": 20}
    near = await find(**asked)
    monkeypatch.setattr(listing, "FAR_OFFSET", 5)
    far = await find(**asked)
    assert (list(far.rows), far.total, far.cursor) == (list(near.rows), near.total, near.cursor)
    assert len(near.rows) == 7


async def test_a_cursor_keeps_its_filters() -> None:
    await execute(FILL, 60)
    rows = await fetch(f"SELECT {COLUMNS} FROM {SOURCE} WHERE title LIKE 'red%'")
    assert await walk(search="RED", ordering="-pages", page_size=4) == sort(rows, "-pages")


async def test_behind_the_last_row_there_is_no_cursor() -> None:
    await execute(FILL, 6)
    assert [(await find(page_size=3, page=number)).cursor is None for number in (1, 2)] == [False, True]
    assert (await find(page_size=3, page=9)).cursor is None


async def test_an_or_in_a_condition_does_not_undo_the_others() -> None:
    await execute(FILL, 60)
    found = await find(Condition("b.id <= {0}", (4,)), odd="yes", ordering="id")
    assert [row["id"] for row in found.rows] == [1, 3]
    listed = await find(Condition("b.id = 1 OR b.id = 2"), pages=2)
    assert ([row["id"] for row in listed.rows], listed.total.count) == ([2], 1)


async def test_the_first_order_and_other_names_of_columns() -> None:
    assert BOOKS.read(b"").ordering == "-made_at,-id"
    assert BOOKS.read(b"ordering=width").ordering == "pages,id"
    assert BOOKS.read(b"sort_by=width&order=DESC").ordering == "-pages,-id"
    assert BOOKS.read(b"ordering=-pages%2C%20title").ordering == "-pages,title,id"
    assert BOOKS.read(b"ordering=title,id,pages").ordering == "title,id"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (b"colour=red", "colour"),
        (b"pages=many", "pages"),
        (b"pages=1&pages=2", "pages"),
        (b"printed_on__gte=2030-02-30", "printed_on__gte"),
        (b"ordering=colour", "ordering"),
        (b"ordering=", None),
        (b"ordering=,", "ordering"),
        (b"ordering=--id", "ordering"),
        (b"sort_by=colour", "sort_by"),
        (b"sort_by=pages&order=up", "order"),
        (b"sort_by=pages,title", "sort_by"),
        (b"ordering=pages&sort_by=colour", "sort_by"),
        (b"ordering=pages&order=up", "order"),
        (b"ordering=colour&sort_by=pages", "ordering"),
        (b"order=Desc", "order"),
        (b"page=0", "page"),
        (b"after=x", "after"),
    ],
)
async def test_what_a_list_does_not_understand_is_refused_by_name(query: bytes, field: str | None) -> None:
    if field is None:
        BOOKS.read(query)
        return
    with pytest.raises(BadInput) as caught:
        BOOKS.read(query)
    assert [error.field for error in caught.value.errors] == [field]


def refuse(cursor: str, ordering: str) -> str:
    with pytest.raises(BadInput) as caught:
        BOOKS.read(urlencode({"after": cursor, "ordering": ordering}).encode())
    return caught.value.errors[0].message


async def test_a_cursor_of_another_list_or_order_is_refused() -> None:
    await execute(FILL, 10)
    cursor = (await find(ordering="pages", page_size=2)).cursor
    assert cursor
    assert refuse(cursor, "-pages") == "is a cursor of the ordering pages,id, not of -pages,-id"
    assert refuse(cursors.encode("pages,id", [1, 1]), "pages") == cursors.NOT_OF_THIS_LIST
    others = Listing(filters={}, sorts={"id": SORTS["id"]}).mark
    assert refuse(cursors.encode("pages,id", [1, 1], others), "pages") == cursors.NOT_OF_THIS_LIST


@pytest.mark.parametrize("values", [[], [1], ["many", 1], [None, 1], [1, 1, 1]])
async def test_a_cursor_from_when_the_list_had_other_columns_is_refused(values: list[Any]) -> None:
    assert refuse(cursors.encode("pages,id", values, BOOKS.mark), "pages") == cursors.NOT_OF_THIS_LIST


async def test_a_null_that_no_sort_expects_is_a_fault_of_ours_and_told() -> None:
    await execute(FILL, 5)
    careless = Listing(filters={}, sorts=SORTS | {"shelf": Sort("b.shelf", "{0}::int", int)})
    with pytest.raises(TypeError, match="shelf is null"):
        await find_page(fetch, careless.read(b"ordering=-shelf&page_size=1"), COLUMNS, SOURCE)


async def test_a_list_without_an_id_to_end_its_orders_is_refused_when_it_is_written() -> None:
    for sorts in ({}, {"pages": SORTS["pages"]}, {"id": SORTS["pages"]}):
        with pytest.raises(ValueError, match="id"):
            Listing(filters={}, sorts=sorts)
    with pytest.raises(ValueError, match="colour"):
        Listing(filters={}, sorts=SORTS, first="-colour")


async def count(**words: Any) -> tuple[int | None, bool]:
    total = (await find(page_size=2, **words)).total
    return total.count, total.is_exact


async def test_counts_are_exact_as_far_as_that_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "COUNTED_EXACTLY", 25)
    await execute(FILL, 100)
    await execute("ANALYZE lists.book")
    assert await count() == (100, False)
    assert await count(after="") == (100, False)
    assert await count(pages=1) == (25, True)
    assert await count(count="exact") == (100, True)
    assert await count(count="none") == (None, False)
    assert (await find(page_size=100)).total == totals.Total(100, is_exact=True)
    assert (await find(page_size=50, page=9)).total.is_exact is False


async def test_a_count_that_would_take_long_is_the_planners_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    await execute(FILL, 100)
    await execute("ANALYZE lists.book")
    monkeypatch.setattr(totals, "COSTLIEST", 0.5)
    assert await count() == (100, False)
    assert await count(count="exact") == (100, True)


async def test_a_count_that_took_some_work_is_kept_for_its_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    await execute(FILL, 20)
    monkeypatch.setattr(totals, "CHEAP", 0)
    assert await count(pages=1) == (5, True)
    await execute(FILL, 20)
    assert await count(pages=1) == (5, True)
    assert await count(pages=2) == (10, True)
    monkeypatch.setattr(totals, "KEPT_SECONDS", -1)
    totals.forget()
    assert await count(pages=1) == (10, True)


async def test_small_lists_are_counted_anew_each_time() -> None:
    await execute(FILL, 20)
    assert await count() == (20, True)
    await execute(FILL, 20)
    assert await count() == (40, True)


async def test_an_index_walks_a_cursor_however_deep() -> None:
    await execute(FILL, 5000)
    await execute("CREATE INDEX book_pages ON lists.book (pages, id)")
    await execute("ANALYZE lists.book")
    for ordering in ("-pages", "pages,-id"):
        query = BOOKS.read(urlencode({"ordering": ordering, "page_size": 5, "offset": 2500}).encode())
        cursor = (await find_page(fetch, query, COLUMNS, SOURCE)).cursor
        asked: list[tuple[str, tuple[Any, ...]]] = []

        async def spy(sql: str, *values: Any, asked: list[Any] = asked) -> Any:
            asked.append((sql, values))
            return await fetch(sql, *values)

        query = BOOKS.read(urlencode({"ordering": ordering, "page_size": 5, "after": cursor}).encode())
        await find_page(spy, query, COLUMNS, SOURCE)
        plan = await fetch(f"EXPLAIN {asked[0][0]}", *asked[0][1])
        assert "book_pages" in "\n".join(row[0] for row in plan), ordering


def test_a_cursor_holds_times_to_the_microsecond() -> None:
    made = datetime(2030, 1, 1, 12, 0, 0, 1, tzinfo=UTC)
    query = BOOKS.read(b"ordering=made_at")
    after = cursors.encode(query.ordering, [made, 7], BOOKS.mark)
    assert BOOKS.read(urlencode({"ordering": "made_at", "after": after}).encode()).position == (made, 7)
