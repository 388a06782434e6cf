"""The documentation is there, true, and needs nothing from another server."""

import re
from typing import Annotated, Any

import httpx
import pytest
from litestar import get, post
from litestar.params import FromPath, HeaderParameter

import app as stockroom
from lib.openapi import REQUEST_BODY
from settings import DocsAccess, Settings
from tests import small_app
from tests.conftest import make_client

PAGES = ["/api/schema", "/api/docs", "/api/docs/redoc"]
METHODS = {"get", "post", "put", "patch", "delete"}
ELSEWHERE = re.compile(r"""(?:src|href|url)\s*[=:]\s*["'](?:https?:)?//""")


def with_access(access: DocsAccess) -> httpx.AsyncClient:
    chosen = Settings(secret_key="s" * 40, allowed_hosts=[small_app.HOST], docs_access=access)
    return small_app.client_of(stockroom.create(chosen))


@pytest.fixture
async def document() -> dict[str, Any]:
    async with make_client() as client:
        document: dict[str, Any] = (await client.get("/api/schema")).json()
    return document


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def references(part: Any) -> set[str]:
    """Every $ref below a part of the document."""
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references(value) for value in part.values()))
    return set().union(*(references(entry) for entry in part)) if isinstance(part, list) else set()


@pytest.mark.parametrize("path", ["/api/schema", "/api/schema/", "/api/schema/openapi.json"])
async def test_the_document_is_json(path: str):
    async with make_client() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["info"] == {
        "title": "Stockroom",
        "version": stockroom.VERSION,
        "description": "Products, stock and imports. Errors are application/problem+json (RFC 9457).",
    }


@pytest.mark.parametrize("path", ["/api/docs", "/api/docs/", "/api/docs/redoc"])
async def test_pages_and_all_they_load_come_from_here(path: str):
    async with make_client() as client:
        page = await client.get(path)
        assert page.headers["content-type"].startswith("text/html")
        assert not ELSEWHERE.search(page.text)
        loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
        for address in loaded:
            assert (await client.get(address)).status_code == 200
    assert loaded


async def test_pages_allow_no_other_server():
    async with make_client() as client:
        policy = (await client.get("/api/docs")).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy


async def test_the_icon_is_in_the_page():
    async with make_client() as client:
        assert '<link rel="icon" href="data:image/svg+xml,%3Csvg' in (await client.get("/api/docs")).text


@pytest.mark.parametrize("path", ["/api/schema/other", "/api/docs/assets/secret", "/api/docs/other"])
async def test_what_is_not_there_is_a_problem(path: str):
    async with make_client() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("path", PAGES)
async def test_switched_off_nothing_is_there(path: str):
    async with with_access(DocsAccess.OFF) as client:
        assert (await client.get(path)).status_code == 404
        assert (await client.get("/api/docs/assets/start.js")).status_code == 404


@pytest.mark.parametrize("path", PAGES)
async def test_for_the_signed_in_only_anonymous_callers_get_401(path: str):
    async with with_access(DocsAccess.SIGNED_IN) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("path", PAGES)
async def test_for_the_signed_in_only_a_customer_reads(customer: httpx.AsyncClient, path: str):
    async with with_access(DocsAccess.SIGNED_IN) as client:
        answer = await client.get(path, headers={"authorization": customer.headers["authorization"]})
    assert answer.status_code == 200


async def test_every_operation_has_a_name_a_summary_and_a_tag(document):
    found = operations(document)
    names = [operation["operationId"] for _path, operation in found]
    assert len(names) == len(set(names))
    assert all(operation["summary"] and operation["tags"] for _path, operation in found)


async def test_every_error_is_described_as_a_problem(document):
    for path, operation in operations(document):
        errors = {status: told for status, told in operation["responses"].items() if status.startswith("4")}
        assert "4XX" in errors, path
        assert all(list(told["content"]) == ["application/problem+json"] for told in errors.values()), path
        assert all(told["description"] for told in errors.values()), path
    problem = document["components"]["schemas"]["Problem"]
    assert problem["required"] == ["type", "title", "status", "detail", "instance", "code"]


async def test_no_operation_promises_to_fail(document):
    assert not [path for path, operation in operations(document) if "500" in operation["responses"]]


async def test_what_needs_a_token_says_so(document):
    assert document["components"]["securitySchemes"]["bearerAuth"]["scheme"] == "bearer"
    for path, operation in operations(document):
        asked = set().union(*(set(way) for way in operation.get("security", [])))
        assert asked <= {"bearerAuth"}, path
        assert ("401" in operation["responses"]) == bool(asked), path


async def test_a_body_that_refuses_unknown_fields_says_so(document):
    assert document["components"]["schemas"]["CredentialsIn"]["additionalProperties"] is False
    assert document["paths"]["/auth/jwt/create"]["post"]["requestBody"]["required"] is True
    assert document["paths"]["/auth/logout"]["post"]["requestBody"]["required"] is False


async def test_every_reference_leads_somewhere_and_nothing_is_left_over(document):
    wanted = {reference.rsplit("/", 1)[1] for reference in references(document)}
    assert wanted == set(document["components"]["schemas"])


async def describe(path: str, handler: Any) -> dict[str, Any]:
    """What the real application's document says of one more handler."""
    made = stockroom.create(Settings(secret_key="s" * 40, allowed_hosts=[small_app.HOST]))
    made.register(handler)
    async with small_app.client_of(made) as client:
        item: dict[str, Any] = (await client.get("/api/schema")).json()["paths"][path]
    return item


async def test_a_handler_that_reads_its_own_body_says_what_it_takes():
    body = {"content": {"text/csv": {"schema": {"type": "string"}}}, "required": True}

    @post("/api/parcels", opt={REQUEST_BODY: body})
    async def take_parcels() -> None: ...

    operation = (await describe("/api/parcels", take_parcels))["post"]
    assert operation["requestBody"] == body
    assert "400" in operation["responses"]


async def test_a_header_that_may_be_left_out_is_text_and_never_null():
    @get("/api/parcels")
    async def list_parcels(tag: Annotated[str | None, HeaderParameter(name="X-Tag")] = None) -> None: ...

    (header,) = (await describe("/api/parcels", list_parcels))["get"]["parameters"]
    assert (header["name"], header["required"], header["schema"]) == ("X-Tag", False, {"type": "string"})


async def test_msgspec_describes_every_body(running_app: None, caplog: pytest.LogCaptureFixture):
    async with with_access(DocsAccess.PUBLIC) as client:
        await client.get("/api/schema")
    said = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    assert [line["type"] for line in said if line["event"] == "type_not_described"] == []


async def test_a_path_without_a_tag_gets_its_noun():
    @get("/api/parcels/{parcel_id:int}")
    async def show_parcel(parcel_id: FromPath[int]) -> dict[str, int]:
        return {"id": parcel_id}

    operation = (await describe("/api/parcels/{parcel_id}", show_parcel))["get"]
    assert (operation["tags"], operation["summary"]) == (["parcels"], "Show parcel")
    assert {"404", "4XX"} <= operation["responses"].keys()
