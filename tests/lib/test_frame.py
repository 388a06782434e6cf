"""What surrounds every answer, 404s and errors included."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from litestar import delete, get, post, put, websocket
from litestar.connection import WebSocket
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

import app as stockroom
from lib.frame import host_check
from settings import Settings
from tests import small_app


@get(["/hello", "/health/live"])
async def say_hello(name: FromQuery[str] = "you") -> str:
    return f"hello {name}"


@post("/made")
async def make_one() -> None: ...


@get("/stream")
async def say_much() -> Stream:
    async def pieces() -> AsyncIterator[str]:
        for number in range(100):
            yield str(number)

    return Stream(pieces)


@get("/context")
async def tell_context() -> dict[str, Any]:
    return structlog.contextvars.get_contextvars()


@websocket("/socket")
async def talk(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.close()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with small_app.client(say_hello, make_one, say_much, tell_context) as anybody:
        yield anybody


@pytest.mark.parametrize("path", ["/hello", "/nowhere", "/hello?name=%00"])
async def test_every_answer_has_the_security_headers_once(client, path: str):
    answer = await client.get(path)
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers.get_list("x-frame-options") == ["DENY"]
    assert answer.headers.get_list("content-security-policy") == ["frame-ancestors 'none'"]
    assert answer.headers.get_list("referrer-policy") == ["same-origin"]
    assert answer.headers.get_list("server") == ["stockroom"]


async def test_a_request_id_is_made_and_differs(client):
    first, second = await client.get("/hello"), await client.get("/hello")
    assert len(first.headers["x-request-id"]) == 16
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_a_sane_request_id_is_kept_and_reaches_the_logs(client):
    answer = await client.get("/context", headers={"x-request-id": "abc-123_x.y"})
    assert answer.headers["x-request-id"] == "abc-123_x.y"
    assert answer.json()["request_id"] == "abc-123_x.y"


@pytest.mark.parametrize("given", ["a b", "x" * 65, "a\tb", "ä", '"'])
async def test_another_request_id_is_replaced(client, given: str):
    answer = await client.get("/hello", headers={"x-request-id": given.encode()})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 16


@pytest.mark.parametrize("host", ["shop.example", "SHOP.example", "shop.example:8000", "shop.example."])
async def test_an_allowed_host_is_served_on_any_port(client, host: str):
    answer = await client.get("/hello", headers={"host": host})
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "shop.example.evil", "xshop.example", "a.shop.example", "", "[::1"])
async def test_another_host_is_a_400_problem(client, host: str):
    answer = await client.get("/hello", headers={"host": host})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == "host_not_allowed"


async def test_probes_may_come_under_any_host(client):
    answer = await client.get("/health/live", headers={"host": "10.0.0.7:8000"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("allowed", "host", "is_allowed"),
    [
        ("*", b"anything.example", True),
        ("*", b"any thing", False),
        (".example.com", b"example.com", True),
        (".example.com", b"a.b.example.com:443", True),
        (".example.com", b"notexample.com", False),
        ("[::1]", b"[::1]:8000", True),
        ("127.0.0.1", b"127.0.0.1:80", True),
        ("127.0.0.1", b"127.0.0.1:80:80", False),
        ("example.com", b"", False),
        ("example.com", b"example.com@evil", False),
    ],
)
def test_hosts_are_names_endings_or_anything(allowed: str, host: bytes, is_allowed: bool):
    assert host_check([allowed])(host) is is_allowed


@pytest.mark.parametrize("path", ["/hello?name=a%00b", "/hello?na%00me=a", "/hello%00", "/nowhere/%00"])
async def test_a_nul_character_in_the_address_is_bad_input(client, path: str):
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")


@pytest.mark.parametrize("query", ["name=" + "a" * 8192, "&".join(["a"] * 201)])
async def test_a_query_that_would_fill_the_memory_is_refused(client, query: str):
    answer = await client.get(f"/hello?{query}")
    assert (answer.status_code, answer.json()["code"]) == (414, "address_too_long")


async def test_a_query_may_be_long(client):
    assert (await client.get("/hello?name=" + "a" * 8000)).status_code == 200


@pytest.mark.parametrize("path", ["/hello", "/stream", "/nowhere"])
async def test_head_answers_as_get_without_a_body(client, path: str):
    told, asked = await client.get(path), await client.head(path)
    assert (asked.status_code, asked.content) == (told.status_code, b"")
    assert asked.headers.get("content-length") == told.headers.get("content-length")


async def test_head_is_refused_where_get_is(client):
    answer = await client.head("/made")
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")


async def test_options_names_the_methods(client):
    answer = await client.options("/hello")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


@get("/parcels/{key:str}")
async def show_parcel(key: FromPath[str]) -> str:
    return key


@put("/parcels/{key:str}")
async def replace_parcel(key: FromPath[str]) -> str:
    return key


@delete("/parcels/{key:str}")
async def drop_parcel(key: FromPath[str]) -> None: ...


async def test_options_names_the_methods_of_every_handler_of_a_path():
    async with small_app.client(show_parcel, replace_parcel, drop_parcel) as client:
        asked, refused = await client.options("/parcels/7"), await client.post("/parcels/7")
    assert asked.headers.get_list("allow") == ["DELETE, GET, HEAD, OPTIONS, PUT"]
    assert refused.headers.get_list("allow") == ["DELETE, GET, HEAD, OPTIONS, PUT"]


async def test_options_of_an_unknown_path_is_a_404(client):
    answer = await client.options("/nowhere")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_slash_at_the_end_changes_nothing(client):
    assert (await client.get("/hello/")).text == (await client.get("/hello")).text


@pytest.mark.parametrize(("host", "first"), [(b"shop.example", "websocket.accept"), (b"evil", "websocket.close")])
async def test_a_websocket_needs_an_allowed_host_too(host: bytes, first: str):
    app = small_app.make(talk)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "websocket", "path": "/socket", "query_string": b"", "headers": [(b"host", host)]}
    await app({**scope, "root_path": "", "scheme": "ws", "subprotocols": []}, receive, send)
    assert sent[0]["type"] == first


def real_app(**changes: Any) -> httpx.AsyncClient:
    chosen = Settings(secret_key="s" * 40, allowed_hosts=[small_app.HOST], **changes)
    return small_app.client_of(stockroom.create(chosen))


async def test_without_origins_there_are_no_cors_headers():
    async with real_app() as client:
        answer = await client.get("/health/live", headers={"origin": "https://other.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_an_allowed_origin_may_read_and_another_may_not():
    async with real_app(cors_allowed_origins=["https://shop.example"]) as client:
        ours = await client.get("/health/live", headers={"origin": "https://shop.example"})
        theirs = await client.get("/health/live", headers={"origin": "https://other.example"})
    assert ours.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-origin" not in theirs.headers


async def test_a_preflight_is_answered_for_an_allowed_origin_only():
    asking = {"access-control-request-method": "PATCH", "access-control-request-headers": "authorization, if-match"}
    async with real_app(cors_allowed_origins=["https://shop.example"]) as client:
        ours = await client.options("/health/live", headers={"origin": "https://shop.example", **asking})
        theirs = await client.options("/health/live", headers={"origin": "https://other.example", **asking})
    assert (ours.status_code, theirs.status_code) == (204, 400)
    assert "if-match" in ours.headers["access-control-allow-headers"].lower()


async def test_the_real_application_answers_with_problems():
    async with real_app() as client:
        unknown = await client.get("/nowhere")
        large = await client.post("/auth/jwt/verify", content=b"x" * (5 << 20))
    assert unknown.headers["content-type"] == "application/problem+json"
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
