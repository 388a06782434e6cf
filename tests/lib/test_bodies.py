"""A JSON body is taken strictly, and a wrong one is told everything that is wrong with it."""

import enum
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any, Literal

import httpx
import msgspec
import pytest
from litestar import post
from litestar.params import JSONBody

from tests import small_app


class Size(enum.StrEnum):
    SMALL = "small"
    LARGE = "large"


class Euro(Decimal):
    """A type that only its decoder knows."""


def decode_euro(_type: type, value: object) -> Euro:
    if not isinstance(value, str) or not value.replace(".", "").isdigit():
        raise ValueError("expected an amount like 29.99")
    return Euro(value)


class Line(msgspec.Struct, forbid_unknown_fields=True):
    product: int
    quantity: Annotated[int, msgspec.Meta(ge=1)]


class OrderIn(msgspec.Struct, forbid_unknown_fields=True):
    customer: Annotated[str, msgspec.Meta(min_length=1)]
    lines: Annotated[list[Line], msgspec.Meta(max_length=500)] = []
    gift: Line | None = None
    size: Size = Size.SMALL
    pay: Literal["now", "later"] = "now"
    paid: Euro | None = None
    labels: dict[str, int] = {}
    note: str | msgspec.UnsetType = msgspec.UNSET


class Period(msgspec.Struct):
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError("Last comes before first")


@post("/order", status_code=200)
async def take_order(data: JSONBody[OrderIn]) -> OrderIn:
    return data


@post("/orders", status_code=200)
async def take_orders(data: JSONBody[list[OrderIn]]) -> int:
    return len(data)


@post("/any", status_code=200)
async def take_any(data: JSONBody[dict[str, Any]]) -> dict[str, Any]:
    return data


@post("/period", status_code=200)
async def take_period(data: JSONBody[Period]) -> None: ...


@post("/maybe", status_code=200)
async def take_maybe(data: JSONBody[OrderIn | None] = None) -> bool:
    return data is None


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    routes = (take_order, take_orders, take_any, take_period, take_maybe)
    async with small_app.client(*routes, type_decoders=[(lambda type_: type_ is Euro, decode_euro)]) as anybody:
        yield anybody


async def wrong(client: httpx.AsyncClient, path: str, body: object) -> dict[str, str]:
    """What is said of each field."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


async def test_a_right_body_arrives(client):
    body = {"customer": "Ada", "lines": [{"product": 1, "quantity": 2}], "paid": "29.99", "size": "large"}
    answer = await client.post("/order", json=body)
    assert answer.status_code == 200
    assert answer.json().items() >= {"customer": "Ada", "size": "large", "note": None}.items() - {("note", None)}


async def test_every_wrong_field_is_named_at_once(client):
    body = {
        "customer": "",
        "lines": [{"product": 1, "quantity": 1}, {"product": "1", "quantity": 0}, {"quantity": True, "price": 1}, 7],
        "gift": {"product": None, "quantity": 1},
        "size": "medium",
        "pay": "never",
        "paid": "much",
        "labels": {"a": 1, "b": "2"},
        "note": None,
        "colour": "red",
    }
    assert await wrong(client, "/order", body) == {
        "customer": "expected text with at least 1 characters",
        "lines[1].product": "expected a whole number, got text",
        "lines[1].quantity": "expected a whole number >= 1",
        "lines[2].product": "is required",
        "lines[2].quantity": "expected a whole number, got true or false",
        "lines[2].price": "is not a known field",
        "lines[3]": "expected an object, got a whole number",
        "gift.product": "expected a whole number, got null",
        "size": "expected one of small, large",
        "pay": "expected one of now, later",
        "paid": "expected an amount like 29.99",
        "labels.b": "expected a whole number, got text",
        "note": "expected text, got null",
        "colour": "is not a known field",
    }


async def test_the_entries_of_a_list_are_numbered(client):
    assert await wrong(client, "/orders", [{"customer": "Ada"}, {}]) == {"[1].customer": "is required"}


@pytest.mark.parametrize(
    ("body", "got"), [(b"[]", "a list"), (b'"a"', "text"), (b"null", "null"), (b"1", "a whole number")]
)
async def test_another_kind_of_body_is_named(client, body: bytes, got: str):
    answer = await client.post("/order", content=body)
    assert answer.json()["errors"] == [{"field": "body", "message": f"expected an object, got {got}"}]


async def test_text_is_not_a_number(client):
    answer = await client.post("/order", json={"customer": "Ada", "lines": [{"product": "1", "quantity": 1}]})
    assert answer.status_code == 400


@pytest.mark.parametrize(("number", "status"), [("3.0", 200), ("3e2", 200), ("3.5", 400), ("1e300", 400)])
async def test_a_number_without_a_fraction_is_whole_however_it_is_written(client, number: str, status: int):
    content = f'{{"customer": "Ada", "lines": [{{"product": 1, "quantity": {number}}}]}}'
    answer = await client.post("/order", content=content.encode())
    assert answer.status_code == status, answer.text


async def test_what_a_struct_checks_as_a_whole_is_told(client):
    assert await wrong(client, "/period", {"first": 2, "last": 1}) == {"body": "last comes before first"}


async def test_no_more_than_a_hundred_errors_are_told(client):
    errors = await wrong(client, "/orders", [{} for _ in range(1000)])
    assert len(errors) == 100


async def test_an_empty_body_is_required(client):
    answer = await client.post("/order")
    assert answer.json()["errors"] == [{"field": "body", "message": "is required"}]


async def test_a_body_that_may_be_absent_may_be_null_too(client):
    for content in (b"", b"null"):
        answer = await client.post("/maybe", content=content)
        assert (answer.status_code, answer.json()) == (200, True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"customer": "Ada"', "byte 18"),
        (b'{"customer": Ada}', "byte 13"),
        (b'{"customer": "Ada"} x', "trailing characters"),
        (b"{'customer': 1}", "byte 1"),
        (b'{"customer": "\xff"}', "UTF-8 (byte 14)"),
        (b'{"customer": "\\ud800", "lines": []}', "surrogate"),
        (b'{"customer": "a\x00b"}', "byte"),
        (b'{"customer": NaN}', "byte"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"labels":' * 100_000, "nested too deeply"),
        (b'{"customer": ' + b"9" * 5000 + b"}", "too large"),
        (b'{"customer": 1e400}', "too large"),
        ("{}".encode("utf-16"), "byte 0"),
        (b"\xef\xbb\xbf{}", "byte 0"),
    ],
)
async def test_what_is_not_json_is_told_where(client, content: bytes, words: str):
    for path in ("/order", "/any"):
        answer = await client.post(path, content=content)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")
    assert words in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/order", "/any"])
async def test_a_nul_character_is_refused_wherever_it_stands(client, path: str):
    body = {"customer": "a\0b", "lines": [], "labels": {"x\0": 1}}
    assert await wrong(client, path, body) == {
        "customer": "must not contain a NUL character",
        "labels": "must not contain a NUL character",
    }


async def test_a_backslash_before_the_letters_is_not_a_nul_character(client):
    answer = await client.post("/order", content=rb'{"customer": "\\u0000"}')
    assert answer.json()["customer"] == r"\u0000"


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
async def test_another_content_type_is_a_415(client, content_type: str):
    answer = await client.post("/order", content=b"{}", headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_content_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/merge-patch+json", ""])
async def test_json_by_any_name_is_taken(client, content_type: str):
    headers = {"content-type": content_type} if content_type else {}
    answer = await client.post("/order", content=b'{"customer": "Ada"}', headers=headers)
    assert answer.status_code == 200
