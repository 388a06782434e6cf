"""Paging, cursors and ETags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import cursors
from lib.errors import BadInput
from lib.http import Count, Here, Paging, Style, Total, etag, make_page, read_if_match, read_paging


@pytest.mark.parametrize(
    ("query", "paging"),
    [
        ({}, Paging()),
        ({"page": "3", "page_size": "10"}, Paging(Style.PAGE, 10, 20)),
        ({"limit": "10"}, Paging(Style.OFFSET, 10, 0)),
        ({"limit": "10", "offset": "7"}, Paging(Style.OFFSET, 10, 7)),
        ({"limit": "10", "page": "2"}, Paging(Style.PAGE, 10, 10)),
        ({"offset": "7"}, Paging(Style.OFFSET, 50, 7)),
        ({"after": ""}, Paging(Style.CURSOR, 50)),
        ({"after": "x", "page_size": "5", "page": "9", "count": "none"}, Paging(Style.CURSOR, 5, 0, "x", Count.NONE)),
    ],
)
def test_ways_of_paging(query: dict[str, str], paging: Paging):
    assert read_paging(query) == paging


@given(st.text(alphabet="abc-", max_size=10), st.lists(st.one_of(st.text(), st.integers(), st.none()), max_size=4))
def test_a_cursor_carries_its_values(ordering: str, values: list[object]):
    assert cursors.decode(cursors.encode(ordering, values), ordering) == values


@given(st.text())
def test_whatever_else_is_no_cursor(text: str):
    with pytest.raises(BadInput):
        cursors.decode(text, "-id")


def test_a_cursor_changed_anywhere_is_refused():
    cursor = cursors.encode("price", ["29.99", 7])
    for place in range(len(cursor) - 1):
        changed = "A" if cursor[place] != "A" else "B"
        with pytest.raises(BadInput):
            cursors.decode(cursor[:place] + changed + cursor[place + 1 :], "price")


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        (None, None),
        ("*", None),
        ('"7"', frozenset({7})),
        ('W/"7"', frozenset({7})),
        ('"7", "8"', frozenset({7, 8})),
        ('"other"', frozenset()),
        ('"\u00b2"', frozenset()),
    ],
)
def test_if_match_names_versions(header: str | None, versions: frozenset[int] | None):
    assert read_if_match(header) == versions


@pytest.mark.parametrize("header", ["7", "", '"7', "W/7", '"7" "8" x'])
def test_if_match_that_is_no_list_of_tags_is_refused(header: str):
    with pytest.raises(BadInput):
        read_if_match(header)


def test_an_etag_is_what_if_match_names():
    assert read_if_match(etag(12)) == {12}


def test_a_page_in_the_middle_has_neighbours_on_both_sides():
    paging = read_paging({"page": "2", "page_size": "2"})
    page = make_page([3, 4], paging, Total(5, is_exact=True), Here("http://x/l", (("q", "a b"), ("page", "2"))), "c")
    assert page.next == "http://x/l?q=a+b&page=3&page_size=2"
    assert page.previous == "http://x/l?q=a+b&page=1&page_size=2"
    assert page.total_pages == 3
