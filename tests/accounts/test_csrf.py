"""What a browser's request must show to come from a page of ours; and WebSockets, which show only their origin."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar, get, post, websocket
from litestar.connection import WebSocket

from domains.accounts import cookies, csrf, sessions
from domains.accounts.auth import CallerRequest, authentication, public, requires
from domains.accounts.cookies import SESSION
from domains.accounts.csrf import VISIT
from domains.accounts.schemas import Device
from domains.accounts.scopes import Scope
from domains.accounts.sessions import Proven
from domains.accounts.tables import Role
from lib import actor, problems
from lib.signing import new_token
from piccolo_conf import fetch_row, fetch_value
from tests.conftest import make_client, make_user

OURS = {"Origin": "http://testserver"}
PRODUCT = {"sku": "A", "name": "A"}


@pytest.fixture
async def user_id(database: None) -> int:
    return await make_user(Role.STAFF, "stan")


@pytest.fixture
async def cookie(user_id: int) -> str:
    return await cookies.start(Proven(user_id, ""), Device())


@pytest.fixture
async def browser(cookie: str) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client() as client:
        client.cookies.set(SESSION, cookie)
        yield client


class TestForgery:
    async def test_a_change_with_proof_is_made_in_the_users_name(self, browser: httpx.AsyncClient, cookie: str) -> None:
        headers = {"X-CSRF-Token": csrf.make_token(cookie), **OURS}
        assert (await browser.post("/api/products/", json=PRODUCT, headers=headers)).status_code == 201
        row = await fetch_row("SELECT actor, source FROM event ORDER BY id DESC LIMIT 1")
        assert row is not None
        assert tuple(row) == ("stan", "web")

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            OURS,
            {"X-CSRF-Token": ""},
            {"X-CSRF-Token": "x"},
            {"X-CSRF-Token": f"{'0' * 16}.{'0' * 64}"},
            {"X-CSRF-Token": csrf.make_token("")},
            {"X-CSRF-Token": csrf.make_token(new_token())},
        ],
    )
    async def test_without_proof_nothing_changes(self, browser: httpx.AsyncClient, headers: dict[str, str]) -> None:
        for method, path in (("POST", "/api/products/"), ("PATCH", "/api/products/1/"), ("DELETE", "/api/products/1/")):
            answer = await browser.request(method, path, json=PRODUCT, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
        assert await fetch_value("SELECT count(*) FROM product") == 0

    @pytest.mark.parametrize(
        "told",
        [
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://testserver.evil.example"},
            {"Origin": "http://testserver:8443"},
            {"Origin": "http://testserver@evil.example"},
            {"Origin": "http://evil.example/testserver"},
            {"Origin": "http://[::1"},
            {"Origin": "ftp://testserver"},
            {"Referer": "http://evil.example/http://testserver/"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", **OURS},
        ],
    )
    async def test_a_foreign_page_has_no_proof(
        self, browser: httpx.AsyncClient, cookie: str, told: dict[str, str]
    ) -> None:
        headers = {"X-CSRF-Token": csrf.make_token(cookie), **told}
        answer = await browser.post("/api/products/", json=PRODUCT, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")

    @pytest.mark.parametrize(
        "told",
        [
            {},
            OURS,
            {"Origin": "https://testserver"},
            {"Referer": "http://testserver/somewhere?x"},
            {"Sec-Fetch-Site": "same-origin"},
            {"Sec-Fetch-Site": "none"},
        ],
    )
    async def test_our_own_page_has_proof(self, browser: httpx.AsyncClient, cookie: str, told: dict[str, str]) -> None:
        headers = {"X-CSRF-Token": csrf.make_token(cookie), **told}
        assert (await browser.post("/api/products/", json=PRODUCT, headers=headers)).status_code == 201

    async def test_a_session_is_not_proven_by_the_token_of_a_visit(self, browser: httpx.AsyncClient) -> None:
        visit = new_token()
        browser.cookies.set(VISIT, visit)
        answer = await browser.post("/api/products/", json=PRODUCT, headers={"X-CSRF-Token": csrf.make_token(visit)})
        assert answer.status_code == 403

    async def test_a_request_with_its_own_credentials_needs_no_proof(
        self, browser: httpx.AsyncClient, user_id: int
    ) -> None:
        started = await sessions.start_session(user_id)
        answer = await browser.post(
            "/api/products/", json=PRODUCT, headers={"Authorization": f"Bearer {started.access}"}
        )
        assert answer.status_code == 201
        assert (await browser.post("/auth/jwt/refresh/", json={"refresh": started.refresh})).status_code == 200

    async def test_a_foreign_page_cannot_sign_a_browser_out(self, browser: httpx.AsyncClient, cookie: str) -> None:
        answer = await browser.post("/auth/logout/", headers={"Origin": "http://evil.example"})
        assert answer.status_code == 401
        assert await cookies.find(cookie)

    def test_a_token_is_another_one_each_time(self) -> None:
        secret = new_token()
        first, second = csrf.make_token(secret), csrf.make_token(secret)
        assert first != second
        assert csrf.is_token(first, secret)
        assert csrf.is_token(second, secret)


@websocket("/feed")
async def feed(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.send_text(socket.user.username)
    await socket.close()


@get("/source", guards=[requires(Scope.PRODUCTS_READ)])
async def source() -> str:
    return actor.current().source


@post("/form", guards=[public], opt={csrf.IN_FORM: True})
async def form(request: CallerRequest) -> str:
    csrf.check(request, (await request.form()).get(csrf.FIELD, ""))
    return request.user.username


small = Litestar(
    [feed, source, form], middleware=[authentication], exception_handlers={Exception: problems.to_response}
)


def visitor() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=small, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://shop.example")


@pytest.fixture
async def page(cookie: str) -> AsyncIterator[httpx.AsyncClient]:
    async with visitor() as client:
        client.cookies.set(SESSION, cookie)
        yield client


async def listen(cookie: str, **headers: str) -> str:
    """What the feed says first. By hand: a test client would run in a loop that the pool does not know."""
    all_headers = {"host": "shop.example", "cookie": f"{SESSION}={cookie}", **headers}
    scope: Any = {
        "type": "websocket",
        "path": "/feed",
        "raw_path": b"/feed",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in all_headers.items()],
        "subprotocols": [],
        "client": ("203.0.113.7", 1),
        "scheme": "ws",
    }
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        said.append(message)

    await small(scope, receive, send)
    return str(next(message["text"] for message in said if message["type"] == "websocket.send"))


class TestOtherWays:
    @pytest.mark.parametrize("origin", ["http://shop.example", "https://shop.example"])
    async def test_a_websocket_of_our_page_is_its_users(self, cookie: str, origin: str) -> None:
        assert await listen(cookie, origin=origin) == "stan"

    @pytest.mark.parametrize("headers", [{}, {"origin": "http://evil.example"}, {"origin": "null"}])
    async def test_a_websocket_of_any_other_page_is_nobodys(self, cookie: str, headers: dict[str, str]) -> None:
        assert await listen(cookie, **headers) == "anonymous"

    async def test_a_page_acts_from_the_web(self, page: httpx.AsyncClient) -> None:
        assert (await page.get("/source")).text == "web"

    async def test_a_form_carries_its_proof_in_a_field(self, page: httpx.AsyncClient, cookie: str) -> None:
        good = {csrf.FIELD: csrf.make_token(cookie)}
        assert (await page.post("/form", data=good)).text == "stan"
        assert (await page.post("/form", data={})).status_code == 403
        assert (await page.post("/form", data=good, headers={"Origin": "http://evil.example"})).status_code == 403

    async def test_a_visitors_form_is_bound_to_the_visit(self, database: None) -> None:
        visit = new_token()
        async with visitor() as client:
            assert (await client.post("/form", data={csrf.FIELD: csrf.make_token(visit)})).status_code == 403
            client.cookies.set(VISIT, visit)
            assert (await client.post("/form", data={csrf.FIELD: csrf.make_token(new_token())})).status_code == 403
            assert (await client.post("/form", data={csrf.FIELD: csrf.make_token(visit)})).text == "anonymous"
            foreign = {"Origin": "http://evil.example"}
            answer = await client.post("/form", data={csrf.FIELD: csrf.make_token(visit)}, headers=foreign)
            assert answer.status_code == 403
