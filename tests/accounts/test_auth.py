"""Middleware and guards, on an application of a few routes."""

from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import Litestar, get
from litestar.openapi import OpenAPIConfig
from litestar.routes import HTTPRoute

from domains.accounts import auth, revocations, scopes, sessions
from domains.accounts.auth import AccessPlugin, CallerRequest, authentication, public, requires
from domains.accounts.scopes import Scope
from domains.accounts.tables import Role
from lib import actor, problems
from settings import Settings
from tests.conftest import make_user


@get("/products", guards=[requires(Scope.PRODUCTS_READ)])
async def read_products(request: CallerRequest) -> dict[str, object]:
    acting = actor.current()
    return {"user": request.user.user_id, "actor": acting.user_id, "name": acting.name, "source": acting.source}


@get("/webhooks", guards=[requires(Scope.WEBHOOKS_WRITE)])
async def write_webhooks() -> None: ...


@get("/open", guards=[public])
async def open_to_all(request: CallerRequest) -> dict[str, object]:
    return {"user": request.user.user_id, "actor": actor.current().name}


app = Litestar(
    [read_products, write_webhooks, open_to_all],
    middleware=[authentication],
    plugins=[AccessPlugin()],
    openapi_config=OpenAPIConfig(title="Test", version="1", components=auth.COMPONENTS),
    exception_handlers={Exception: problems.to_response},
)


@pytest.fixture
async def client(database: None) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


async def bearer(role: Role, username: str) -> dict[str, str]:
    started = await sessions.start_session(await make_user(role, username))
    return {"Authorization": f"Bearer {started.access}"}


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        (None, "/open", 200),
        (None, "/products", 401),
        (None, "/webhooks", 401),
        (Role.CUSTOMER, "/open", 200),
        (Role.CUSTOMER, "/products", 200),
        (Role.CUSTOMER, "/webhooks", 403),
        (Role.STAFF, "/webhooks", 403),
        (Role.ADMIN, "/webhooks", 200),
    ],
)
async def test_a_route_admits_who_holds_its_scope(
    client: httpx.AsyncClient, role: Role | None, path: str, status: int
) -> None:
    headers = await bearer(role, "somebody") if role else {}
    assert (await client.get(path, headers=headers)).status_code == status


async def test_a_public_catalogue_needs_no_sign_in(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "settings", Settings(public_catalog=True))
    assert (await client.get("/products")).status_code == 200
    assert (await client.get("/webhooks")).status_code == 401


async def test_a_request_acts_in_its_users_name(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/products", headers=await bearer(Role.CUSTOMER, "carla"))).json()
    assert answer == {"user": answer["user"], "actor": answer["user"], "name": "carla", "source": "api"}
    assert answer["user"] is not None


async def test_a_request_of_somebody_unknown_acts_in_nobodys_name(client: httpx.AsyncClient) -> None:
    await client.get("/products", headers=await bearer(Role.CUSTOMER, "carla"))
    assert (await client.get("/open")).json() == {"user": None, "actor": "anonymous"}


@pytest.mark.parametrize(
    "header",
    [b"", b"Bearer", b"Bearer ", b"Basic YWRhOmFkYQ==", b"x", b"Bearer a.b.c", b"Bearer \xff\xfe", b"Digest", b" "],
)
@pytest.mark.parametrize("path", ["/open", "/products"])
async def test_a_bad_token_is_a_401_on_every_route(client: httpx.AsyncClient, header: bytes, path: str) -> None:
    answer = await client.get(path, headers={b"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_token")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_a_missing_scope_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.get("/webhooks", headers=await bearer(Role.STAFF, "stan"))
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert "webhooks:write" in answer.json()["detail"]


async def test_a_known_token_needs_no_database(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = await bearer(Role.ADMIN, "ada")
    monkeypatch.setattr(revocations, "fetch_value", None)
    for _ in range(3):
        assert (await client.get("/products", headers=headers)).status_code == 200


async def test_the_memory_of_tokens_is_bounded(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MOST_KNOWN", 3)
    monkeypatch.setattr(auth, "_known", {})
    user_id = await make_user(Role.ADMIN, "ada")
    started = [await sessions.start_session(user_id) for _ in range(10)]
    for tokens in started + started:
        assert (await auth.recognise(tokens.access)).caller.user_id == user_id
    assert len(auth._known) == 3


def test_every_route_tells_its_access() -> None:
    routes = {route.path: route for route in app.routes if isinstance(route, HTTPRoute)}
    assert routes["/products"].route_handlers[0].opt[auth.ACCESS] is Scope.PRODUCTS_READ
    assert routes["/open"].route_handlers[0].opt[auth.ACCESS] == auth.PUBLIC


def test_openapi_tells_the_scope_of_every_route() -> None:
    schema = app.openapi_schema.to_schema()
    assert schema["components"]["securitySchemes"]["bearerAuth"]["scheme"] == "bearer"
    assert schema["paths"]["/webhooks"]["get"]["security"] == [{"bearerAuth": ["webhooks:write"]}]
    assert "security" not in schema["paths"]["/open"]["get"]
