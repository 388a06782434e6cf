"""Every error is problem+json, whoever raised it, and none tells what is inside."""

import logging
from typing import Annotated, Any

import msgspec
import pytest
from litestar import Litestar, Request, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException, TooManyRequestsException
from litestar.params import FromQuery, JSONBody, MultipartBody, QueryParameter

from lib.errors import AppError, Conflict, FieldError, NotSignedIn, TooManyRequests, Unavailable, field_error
from tests import small_app

SECRET = "postgresql://somebody:hunter2@db/stock"


class OutOfStock(Conflict):
    """There is not enough in stock."""


class Form(msgspec.Struct):
    file: UploadFile
    policy: str = "upsert"


@post("/form")
async def take_form(data: MultipartBody[Form]) -> str:
    return data.policy


@post("/body", request_max_body_size=1000)
async def take_body(data: JSONBody[dict[str, Any]]) -> dict[str, Any]:
    return data


def paging(page: FromQuery[int] = 1, size: Annotated[int, QueryParameter(name="page_size", le=100)] = 50) -> str:
    return f"{page}/{size}"


@get("/list", dependencies={"paging": Provide(paging, sync_to_thread=False)})
async def take_query(
    paging: NamedDependency[str],
    needed: FromQuery[int],
    least: Annotated[int | None, QueryParameter(name="price__gte")] = None,
) -> str:
    return f"{paging} {needed} {least}"


async def test_an_error_of_ours_becomes_a_problem_with_all_its_parts():
    error = OutOfStock(
        "Only 3 left.", errors=[FieldError("quantity", "is more than 3")], extra={"available": 3}, headers={"X-A": "b"}
    )
    answer = await small_app.ask(error)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-a"] == "b"
    assert answer.status_code == 409
    assert answer.json() == {
        "type": "urn:problem-type:stockroom:out_of_stock",
        "title": "Conflict",
        "status": 409,
        "detail": "Only 3 left.",
        "instance": "/raise",
        "code": "out_of_stock",
        "errors": [{"field": "quantity", "message": "is more than 3"}],
        "available": 3,
    }


@pytest.mark.parametrize(
    ("error", "status", "header", "value"),
    [
        (NotSignedIn(), 401, "www-authenticate", "Bearer"),
        (NotSignedIn(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}), 401, "www-authenticate", None),
        (TooManyRequests(headers={"Retry-After": "30"}), 429, "retry-after", "30"),
        (TooManyRequestsException(headers={"Retry-After": "7"}), 429, "retry-after", "7"),
        (Unavailable(), 503, "retry-after", "2"),
    ],
)
async def test_headers_that_tell_what_to_do_next_are_kept(error: Exception, status: int, header: str, value: str):
    answer = await small_app.ask(error)
    assert answer.status_code == status
    assert answer.headers[header] == (value or 'Bearer error="invalid_token"')


async def test_an_unknown_path_is_a_404_problem():
    async with small_app.raising(ValueError()) as client:
        answer = await client.get("/nowhere/%C3%A4 b")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["instance"] == "/nowhere/%C3%A4%20b"


async def test_a_wrong_method_is_a_405_that_names_the_right_ones():
    async with small_app.raising(ValueError()) as client:
        answer = await client.put("/raise")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_a_status_that_has_no_class_of_ours_keeps_its_name():
    answer = await small_app.ask(HTTPException("Too early.", status_code=425))
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (425, "too_early", "Too early.")


async def test_a_bug_is_a_500_with_a_number_that_tells_nothing_else(
    running_app: None, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.ERROR)
    answer = await small_app.ask(RuntimeError(SECRET))
    request_id = answer.headers["x-request-id"]
    assert answer.status_code == 500
    assert request_id in answer.json()["detail"]
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text
    assert len(caplog.records) == 1
    assert "in fail\n    raise error" in caplog.records[0].msg["exception"]
    assert caplog.records[0].msg["request_id"] == request_id


async def test_an_error_of_ours_without_a_status_is_a_bug_too():
    answer = await small_app.ask(AppError(SECRET))
    assert answer.status_code == 500
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_a_413(declared: bool):
    async def stream():
        yield b'{"a":"' + b"x" * 2000 + b'"}'

    async with small_app.client(take_body) as client:
        body = b'{"a":"' + b"x" * 2000 + b'"}' if declared else stream()
        answer = await client.post("/body", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_every_wrong_parameter_is_named_as_the_client_spells_it():
    async with small_app.client(take_query) as client:
        answer = await client.get("/list?needed=x&price__gte=y")
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"field": "needed", "message": "expected a whole number, got text"},
        {"field": "price__gte", "message": "expected a whole number or null, got text"},
    ]


async def test_a_wrong_parameter_of_a_dependency_is_named():
    async with small_app.client(take_query) as client:
        answer = await client.get("/list?needed=1&page_size=101")
    assert answer.json()["errors"] == [{"field": "page_size", "message": "expected a whole number <= 100"}]


async def test_a_missing_parameter_is_named():
    async with small_app.client(take_query) as client:
        answer = await client.get("/list")
    assert answer.json()["errors"] == [{"field": "needed", "message": "is required"}]


async def test_a_missing_file_is_named():
    async with small_app.client(take_form) as client:
        answer = await client.post("/form", files={"other": ("a.csv", b"a")})
    assert answer.json()["errors"] == [{"field": "file", "message": "is required"}]


@pytest.mark.parametrize(
    "part",
    [
        b'name="policy"\r\n\r\n\xff\r\n',
        b'name="policy"\r\nContent-Type: text/plain; charset=klingon\r\n\r\na\r\n',
        b'name="policy"\r\n\r\na\r\n--x\r\nContent-Disposition: form-data; name="policy"\r\n\r\nb\r\n',
        b"name",
        b"",
    ],
)
async def test_a_broken_form_is_bad_input(part: bytes):
    body = b"--x\r\nContent-Disposition: form-data; " + part + b"--x--\r\n"
    async with small_app.client(take_form) as client:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        answer = await client.post("/form", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


async def test_json_sent_to_a_form_is_bad_input():
    async with small_app.client(take_form) as client:
        answer = await client.post("/form", json={"policy": "upsert"})
    assert answer.status_code == 400


async def test_a_client_that_leaves_within_its_body_is_not_a_bug(running_app: None, caplog: pytest.LogCaptureFixture):
    app = small_app.make(take_body)
    sent: list[Any] = []
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    await app(_scope(app, "/body"), _receiving(messages), _sending(sent))
    assert sent[0]["status"] == 400
    assert not caplog.records


def _scope(app: Litestar, path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", small_app.HOST.encode()), (b"content-type", b"application/json")],
        "root_path": "",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "app": app,
    }


def _receiving(messages: Any) -> Any:
    async def receive() -> Any:
        return next(messages)

    return receive


def _sending(sent: list[Any]) -> Any:
    async def send(message: Any) -> None:
        sent.append(message)

    return send


async def test_what_a_handler_converts_itself_is_named_too():
    @post("/raw")
    async def convert(request: Request[Any, Any, Any]) -> None:
        msgspec.json.decode(await request.body(), type=dict[str, list[int]])

    async with small_app.client(convert) as client:
        wrong = await client.post("/raw", json={"a": [1, "b"]})
        broken = await client.post("/raw", content=b"{")
    assert wrong.json()["errors"] == [{"field": "[...][1]", "message": "expected a whole number, got text"}]
    assert (broken.status_code, broken.json()["code"]) == (400, "bad_input")


def test_one_wrong_field_reads_as_a_sentence():
    assert str(field_error("price", "is required")) == "price: is required"
