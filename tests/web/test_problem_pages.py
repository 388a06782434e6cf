"""Errors: a page for people, problem+json for programs."""

import httpx
import pytest
from litestar import Litestar, get, post

from domains.web import flashes, problems
from domains.web.flashes import Flash, Mood
from lib import clock
from lib.errors import NotAllowed, TooManyRequests, Unavailable
from lib.frame import Frame
from tests.conftest import make_client
from tests.web.browsing import HTML, Browser, Page
from tests.web.test_pages import check


@get("/bug")
async def bug() -> None:
    raise RuntimeError("secret of the house")


@get("/forbidden")
async def forbidden() -> None:
    raise NotAllowed('Not <b>you</b> & "yours".')


@get("/crowd")
async def crowd() -> None:
    raise TooManyRequests(headers={"Retry-After": "7"})


@get("/away")
async def away() -> None:
    raise Unavailable


@post("/post")
async def only_post() -> None: ...


small = Litestar(
    [bug, forbidden, crowd, away, only_post], exception_handlers={Exception: problems.to_response}, openapi_config=None
)
small.asgi_handler = Frame(small.asgi_handler, ["testserver"])


async def ask(path: str, accept: str = HTML) -> httpx.Response:
    transport = httpx.ASGITransport(app=small, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.get(path, headers={"Accept": accept})


@pytest.mark.parametrize(
    ("path", "status", "heading"),
    [
        ("/bug", 500, "Sorry, this failed"),
        ("/forbidden", 403, "This is not yours to open"),
        ("/crowd", 429, "A moment, please"),
        ("/away", 503, "Not available at the moment"),
        ("/post", 405, "This cannot be done here"),
        ("/nowhere", 404, "There is nothing here"),
    ],
)
async def test_people_get_a_page(path: str, status: int, heading: str) -> None:
    page = Page(await ask(path))
    assert (page.status, page.headings) == (status, [heading])
    check(page)


async def test_a_bug_tells_its_number_and_nothing_else() -> None:
    answer = await ask("/bug")
    assert answer.headers["x-request-id"] in answer.text
    assert "secret of the house" not in answer.text


async def test_headers_of_errors_stay() -> None:
    assert (await ask("/crowd")).headers["retry-after"] == "7"
    assert (await ask("/post")).headers["allow"] == "OPTIONS, POST"


async def test_what_an_error_says_is_escaped() -> None:
    answer = await ask("/forbidden")
    assert "<b>you" not in answer.text
    assert 'Not <b>you</b> & "yours".' in Page(answer).words


@pytest.mark.parametrize("accept", ["*/*", "", "application/json", "image/webp,*/*"])
async def test_programs_get_json(accept: str) -> None:
    for path in ("/bug", "/nowhere"):
        answer = await ask(path, accept)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/api", "/auth/nothing", "/auth/users/me/", "/health/nothing", "/api/products/"]
)
async def test_below_the_api_browsers_get_json_too(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"Accept": HTML})
    assert answer.status_code in {401, 404}
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/nowhere", "/accounts/", "/accounts/nothing/", "/apiary", "/static/x.css"])
async def test_a_page_that_is_not_there(visitor: Browser, path: str) -> None:
    page = await visitor.open(path)
    assert page.status == 404
    check(page)


async def test_a_page_that_is_not_ones_own_asks_programs_for_a_token(client: httpx.AsyncClient) -> None:
    answer = await client.get("/accounts/profile/")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


@pytest.mark.parametrize("body", [b"\xff\xfe=1", b"csrf_token", b"%00%ff=%ff", b"a=" + b"x" * 5_000_000])
async def test_a_broken_form_is_no_bug(visitor: Browser, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for path in ("/accounts/login/", "/accounts/register/"):
        answer = await visitor.ask("POST", path, content=body, headers=headers)
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x", "text/plain", "x"])
async def test_a_form_of_another_kind_is_no_bug(visitor: Browser, content_type: str) -> None:
    answer = await visitor.ask(
        "POST", "/accounts/login/", content=b"--x\r\nbroken", headers={"Content-Type": content_type}
    )
    assert 400 <= answer.status_code < 500


class TestFlash:
    def test_it_comes_back_as_it_was(self) -> None:
        flash = Flash("Grüße <b>", Mood.INFO, "ä@example.com")
        assert flashes.unseal(flashes.seal(flash)) == flash

    @pytest.mark.parametrize("text", ["", "x", "ä", "A" * 5000, "!!!!"])
    def test_a_forged_one_is_none(self, text: str) -> None:
        assert flashes.unseal(text) is None
        sealed = flashes.seal(Flash("x"))
        assert flashes.unseal(sealed[:-4] + "AAAA") is None

    def test_an_old_one_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sealed, now = flashes.seal(Flash("x")), clock.now()
        monkeypatch.setattr(clock, "now", lambda: now.replace(year=now.year + 1))
        assert flashes.unseal(sealed) is None

    async def test_it_is_shown_once_and_escaped(self, visitor: Browser) -> None:
        visitor.client.cookies.set(flashes.COOKIE, flashes.seal(Flash("<b>Saved</b>")))
        page = await visitor.open("/")
        assert "<b>Saved</b>" in page.words
        check(page)
        answer = page.answer.headers["set-cookie"]
        assert "Max-Age=0" in answer

    async def test_a_forged_one_is_not_shown(self, database: None) -> None:
        async with make_client(Cookie=f"{flashes.COOKIE}=Send-your-password", Accept=HTML) as client:
            assert "password" not in (await client.get("/")).text
