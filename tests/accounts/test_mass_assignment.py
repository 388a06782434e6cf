"""X7: no body sets what its sender may not set. Made from the OpenAPI document, so that a new route is covered."""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import httpx
import msgspec
import pytest

from domains.accounts.tables import Role
from piccolo_conf import execute, fetch_value
from tests.conftest import make_client, make_user

Json: TypeAlias = dict[str, Any]

METHODS = ("post", "put", "patch", "delete")
REF = "#/components/schemas/"
PRIVILEGED: Json = {
    "id": 999_999,
    "role": "admin",
    "admin": True,
    "is_admin": True,
    "superuser": True,
    "active": True,
    "stock": 77,
    "version": 99,
    "created_at": "2001-02-03T04:05:06Z",
    "email_verified_at": "2001-02-03T04:05:06Z",
    "password": "another horse battery",
}
# Where such a field is meant to be, each with a test of its own for those who may not set it.
MEANT = {
    "CredentialsIn": {"password"},
    "SignUpIn": {"password", "role"},
    "UserPatch": {"role", "active"},
    "ProductIn": {"stock"},
    "ProductPatch": {"stock"},
}
# Each item of this route is answered for itself, in a 200.
ITEM_BY_ITEM = "/api/products/bulk"
TEXTS = ("x", "1", "USD", "DELETE", "ada@example.com", "https://example.com/", "2030-01-31", "0.00")
WRITTEN = (
    "users",
    "product",
    "stock_level",
    "api_key",
    "one_time_code",
    "user_session",
    "avatar",
    "mail",
    "webhook_endpoint",
)
SNAPSHOT = " UNION ALL ".join(f"SELECT '{table}', t::text FROM {table} t" for table in WRITTEN)


class Place(msgspec.Struct, frozen=True):
    """An object inside the body of a route: `name` is its schema's, `path` leads to it."""

    method: str
    route: str
    name: str
    path: tuple[str | int, ...]
    known: frozenset[str]
    body: Any

    def with_field(self, field: str) -> Any:
        body = msgspec.json.decode(msgspec.json.encode(self.body))
        target = body
        for step in self.path:
            target = target[step]
        target[field] = PRIVILEGED[field]
        return body

    def named(self, field: str) -> str:
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in (*self.path, field))
        return path.removeprefix(".")


class Writer:
    """Reads what the document says of bodies, and writes the smallest that are well-formed."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.schemas: Json = document["components"]["schemas"]

    def bodies(self, media_type: str) -> Iterator[tuple[str, str, Json]]:
        for route, item in self.document["paths"].items():
            for method in METHODS:
                content = item.get(method, {}).get("requestBody", {}).get("content", {})
                if media_type in content:
                    yield method, route, content[media_type]["schema"]

    def places(self) -> Iterator[Place]:
        for method, route, schema in self.bodies("application/json"):
            for name, path, found in self._objects(schema, ()):
                body = self._write(schema, path)
                yield Place(method, route, name, path, frozenset(found.get("properties", {})), body)

    def _objects(self, schema: Json, path: tuple[str | int, ...]) -> Iterator[tuple[str, tuple[str | int, ...], Json]]:
        name, found = self._resolve(schema)
        if "properties" in found:
            yield name, path, found
            for inner, part in found["properties"].items():
                yield from self._objects(part, (*path, inner))
        elif found.get("type") == "array":
            yield from self._objects(found["items"], (*path, 0))

    def _resolve(self, schema: Json) -> tuple[str, Json]:
        """A schema behind its references, and of several the first that is not null."""
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(REF)
            return name, self._resolve(self.schemas[name])[1]
        for choice in schema.get("anyOf", ()):
            if choice.get("type") != "null":
                return self._resolve(choice)
        return "", schema

    def _write(self, schema: Json, path: tuple[str | int, ...] = ()) -> Any:
        """What is required, and what stands on the path."""
        _name, found = self._resolve(schema)
        if "enum" in found:
            return found["enum"][0]
        if "properties" in found:
            wanted = {*found.get("required", ()), *path[:1]}
            return {inner: self._write(found["properties"][inner], path[1:]) for inner in wanted}
        match found.get("type"):
            case "array":
                return [self._write(found["items"], path[1:])] if path or found.get("minItems") else []
            case "integer" | "number":
                return found.get("minimum", 1)
            case "boolean":
                return True
            case "object":
                return {}
        return self._write_text(found)

    def _write_text(self, schema: Json) -> str:
        if schema.get("format") == "date-time":
            return "2030-01-31T12:00:00Z"
        fit = (text for text in TEXTS if re.search(schema.get("pattern", ""), text))
        return next(text for text in fit if len(text) >= schema.get("minLength", 0))


@pytest.fixture
async def document(database: None) -> Json:
    async with make_client() as client:
        document: Json = (await client.get("/api/schema")).json()
    return document


@pytest.fixture
async def victim(admin: httpx.AsyncClient) -> Json:
    """Ids by the names that routes give them; `key` is a product's."""
    product = await admin.post("/api/products/", json={"sku": "A-1", "name": "Anvil", "stock": 3})
    return {"user_id": await make_user(Role.CUSTOMER, "otto"), "key": product.json()["id"]}


def address(route: str, ids: Json) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: str(ids.get(name.group(1), 1)), route)


async def snapshot() -> Any:
    return await fetch_value(f"SELECT string_agg(row::text, '' ORDER BY row::text) FROM ({SNAPSHOT}) AS row")


def refusal(answer: httpx.Response, place: Place) -> list[Json]:
    """The errors of a refused body."""
    if place.route == ITEM_BY_ITEM and answer.status_code == 200:
        (item,) = answer.json()["results"]
        return [{**error, "field": f"[0].{error['field']}"} for error in item["errors"]]
    assert 400 <= answer.status_code < 500, f"{place.method} {place.route}: {answer.status_code}"
    errors: list[Json] = answer.json()["errors"]
    return errors


async def test_no_body_takes_a_privileged_field(admin: httpx.AsyncClient, document: Json, victim: Json):
    before, tried = await snapshot(), 0
    for place in Writer(document).places():
        for field in PRIVILEGED.keys() - place.known:
            answer = await admin.request(place.method, address(place.route, victim), json=place.with_field(field))
            expected = {"field": place.named(field), "message": "is not a known field"}
            assert refusal(answer, place) == [expected], f"{place.method} {place.route} {place.path} {field}"
            tried += 1
    assert await snapshot() == before
    print(f"{tried} bodies with a privileged field, all refused")
    assert tried > 250, "The document told of too few bodies."


async def test_privileged_fields_stand_only_where_they_are_meant(document: Json):
    found = {place.name: place.known & PRIVILEGED.keys() for place in Writer(document).places()}
    assert {name: set(fields) for name, fields in found.items() if fields} == {
        name: fields for name, fields in MEANT.items() if name in found
    }


# Whoever signed them may say what they like: a shop, whose words have tests of their own.
SIGNED = {("post", "/api/shopify-webhook"), ("post", "/api/shopify-webhook/{shop}")}


async def test_every_json_body_is_an_object_or_a_list_of_them(document: Json):
    writer = Writer(document)
    covered = {(place.method, place.route) for place in writer.places()}
    assert covered | SIGNED == {(method, route) for method, route, _schema in writer.bodies("application/json")}


async def test_no_form_takes_a_privileged_field(admin: httpx.AsyncClient, document: Json, victim: Json):
    before = await snapshot()
    for method, route, schema in Writer(document).bodies("multipart/form-data"):
        for field in PRIVILEGED.keys() - schema["properties"].keys():
            answer = await admin.request(
                method, address(route, victim), files={"file": b"sku,name\nB-1,Bolt\n"}, data={field: "1"}
            )
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field), route
    assert await snapshot() == before


@pytest.mark.parametrize("field", ["role", "is_admin", "superuser", "active", "id", "email_verified_at"])
async def test_nobody_signs_up_as_more_than_a_customer(
    client: httpx.AsyncClient, customer: httpx.AsyncClient, staff: httpx.AsyncClient, field: str
):
    person = {"email": "eve@example.com", "password": "correct horse battery", "re_password": "correct horse battery"}
    for somebody in (client, customer, staff):
        answer = await somebody.post("/auth/users/", json=person | {field: PRIVILEGED[field]})
        assert answer.status_code == (403 if field == "role" else 400)
    assert await fetch_value("SELECT count(*) FROM users WHERE email = 'eve@example.com'") == 0


@pytest.mark.parametrize("change", [{"role": "admin"}, {"active": True}, {"first_name": "Eve"}])
async def test_nobody_but_an_admin_changes_a_role(
    customer: httpx.AsyncClient, staff: httpx.AsyncClient, victim: Json, change: Json
):
    before = await snapshot()
    for somebody in (customer, staff):
        assert (await somebody.patch(f"/auth/users/{victim['user_id']}/", json=change)).status_code == 403
    assert await snapshot() == before


async def test_even_an_admin_sets_no_other_column_of_a_user(admin: httpx.AsyncClient, victim: Json):
    await execute("UPDATE users SET created_at = '2020-01-01' WHERE id = $1", victim["user_id"])
    before = await snapshot()
    for field in PRIVILEGED.keys() - {"role", "active"}:
        answer = await admin.patch(f"/auth/users/{victim['user_id']}/", json={field: PRIVILEGED[field]})
        assert answer.status_code == 400, field
    assert await snapshot() == before
