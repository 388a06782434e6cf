"""Every page for everybody: it opens or asks to sign in, and is fit for screen readers and the strict policy."""

import re
from pathlib import Path
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

import domains.web.assets
from app import app
from domains.accounts.auth import ACCESS, PUBLIC
from domains.accounts.csrf import IN_FORM
from domains.accounts.scopes import Scope
from domains.web import assets
from domains.web.key_controllers import WORDS
from tests.web.browsing import Browser, Page

WEB = Path(domains.web.assets.__file__).parent
OPEN = ["/", "/accounts/verify/", "/accounts/reset/", "/accounts/reset/confirm/", "/accounts/email/"]
LINKS = [f"{path}?uid=1&token=abc" for path in OPEN[1:2] + OPEN[3:]]
FOR_VISITORS = ["/accounts/login/", "/accounts/register/"]
OWN = [
    "/accounts/logout/",
    "/accounts/profile/",
    "/accounts/profile/security/",
    "/accounts/profile/api-keys/",
    "/accounts/profile/deletion/",
]
UNSEEN = {"hidden", "submit"}


def check(page: Page) -> None:
    """What must be so on every page."""
    assert page.answer.headers["content-type"] == "text/html; charset=utf-8"
    assert page.open == []
    assert (page.tags[0][0], page.tags[0][1]["lang"]) == ("html", "en")
    assert len(page.headings) == 1
    assert page.headings[0].strip()
    assert len([tag for tag, _ in page.tags if tag in {"main", "header", "footer"}]) == 3
    # Drawings have titles too, behind the page's own.
    assert [tag for tag, _ in page.tags if tag in {"title", "header"}][:2] == ["title", "header"]
    ids = [found["id"] for _, found in page.tags if "id" in found]
    assert len(ids) == len(set(ids))
    assert sum("autofocus" in found for _, found in page.tags) <= 1
    check_controls(page, set(ids))
    check_policy(page)


def check_controls(page: Page, ids: set[str]) -> None:
    labelled = {found["for"] for found in page.all("label")}
    for control in page.all("input", "select", "textarea"):
        if control.get("type") not in UNSEEN:
            assert control.get("id") in labelled or "aria-label" in control, control
        assert set(control.get("aria-describedby", "").split()) <= ids
        assert control.get("type") != "password" or "value" not in control
        if control.get("type") not in UNSEEN | {"checkbox", "file"} and "name" in control:
            assert "autocomplete" in control or "days" in control["name"], control
    for image in page.all("img"):
        assert "alt" in image
    for action, fields in page.forms.items():
        assert "csrf_token" in fields, action
        assert action.startswith(("/accounts/", "/webhooks/"))


def check_policy(page: Page) -> None:
    policies = page.answer.headers.get_list("content-security-policy")
    assert any("default-src 'none'" in policy and "unsafe" not in policy for policy in policies)
    assert page.answer.headers["cache-control"] == "no-store"
    assert page.all("style", "iframe", "object", "base") == []
    assert {found["src"] for found in page.all("script")} <= {asset.address for asset in assets.ASSETS.values()}
    for _, found in page.tags:
        assert not [name for name in found if name == "style" or name.startswith("on")]
        for name in ("href", "src", "action"):
            assert re.match(r"/(?!/)|#", found.get(name, "/")), found


@pytest.mark.parametrize("path", OPEN + LINKS + FOR_VISITORS)
async def test_a_visitor_may_open_it(visitor: Browser, path: str) -> None:
    page = await visitor.open(path)
    assert (page.status, page.answer.history) == (200, [])
    check(page)


@pytest.mark.parametrize("path", OWN[1:])
async def test_a_visitor_signs_in_first_and_comes_back(visitor: Browser, path: str) -> None:
    answer = await visitor.ask("GET", path)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/accounts/login/?next={path.replace('/', '%2F')}",
    )
    page = await visitor.open(path)
    assert page.forms["/accounts/login/"]["next"] == path
    check(page)


@pytest.mark.parametrize("path", OPEN + LINKS + OWN)
async def test_a_customer_may_open_it(carla: Browser, path: str) -> None:
    page = await carla.open(path)
    assert (page.status, page.answer.history) == (200, [])
    check(page)


@pytest.mark.parametrize("path", OPEN + OWN)
async def test_an_administrator_may_open_it(ada: Browser, path: str) -> None:
    page = await ada.open(path)
    assert page.status == 200
    check(page)


@pytest.mark.parametrize("path", FOR_VISITORS)
async def test_who_is_signed_in_goes_on(carla: Browser, path: str) -> None:
    assert (await carla.ask("GET", path)).headers["location"] == "/"


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/verify/resend/",
        "/accounts/profile/picture/",
        "/accounts/profile/security/password/",
        "/accounts/profile/security/email/",
        "/accounts/profile/security/sessions/",
        "/accounts/profile/api-keys/revocation/",
    ],
)
async def test_the_address_of_a_refused_form_shows_its_page(carla: Browser, path: str) -> None:
    page = await carla.open(path)
    assert page.status == 200
    assert path.startswith(page.answer.url.path)


async def test_only_an_administrator_is_led_to_the_admin_site(carla: Browser, ada: Browser) -> None:
    assert "/admin/" in (await ada.open("/")).links
    assert "/admin/" not in (await carla.open("/")).links
    assert {"/api/docs", "/accounts/profile/"} <= (await carla.open("/")).links


async def test_what_people_call_themselves_is_escaped(carla: Browser) -> None:
    page = await carla.open("/accounts/profile/")
    page = await carla.submit(page, "/accounts/profile/", first_name='<script>alert("x")</script>', last_name="'\"&")
    assert page.forms["/accounts/profile/"]["first_name"] == '<script>alert("x")</script>'
    check(page)
    home = await carla.open("/")
    check(home)
    assert '<script>alert("x")</script>' in home.words


def page_handlers(method: str) -> list[tuple[str, HTTPRouteHandler]]:
    routes = [route for route in app.routes if isinstance(route, HTTPRoute) and route.path.startswith("/accounts")]
    return [
        (route.path, handler) for route in routes for handler in route.route_handlers if method in handler.http_methods
    ]


def test_every_page_says_who_may_come_in() -> None:
    found = [handler for _, handler in [*page_handlers("GET"), *page_handlers("POST")]]
    assert {handler.opt.get(ACCESS) for handler in found} == {PUBLIC, Scope.ACCOUNT_OWN}
    assert all(not handler.resolve_include_in_schema() for handler in found)


@pytest.mark.parametrize("path", sorted({path for path, _ in page_handlers("POST")}))
class TestProof:
    @pytest.mark.parametrize("data", [{}, {"csrf_token": "x"}, {"csrf_token": f"{'0' * 16}.{'0' * 64}"}])
    async def test_every_form_needs_it(self, carla: Browser, path: str, data: dict[str, str]) -> None:
        answer = await carla.ask("POST", path, data=data)
        assert answer.status_code == 403
        assert "This form is out of date" in answer.text

    async def test_every_form_needs_it_of_a_visitor_too(self, visitor: Browser, path: str) -> None:
        answer = await visitor.ask("POST", path, data={})
        assert answer.status_code in {303, 403}

    async def test_it_must_come_from_a_page_of_ours(self, carla: Browser, path: str) -> None:
        token = (await carla.open("/accounts/profile/")).forms["/accounts/profile/"]["csrf_token"]
        headers = {"Origin": "http://evil.example"}
        answer = await carla.ask("POST", path, data={"csrf_token": token}, headers=headers)
        assert answer.status_code == 403

    def test_its_handler_says_that_it_reads_a_form(self, path: str) -> None:
        assert all(IN_FORM in handler.opt for at, handler in page_handlers("POST") if at == path)


class TestStatic:
    @pytest.mark.parametrize("name", sorted(assets.ASSETS))
    async def test_it_may_be_kept_for_good(self, visitor: Browser, name: str) -> None:
        answer = await visitor.ask("GET", assets.address_of(name))
        assert (answer.status_code, answer.content) == (200, assets.ASSETS[name].content)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].startswith(assets.ASSETS[name].media_type)

    @pytest.mark.parametrize("name", ["stockroom.css", "stockroom.000000000000.css", "..%2Fassets.py", "x"])
    async def test_nothing_else_is_there(self, visitor: Browser, name: str) -> None:
        assert (await visitor.ask("GET", f"/static/{name}")).status_code == 404

    def test_nothing_comes_from_elsewhere(self) -> None:
        for path in [*WEB.glob("templates/*"), *WEB.glob("static/*.css")]:
            text = path.read_text()
            assert not re.search(r"https?:|url\(|@import|(?:src|href)=\"//", text), path
            # Scripts are files of ours: none stands in a page.
            text = re.sub(r'<script src="\{\{ static\("[a-z]+\.js"\) \}\}" defer></script>', "", text)
            assert not re.search(r"<script|<style|\bstyle=|\bon[a-z]+=|\| *safe|autoescape|Markup", text), path


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, section "contrast ratio"."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("place", [0, 1], ids=["light", "dark"])
def test_colours_have_contrast_enough(place: int) -> None:
    css = assets.ASSETS["stockroom.css"].content.decode()
    root = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[place]
    colour: dict[str, Any] = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", root))
    texts = [("ink", "ground"), ("ink", "surface"), ("ink", "tint"), ("muted", "ground"), ("muted", "surface")]
    texts += [("accent", "ground"), ("accent", "surface"), ("accent", "tint"), ("accent-strong", "surface")]
    texts += [("on-accent", "accent"), ("on-accent", "accent-strong"), ("good", "good-tint"), ("bad", "bad-tint")]
    texts += [("bad", "surface"), ("surface", "bad")]
    assert {
        pair: contrast(colour[pair[0]], colour[pair[1]])
        for pair in texts
        if contrast(colour[pair[0]], colour[pair[1]]) < 4.5
    } == {}
    edges = [("edge", "surface"), ("accent", "ground"), ("bad", "surface")]
    assert all(contrast(colour[one], colour[other]) >= 3 for one, other in edges)


def test_every_scope_of_a_key_has_words() -> None:
    assert WORDS.keys() == set(Scope) - {Scope.ACCOUNT_OWN}


def test_the_stylesheet_closes_what_it_opens_and_hides_nothing_in_forced_colours() -> None:
    css = assets.ASSETS["stockroom.css"].content.decode()
    forced = css.partition("@media (forced-colors: active) {")[2]
    assert css.count("{") == css.count("}")
    assert "overflow" not in forced
    assert "max-width" not in forced
