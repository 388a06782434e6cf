"""Where the site stands, and what of it is open to whom."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
from piccolo_admin.endpoints import ASSET_PATH
from starlette.types import Message, Receive, Scope, Send

from admin import sessions
from admin.door import BUNDLE, Door
from app import create
from domains.accounts import cookies
from domains.accounts.schemas import Device
from domains.accounts.sessions import Proven
from domains.accounts.tables import Role
from settings import settings
from tests.admin.visiting import CSRF, SITE, TABLES, submit
from tests.conftest import make_user, sign_in_as

ELSEWHERE = re.compile(r"""(?:src|href|url|import)\s*[=(]?\s*["'(]?\s*(?:https?:)?//(?!testserver)""")
CLOSED = [
    "/public/login/",
    "/public/docs/",
    "/public/openapi.json",
    "/api/docs/",
    "/api/openapi.json",
    "/api/change-password/",
    "/api/media/",
    "/openapi.json",
    "/docs",
]


def client_of(**changes: object) -> httpx.AsyncClient:
    """At an application with other settings, and with the session and the data of the first."""
    application = create(msgspec.structs.replace(settings, **changes))
    transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


async def test_without_its_slash_it_leads_to_itself(client: httpx.AsyncClient) -> None:
    response = await client.get("/admin")
    assert (response.status_code, response.headers["location"]) == (308, "/admin/")


@pytest.mark.parametrize(
    "path", ["/adminfoo", "/admin-x/", "/adminfoo/api/tables/", "/admin/nothing/", "/administrator"]
)
async def test_what_only_begins_like_it_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert response.json()["instance"] == path


async def test_a_stranger_is_led_to_the_sign_in(client: httpx.AsyncClient) -> None:
    for path in ("/admin/", "/admin/pages/queues/", "/admin/pages/products/", "/admin/api/mfa-setup/"):
        response = await client.get(path)
        assert response.status_code == 303
        assert response.headers["location"].partition("?")[0] == "/admin/sign-in/"


@pytest.mark.parametrize("role", Role)
async def test_a_token_of_the_api_opens_nothing_here(database: None, role: Role) -> None:
    async with await sign_in_as(role, f"some-{role}") as caller:
        assert (await caller.get("/auth/check/")).json()["role"] == role
        assert (await caller.get(f"{TABLES}/product/")).status_code == 401
        assert (await caller.get(f"{SITE}/")).status_code == 303
        caller.cookies.set("csrftoken", CSRF)
        caller.headers["X-CSRFToken"] = CSRF
        assert (await caller.post(f"{TABLES}/product/", json={"sku": "A", "name": "A"})).status_code == 401
        assert (await submit(caller, "pages/products/set-price/", everything="yes", price="1")).status_code == 303


@pytest.mark.parametrize("role", Role)
async def test_a_session_of_the_pages_opens_nothing_here(visitor: httpx.AsyncClient, role: Role) -> None:
    user_id = await make_user(role, f"some-{role}")
    token = await cookies.start(Proven(user_id, ""), Device())
    visitor.cookies.set(cookies.SESSION, token)
    assert (await visitor.get("/auth/check/")).json()["role"] == role
    assert (await visitor.get(f"{TABLES}/product/")).status_code == 401
    visitor.cookies.set(sessions.COOKIE, token)
    assert (await visitor.get(f"{TABLES}/product/")).status_code == 401
    assert (await visitor.get(f"{SITE}/pages/queues/")).status_code == 303


async def test_both_sessions_stand_side_by_side(site: httpx.AsyncClient) -> None:
    site.cookies.set(cookies.SESSION, await cookies.start(Proven(1, ""), Device()))
    assert (await site.post(f"{TABLES}/product/", json={"sku": "A", "name": "A"})).status_code == 201


@pytest.mark.parametrize("path", CLOSED)
async def test_what_the_site_does_in_its_own_way_is_closed(site: httpx.AsyncClient, path: str) -> None:
    assert (await site.get(SITE + path)).status_code == 404
    assert (await site.post(SITE + path, json={"username": "ada", "password": "x"})).status_code == 404


async def test_a_write_needs_the_token_of_a_page(site: httpx.AsyncClient) -> None:
    site.headers["X-CSRFToken"] = "another"
    for path in ("api/tables/product/", "pages/products/set-price/", "sign-in/", "public/logout/"):
        assert (await site.post(f"{SITE}/{path}", json={})).status_code == 403


async def test_over_https_a_write_must_come_from_here(site: httpx.AsyncClient) -> None:
    site.base_url = httpx.URL("https://testserver")
    path, product = f"{TABLES}/product/", {"sku": "A", "name": "A"}
    assert (await site.post(path, json=product)).status_code == 403
    assert (await site.post(path, json=product, headers={"Origin": "https://evil.example"})).status_code == 403
    assert (await site.post(path, json=product, headers={"Origin": "https://testserver"})).status_code == 201


async def test_a_body_has_a_largest_size(site: httpx.AsyncClient) -> None:
    response = await site.post(f"{SITE}/sign-in/", data={"username": "x" * 2_000_000})
    assert response.status_code == 413


async def test_no_page_loads_anything_from_elsewhere(site: httpx.AsyncClient) -> None:
    pages = ["", "pages/products/", "pages/queues/", "pages/authenticator/", "pages/dates/products/"]
    for path in [*pages, "static/site.css", "static/site.js", "static/pages.css"]:
        response = await site.get(f"{SITE}/{path}")
        assert response.status_code == 200
        assert not ELSEWHERE.search(response.text), path
    styles = next((Path(ASSET_PATH) / "assets").glob("*.css")).read_text()
    assert not ELSEWHERE.search(styles)


async def test_pages_say_what_may_run_in_them(site: httpx.AsyncClient) -> None:
    for path, script in (("", "script-src 'self';"), ("pages/queues/", "default-src 'none'; style-src 'self';")):
        response = await site.get(f"{SITE}/{path}")
        assert script in response.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["cache-control"] == "no-store"


def test_the_policy_is_that_of_this_release_of_piccolos_page() -> None:
    """Another one makes other styles: read their hashes in the browser's console, and write them into door.py."""
    assert [path.name for path in (Path(ASSET_PATH) / "assets").glob("*.js")] == [BUNDLE]


async def test_assets_are_kept_and_set_no_cookie(client: httpx.AsyncClient) -> None:
    name = next((Path(ASSET_PATH) / "assets").glob("*.js")).name
    response = await client.get(f"{SITE}/assets/{name}")
    assert "immutable" in response.headers["cache-control"]
    assert "set-cookie" not in response.headers


async def test_an_asset_that_is_missing_may_come(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{SITE}/assets/index-of-the-next-release.js")
    assert (response.status_code, response.headers["cache-control"]) == (404, "no-store")


async def test_half_a_body_is_never_acted_on() -> None:
    """Of a form whose browser went away, "ids=1" may be the beginning of "ids=12"."""
    messages: list[Message] = [
        {"type": "http.request", "body": b"ids=1", "more_body": True},
        {"type": "http.disconnect"},
    ]
    seen: list[Message] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        seen.append(await receive())

    async def receive() -> Message:
        return messages.pop(0)

    async def send(_message: Message) -> None:
        """Nobody is there."""

    scope = {"type": "http", "method": "POST", "path": f"{SITE}/x/", "raw_path": f"{SITE}/x/".encode()}
    await Door(app, SITE, is_secure=False)(scope, receive, send)
    assert seen == []


@pytest.fixture
async def elsewhere(site: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(admin_path="/backstage/") as client:
        client.cookies = site.cookies
        yield client


async def test_it_stands_where_the_setting_says(elsewhere: httpx.AsyncClient) -> None:
    assert (await elsewhere.get("/backstage")).headers["location"] == "/backstage/"
    assert (await elsewhere.get("/backstage/api/tables/product/")).status_code == 200
    page = await elsewhere.get("/backstage/pages/queues/")
    assert 'href="/backstage/pages/products/"' in page.text
    assert "/admin/" not in page.text
    assert (await elsewhere.get("/admin/")).status_code == 404


async def test_switched_off_there_is_none(database: None) -> None:
    async with client_of(admin_enabled=False) as client:
        for path in ("/admin", "/admin/", "/admin/sign-in/", "/admin/api/tables/"):
            assert (await client.get(path)).status_code == 404


async def test_outside_development_cookies_travel_by_https_only(site: httpx.AsyncClient) -> None:
    async with client_of(debug=False) as client:
        assert "; Secure" in (await client.get("/admin/sign-in/")).headers["set-cookie"]


def test_the_session_cookie_is_not_that_of_the_pages() -> None:
    assert sessions.COOKIE.startswith("stockroom_admin")
