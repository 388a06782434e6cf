"""The words that filter lists: what they read, what they refuse, and the clauses they become."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest

from lib import filters
from lib.errors import BadInput
from lib.filters import Condition, Filter, read_filters


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


FILTERS: dict[str, Filter] = {
    "search": filters.words("t.title", "Words."),
    "title": filters.same_text("t.title"),
    "title__icontains": filters.contains("t.title"),
    "colour": filters.choice("t.colour", Colour),
    "colour__in": filters.among("t.colour", filters.read_choice(Colour)),
    "pages": filters.equal("t.pages", filters.read_whole, filters.WHOLE_SCHEMA),
    "pages__in": filters.among("t.pages", filters.read_whole),
    "is_read": filters.flag("t.read_at IS NOT NULL", "t.read_at IS NULL"),
    **filters.ranged("t.price", "price", filters.read_amount, filters.AMOUNT_SCHEMA),
}


def read(**given: str) -> tuple[Condition, ...]:
    found: tuple[Condition, ...] = read_filters({name: [value] for name, value in given.items()}, FILTERS)
    return found


@pytest.mark.parametrize(
    ("given", "conditions"),
    [
        ({"pages": "-7"}, [("t.pages = {0}", -7)]),
        ({"pages__in": "1,2,3"}, [("t.pages = ANY({0})", [1, 2, 3])]),
        ({"title": "a,b"}, [("lower(t.title) = lower({0})", "a,b")]),
        ({"colour": "red"}, [("t.colour = {0}", "red")]),
        ({"colour__in": "red,blue"}, [("t.colour = ANY({0})", ["red", "blue"])]),
        ({"price__gte": "7.50"}, [("t.price >= {0}", Decimal("7.50"))]),
        ({"price__gte": "1", "price__lte": "2"}, [("t.price >= {0}", Decimal(1)), ("t.price <= {0}", Decimal(2))]),
        ({"is_read": "True"}, [("t.read_at IS NOT NULL",)]),
        ({"is_read": "0"}, [("t.read_at IS NULL",)]),
        ({"search": "  "}, []),
    ],
)
def test_a_word_becomes_a_clause_with_its_values_apart(given: dict[str, str], conditions: list[tuple[Any, ...]]):
    assert [(condition.clause, *condition.values) for condition in read(**given)] == conditions


def test_every_word_of_a_search_has_a_clause():
    assert [condition.values for condition in read(search="blue  50%_lamp")] == [("blue",), ("50%_lamp",)]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pages", "", "expected a whole number"),
        ("pages", "1.0", "expected a whole number"),
        ("pages", "\uff11", "expected a whole number"),
        ("pages", "2147483648", "expected a whole number"),
        ("pages", "9" * 400, "expected a whole number"),
        ("pages__in", "1,,2", "expected a whole number"),
        ("pages__in", ",".join(["1"] * 101), "takes at most 100 values"),
        ("colour", "Red", "must be one of red, blue"),
        ("colour__in", "red,green", "must be one of red, blue"),
        ("price__gte", "NaN", "expected a number like 29.99"),
        ("price__gte", "1e3", "expected a number like 29.99"),
        ("is_read", "perhaps", "expected true or false"),
        ("search", "a b c d e f g h i j k", "takes at most 10 words"),
        ("title", "x" * 501, "must have at most 500 characters"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(name: str, value: str, message: str):
    with pytest.raises(BadInput) as caught:
        read(**{name: value})
    assert [(error.field, error.message) for error in caught.value.errors] == [(name, message)]


def test_every_bad_value_is_told_at_once():
    with pytest.raises(BadInput) as caught:
        read(pages="x", colour="green", title="fine")
    assert [error.field for error in caught.value.errors] == ["pages", "colour"]


def test_an_unknown_name_is_told_the_known_ones():
    with pytest.raises(BadInput, match=r"Unknown filter: color\. Known are: search, title, ") as caught:
        read(color="red", pages="x")
    assert [error.field for error in caught.value.errors] == ["color"]


def test_a_name_that_takes_several_may_have_them_apart_but_no_other():
    several = read_filters({"pages__in": ["1", "2"], "colour__in": ["red", "blue"]}, FILTERS)
    assert [condition.values for condition in several] == [([1, 2],), (["red", "blue"],)]
    with pytest.raises(BadInput, match="pages: takes one value"):
        read_filters({"pages": ["1", "2"]}, FILTERS)


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (filters.read_bigint, str(2**63 - 1), 2**63 - 1),
        (filters.read_bigint, str(1 - 2**63), 1 - 2**63),
        (filters.read_amount, "-0.10", Decimal("-0.10")),
        (filters.read_day, "2030-01-31", date(2030, 1, 31)),
        (filters.read_time, "2030-01-31", datetime(2030, 1, 31, tzinfo=UTC)),
        (filters.read_time, "2030-01-31T12:00:00.000001", datetime(2030, 1, 31, 12, 0, 0, 1, tzinfo=UTC)),
        (filters.read_time, "2030-01-31T12:00:00+02:00", datetime(2030, 1, 31, 10, tzinfo=UTC)),
        (filters.read_time, "2030-01-31T12:00:00 02:00", datetime(2030, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_what_a_text_means(reader: Callable[[str], Any], text: str, value: Any):
    assert reader(text) == value


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (filters.read_bigint, str(2**63)),
        (filters.read_bigint, "1" * 20),
        (filters.read_amount, "1" * 13),
        (filters.read_day, "2030-02-30"),
        (filters.read_time, "yesterday"),
        (filters.read_time, "0001-01-01T00:00:00+14:00"),
        (filters.read_time, "9999-12-31T23:59:59-14:00"),
    ],
)
def test_what_no_text_may_mean(reader: Callable[[str], Any], text: str):
    with pytest.raises(ValueError, match="expected a "):
        reader(text)


def test_what_like_reads_as_signs_is_escaped():
    assert filters.escape_like("50%_\\") == "50\\%\\_\\\\"
