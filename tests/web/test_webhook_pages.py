"""Endpoints in a browser: who may see and change them, making one, its secrets, its end."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app import app
from domains.accounts.auth import ACCESS
from domains.accounts.csrf import IN_FORM
from domains.accounts.scopes import Scope
from domains.accounts.tables import Role
from domains.web.webhook_words import MEANINGS, REASONS, STATES, grouped_types
from domains.webhooks import endpoints
from domains.webhooks.health import disable
from domains.webhooks.tables import DeliveryState, DisabledReason
from domains.webhooks.topics import EventType
from piccolo_conf import execute, fetch, fetch_row, fetch_value
from tests.web.browsing import Browser, Page, register
from tests.web.test_pages import check
from tests.webhooks.making import make_endpoint

LIST, CREATE = "/webhooks/", "/webhooks/create/"
URL = "https://warehouse.example/hooks?a=1&b=<2>"
WISH = {"url": URL, "description": "Harbour <1>", "event_types": ["product.created", "order.placed"]}


@pytest.fixture
async def stan(database: None) -> AsyncIterator[Browser]:
    """Staff, signed in."""
    async with Browser() as browser:
        await browser.be(await register("stan", Role.STAFF))
        yield browser


def handlers() -> list[tuple[str, str, HTTPRouteHandler]]:
    routes = [route for route in app.routes if isinstance(route, HTTPRoute) and route.path.startswith("/webhooks")]
    return [
        (method, route.path_format, handler)
        for route in routes
        for handler in route.route_handlers
        for method in handler.http_methods
        if method in {"GET", "POST"}
    ]


POSTS = sorted(
    {path.replace("{endpoint_id}", "1").replace("{delivery_id}", "1") for m, path, _ in handlers() if m == "POST"}
)


class TestWho:
    async def test_staff_may_look_and_change_nothing(self, stan: Browser) -> None:
        endpoint = await make_endpoint(URL)
        for path in (LIST, f"{LIST}{endpoint}/"):
            page = await stan.open(path)
            check(page)
            assert URL in page.words
            assert [action for action in page.forms if action.startswith(LIST)] == []
        assert page.links.isdisjoint({CREATE, f"{LIST}{endpoint}/settings/"})

    async def test_staff_may_open_none_of_its_forms(self, stan: Browser) -> None:
        await make_endpoint(URL)
        for path in {*POSTS, CREATE}:
            assert (await stan.ask("GET", path)).status_code == 403, path

    @pytest.mark.parametrize("path", [LIST, CREATE, f"{LIST}1/", f"{LIST}1/settings/", f"{LIST}1/deliveries/1/"])
    async def test_customers_may_not_and_visitors_sign_in_first(
        self, carla: Browser, visitor: Browser, path: str
    ) -> None:
        await make_endpoint(URL)
        refused = await carla.open(path)
        assert (refused.status, URL in refused.words) == (403, False)
        answer = await visitor.ask("GET", path)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/accounts/login/")

    @pytest.mark.parametrize("path", POSTS)
    async def test_every_form_needs_its_proof(self, ada: Browser, path: str) -> None:
        await make_endpoint(URL)
        for data in ({}, {"csrf_token": f"{'0' * 16}.{'0' * 64}"}):
            assert (await ada.ask("POST", path, data={**data, "is_enabled": "yes"})).status_code == 403
        row = await fetch_row("SELECT count(*), bool_and(is_enabled) FROM webhook_endpoint")
        assert row is not None
        assert tuple(row) == (1, True)

    def test_every_page_names_its_scope_and_reads_its_proof(self) -> None:
        for method, path, handler in handlers():
            reads = method == "GET" and path in {"/webhooks", "/webhooks/{endpoint_id}"}
            reads |= path.endswith("{delivery_id}")
            assert handler.opt[ACCESS] == (Scope.WEBHOOKS_READ if reads else Scope.WEBHOOKS_WRITE), path
            assert IN_FORM in handler.opt
            assert not handler.resolve_include_in_schema()

    @pytest.mark.parametrize("path", [path for path in POSTS if "create" not in path])
    async def test_what_is_not_there_is_not_found(self, ada: Browser, path: str) -> None:
        token = (await ada.open(CREATE)).forms[CREATE]["csrf_token"]
        answer = await ada.ask("POST", path, data={"csrf_token": token, "since": "2026-01-01T00:00", **WISH})
        assert answer.status_code in {400, 404}
        assert answer.status_code == 404 or "recovery" in path


class TestList:
    async def test_without_any_it_says_what_one_is(self, ada: Browser, stan: Browser) -> None:
        page = await ada.open(LIST)
        check(page)
        assert "Nobody is told yet" in page.words
        assert CREATE in page.links
        assert CREATE not in (await stan.open(LIST)).links

    async def test_it_tells_why_one_is_disabled_and_since_when_one_fails(self, ada: Browser) -> None:
        for number, reason in enumerate(DisabledReason):
            await disable(await make_endpoint(f"https://{number}.example/"), reason)
        await make_endpoint(URL)
        await execute("UPDATE webhook_endpoint SET failing_since = '2026-11-18 10:00Z' WHERE is_enabled")
        page = await ada.open(LIST)
        check(page)
        assert [reason for reason in REASONS.values() if reason not in page.words] == []
        assert "Without a success since 18 Nov 2026, 10:00:00 UTC" in page.words

    async def test_it_counts_what_was_sent(self, ada: Browser) -> None:
        endpoint = await make_endpoint(URL)
        await execute("INSERT INTO webhook_tally (endpoint_id, delivered, failed) VALUES ($1, 12345, 67)", endpoint)
        page = await ada.open(LIST)
        assert "Delivered12,345" in page.words
        assert "Given up67" in page.words

    async def test_one_is_switched_off_and_on_again(self, ada: Browser) -> None:
        switch = f"{LIST}{await make_endpoint(URL)}/switch/"
        page = await ada.submit(await ada.open(LIST), switch)
        check(page)
        assert (page.answer.url.path, "The endpoint is disabled." in page.words) == (LIST, True)
        assert await fetch_value("SELECT disabled_reason FROM webhook_endpoint") == DisabledReason.BY_HAND
        page = await ada.submit(page, switch)
        assert (page.answer.url.path, "The endpoint is enabled" in page.words) == (LIST, True)
        assert await fetch_value("SELECT is_enabled FROM webhook_endpoint")


class TestCreate:
    async def create(self, ada: Browser, **wish: Any) -> Page:
        page = await ada.submit(await ada.open(CREATE), CREATE, **{**WISH, **wish})
        check(page)
        return page

    async def test_it_is_made_and_its_secret_shown_once(self, ada: Browser) -> None:
        page = await self.create(ada, max_per_second="50", include_bulk="yes")
        assert page.status == 201
        secret = next(word for word in page.words.split() if word.startswith("whsec_"))
        made = await endpoints.get_endpoint(1)
        assert (made.url, made.description, made.event_types) == (URL, "Harbour <1>", WISH["event_types"])
        assert (made.include_bulk, made.max_per_second, made.created_by) == (True, 50, "ada")
        for path in (LIST, f"{LIST}1/", f"{LIST}1/settings/"):
            page = await ada.open(path)
            check(page)
            assert (secret in page.answer.text, URL in page.words) == (False, True)

    async def test_everything_is_every_type_whatever_else_is_ticked(self, ada: Browser) -> None:
        await self.create(ada, event_types=["*", "order.placed"])
        assert (await endpoints.get_endpoint(1)).event_types == ["*"]

    @pytest.mark.parametrize(
        ("wish", "marked", "words"),
        [
            ({"url": ""}, "url", ""),
            ({"url": "nonsense"}, "url", ""),
            ({"url": "http://plain.example/"}, "url", "https://"),
            ({"url": "https://127.0.0.1/"}, "url", "must not be reached"),
            ({"url": "https://user:password@host.example/"}, "url", "password"),
            ({"url": f"https://long.example/{'x' * 2000}"}, "url", "2000 characters"),
            ({"description": "x" * 1001}, "description", "1000 characters"),
            ({"event_types": []}, "event_types", "choose what it is told of"),
            ({"max_per_second": "0"}, "max_per_second", "from 1 to 1,000"),
            ({"max_per_second": "1001"}, "max_per_second", "from 1 to 1,000"),
            ({"max_per_second": "many"}, "max_per_second", "from 1 to 1,000"),
            ({"max_per_second": "9" * 30}, "max_per_second", "from 1 to 1,000"),
        ],
    )
    async def test_what_is_wrong_is_told_beside_it(
        self, ada: Browser, wish: dict[str, Any], marked: str, words: str
    ) -> None:
        page = await self.create(ada, **wish)
        errors = [found["id"] for found in page.all("p") if found.get("class") == "error"]
        assert (page.status, errors) == (400, [f"{marked}-error"])
        assert words in page.words
        assert await fetch_value("SELECT count(*) FROM webhook_endpoint") == 0

    async def test_a_type_that_no_box_has_is_told(self, ada: Browser) -> None:
        page = await self.create(ada, event_types=["product.eaten"])
        assert (page.status, "must be one of product.created" in page.words) == (400, True)

    async def test_what_was_typed_and_ticked_stays(self, ada: Browser) -> None:
        page = await self.create(ada, url="nonsense", include_bulk="yes")
        ticked = {found["value"] for found in page.all("input") if "checked" in found}
        assert ticked == {"product.created", "order.placed", "yes"}
        assert page.forms[CREATE]["description"] == "Harbour <1>"

    async def test_beyond_a_hundred_the_form_says_so(self, ada: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(endpoints, "MOST_ENDPOINTS", 0)
        page = await self.create(ada)
        assert (page.status, "delete one first" in page.words) == (409, True)


class TestSettings:
    async def test_an_endpoint_is_changed(self, ada: Browser) -> None:
        path = f"{LIST}{await make_endpoint(URL, 'order.placed', is_enabled=True)}/settings/"
        page = await ada.open(path)
        check(page)
        assert page.forms[path]["url"] == URL
        more = {"is_enabled": "", "secrets": "[]", "created_by": "1"}
        new = {"url": "https://other.example/", "event_types": ["product.deleted"], "max_per_second": "5", **more}
        page = await ada.submit(page, path, **new)
        check(page)
        assert "The endpoint is saved." in page.words
        (row,) = await fetch(
            "SELECT url, event_types, max_per_second, is_enabled, secrets, created_by FROM webhook_endpoint"
        )
        assert tuple(row)[:4] == ("https://other.example/", ["product.deleted"], 5, True)
        assert (row["secrets"] == "[]", row["created_by"]) == (False, None)

    async def test_what_is_wrong_is_told_and_nothing_changes(self, ada: Browser) -> None:
        path = f"{LIST}{await make_endpoint(URL)}/settings/"
        page = await ada.submit(await ada.open(path), path, url="https://10.0.0.1/", max_per_second="-1")
        check(page)
        assert (page.status, page.invalid) == (400, {"max_per_second"})
        page = await ada.submit(page, path, max_per_second="")
        assert (page.status, page.invalid) == (400, {"url"})
        assert await fetch_value("SELECT url FROM webhook_endpoint") == URL

    async def test_a_new_secret_is_shown_once_and_the_old_one_signs_along(self, ada: Browser) -> None:
        endpoint = await make_endpoint(URL)
        settings, rotation = f"{LIST}{endpoint}/settings/", f"{LIST}{endpoint}/secret-rotation/"
        page = await ada.submit(await ada.open(settings), rotation)
        check(page)
        assert (page.status, "The one before signs along until" in page.words) == (201, True)
        secret = next(word for word in page.words.split() if word.startswith("whsec_"))
        page = await ada.open(settings)
        assert (secret in page.answer.text, "An older one signs along until" in page.words) == (False, True)
        assert (await endpoints.get_endpoint(endpoint)).live_secrets == 2

    async def test_too_many_secrets_are_refused_in_words(self, ada: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(endpoints, "MOST_SECRETS", 1)
        endpoint = await make_endpoint(URL)
        page = await ada.submit(await ada.open(f"{LIST}{endpoint}/settings/"), f"{LIST}{endpoint}/secret-rotation/")
        check(page)
        assert (page.status, "wait until the first of them" in page.words) == (409, True)

    async def test_an_endpoint_is_deleted(self, ada: Browser) -> None:
        endpoint = await make_endpoint(URL)
        page = await ada.submit(await ada.open(f"{LIST}{endpoint}/settings/"), f"{LIST}{endpoint}/deletion/")
        assert (page.answer.url.path, "The endpoint is deleted" in page.words) == (LIST, True)
        assert (await ada.ask("GET", f"{LIST}{endpoint}/")).status_code == 404

    @pytest.mark.parametrize("action", ["secret-rotation", "deletion", "switch", "test", "recovery"])
    async def test_the_address_of_an_action_leads_to_its_page(self, ada: Browser, action: str) -> None:
        endpoint = await make_endpoint(URL)
        page = await ada.open(f"{LIST}{endpoint}/{action}/")
        assert page.answer.url.path in {f"{LIST}{endpoint}/", f"{LIST}{endpoint}/settings/"}
        check(page)


def test_everything_has_its_words() -> None:
    assert STATES.keys() == MEANINGS.keys() == set(DeliveryState)
    assert REASONS.keys() == set(DisabledReason)
    assert {event_type for group in grouped_types().values() for event_type in group} == set(EventType)
