"""Errors: a page for people, problem+json for programs."""

from datetime import timedelta
from types import MappingProxyType
from urllib.parse import urlencode

import httpx
import pytest
from litestar import Litestar, get, post
from litestar._parsers import parse_cookie_string, parse_url_encoded_form_data

import app as stockroom
from domains.web import assets, flashes, problems
from domains.web.flashes import Flash, Mood
from domains.web.forms import LARGEST_FORM_BYTES
from lib import clock
from lib.errors import NotAllowed, TooManyRequests, Unavailable
from lib.frame import Frame
from settings import DocsAccess, Settings
from tests.conftest import make_client
from tests.web.browsing import HTML, PASSWORD, Browser, Page
from tests.web.test_pages import check

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


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


@pytest.mark.parametrize("size", [LARGEST_FORM_BYTES + 1, 2 << 20])
async def test_a_huge_form_is_refused_and_not_remembered(visitor: Browser, size: int) -> None:
    answer = await visitor.ask("POST", "/accounts/login/", content=b"x" * size, headers=FORM)
    page = Page(answer)
    assert (page.status, page.headings) == (413, ["That is too large"])


async def test_a_form_of_too_many_fields_is_refused(visitor: Browser) -> None:
    answer = await visitor.ask("POST", "/accounts/login/", content=b"a=1&" * 200, headers=FORM)
    page = Page(answer)
    assert (page.status, page.headings) == (400, ["That did not work"])


async def test_no_parser_remembers_what_somebody_typed_or_who_they_are(carla: Browser) -> None:
    remembering = parse_url_encoded_form_data, parse_cookie_string
    before = [parser.cache_info().misses for parser in remembering]
    page = await carla.open("/accounts/profile/")
    await carla.submit(page, "/accounts/profile/", first_name="Carla")
    assert [parser.cache_info().misses for parser in remembering] == before


@pytest.mark.parametrize("proof", [{"uid": "12.", "token": "x"}, {"token": "x"}])
@pytest.mark.parametrize("path", ["/accounts/verify/", "/accounts/reset/confirm/", "/accounts/email/"])
async def test_a_link_that_was_cut_off_says_so(visitor: Browser, path: str, proof: dict[str, str]) -> None:
    page = await visitor.open(f"{path}?{urlencode(proof)}")
    answered = await visitor.submit(page, path, new_password=PASSWORD, re_new_password=PASSWORD)
    check(answered)
    assert answered.status == 400
    assert "The link is not complete." in answered.words
    assert answered.forms.get(path, {}).get("token", "") == ""


async def test_the_documentation_for_the_signed_in_leads_there() -> None:
    closed = stockroom.create(Settings(debug=True, allowed_hosts=["testserver"], docs_access=DocsAccess.SIGNED_IN))
    transport = httpx.ASGITransport(app=closed, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        answer = await client.get("/api/docs/", headers={"Accept": HTML})
    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts/login/?next=%2Fapi%2Fdocs%2F")


async def test_a_browser_that_keeps_no_cookie_is_told_why_its_forms_fail(visitor: Browser) -> None:
    page = await visitor.open("/accounts/login/")
    visitor.client.cookies.clear()
    page = await visitor.submit(page, "/accounts/login/", identifier="carla", password=PASSWORD)
    assert (page.status, page.headings) == (403, ["This form is out of date"])
    assert "Your browser has not kept the cookie of this site." in page.words


class TestAHeaderOfAProxy:
    """Behind a proxy that asks for a password of its own, browsers send that along with every request."""

    PROXYS = MappingProxyType({"Authorization": "Basic c3RhZmY6c2VjcmV0"})

    @pytest.mark.parametrize("path", ["/", "/accounts/login/", assets.address_of("stockroom.css")])
    async def test_is_passed_over(self, visitor: Browser, path: str) -> None:
        assert (await visitor.ask("GET", path, headers=self.PROXYS)).status_code == 200

    async def test_leaves_the_cookie_to_say_who_it_is(self, carla: Browser) -> None:
        answer = await carla.ask("GET", "/accounts/profile/", headers=self.PROXYS)
        assert "carla@example.com" in answer.text

    async def test_is_no_proof_of_a_form(self, carla: Browser) -> None:
        answer = await carla.ask("POST", "/accounts/profile/", data={"first_name": "x"}, headers=self.PROXYS)
        assert answer.status_code == 403

    async def test_is_still_refused_by_the_api(self, carla: Browser) -> None:
        assert (await carla.ask("GET", "/auth/check/", headers=self.PROXYS)).status_code == 401


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
        sealed, later = flashes.seal(Flash("x")), clock.now() + timedelta(days=365)
        monkeypatch.setattr(clock, "now", lambda: later)
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
