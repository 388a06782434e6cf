"""What was sent, in a browser: trying an endpoint out, its log, each delivery, sending again."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest

from domains.web import webhook_pages
from domains.webhooks import deliverer, health
from domains.webhooks.tables import DisabledReason
from lib import clock, egress
from piccolo_conf import execute, fetch_row, fetch_value
from tests.lib.loopback import reply, saying, serving
from tests.web.browsing import Browser, Page
from tests.web.test_pages import check
from tests.webhooks.conftest import LOCAL
from tests.webhooks.making import deliver, deliveries, make_endpoint, record, relay

NOWHERE = "https://warehouse.example/hooks"
OOPS = reply("500 Oops", b"<script>alert(1)</script>\0 away")


@pytest.fixture(autouse=True)
async def lane(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A turn of sending ends soon after the last request."""
    monkeypatch.setattr(deliverer, "IDLE_SECONDS", 0.15)
    async with egress.opened():
        yield


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests may go to this machine."""
    monkeypatch.setattr(egress, "post", partial(egress.post, rules=LOCAL))


def page_of(endpoint: int) -> str:
    return f"/webhooks/{endpoint}/"


async def state() -> tuple[object, ...]:
    row = await fetch_row("SELECT state, trigger, attempt, step FROM webhook_delivery")
    assert row is not None
    return tuple(row)


class TestTrying:
    async def try_out(self, ada: Browser, endpoint: int) -> Page:
        page = await ada.submit(await ada.open(page_of(endpoint)), f"{page_of(endpoint)}test/")
        check(page)
        return page

    async def test_an_answer_is_shown_with_code_time_and_body(self, ada: Browser, local: None) -> None:
        async with serving(saying(reply("202 Accepted", b"<b>got it</b>"))) as server:
            page = await self.try_out(ada, await make_endpoint(server.url))
        assert (page.status, "It heard. The server answered 202 in " in page.words) == (200, True)
        assert "<b>got it</b>" in page.words
        assert len(server.requests) == 1

    async def test_a_refusal_is_shown_in_words(self, ada: Browser, local: None) -> None:
        async with serving(saying(OOPS)) as server:
            page = await self.try_out(ada, await make_endpoint(server.url, is_enabled=True))
        assert "It did not hear. The server answered 500; only 200 to 299 counts as received." in page.words
        assert "<script>alert(1)</script> away" in page.words

    async def test_an_address_inside_is_not_reached(self, ada: Browser) -> None:
        async with serving(saying(reply())) as server:
            page = await self.try_out(ada, await make_endpoint(server.url))
        assert "an address that must not be reached from here" in page.words
        assert server.connections == 0

    async def test_too_many_tests_are_refused_in_words(self, ada: Browser) -> None:
        endpoint = await make_endpoint("https://127.0.0.1/")
        for _ in range(6):
            assert (await self.try_out(ada, endpoint)).status == 200
        page = await self.try_out(ada, endpoint)
        assert (page.status, "retry-after" in page.answer.headers) == (429, True)
        assert page.answer.text.count('class="notice bad" role="alert"') == 1


class TestLog:
    async def test_it_tells_of_each_delivery_how_it_went(self, ada: Browser, local: None) -> None:
        async with serving(saying(OOPS)) as server:
            endpoint = await make_endpoint(server.url, "order.placed")
            await record()
            await deliver()
        page = await ada.open(page_of(endpoint))
        check(page)
        assert "order.placed number 1 order:1" in page.words
        assert "Answered 500" in page.words
        assert "1 attempt, next " in page.words
        assert f"{page_of(endpoint)}deliveries/1/" in page.links

    async def test_it_shows_one_state(self, ada: Browser) -> None:
        endpoint = await make_endpoint(NOWHERE)
        await record()
        await record("order.shipped")
        await relay()
        await execute("UPDATE webhook_delivery SET state = 'failed' WHERE id = 2")
        page = await ada.open(f"{page_of(endpoint)}?state=failed")
        check(page)
        assert ("order.shipped" in page.words, "order.placed number" in page.words) == (True, False)
        assert "None of these." in (await ada.open(f"{page_of(endpoint)}?state=paused")).words

    async def test_it_goes_on_page_by_page(self, ada: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(webhook_pages, "ON_A_PAGE", 2)
        endpoint = await make_endpoint(NOWHERE)
        for _ in range(5):
            await record()
        await relay()
        await execute("UPDATE webhook_delivery SET state = 'failed' WHERE id IN (1, 3)")
        page, seen = await ada.open(f"{page_of(endpoint)}?state=pending"), []
        while True:
            seen += [found["href"] for found in page.all("a") if "/deliveries/" in found["href"]]
            older = [link for link in page.links if "after=" in link]
            if not older:
                break
            page = await ada.open(older[0].removesuffix("#log"))
            check(page)
        assert seen == [f"{page_of(endpoint)}deliveries/{number}/" for number in (5, 4, 2)]
        assert f"{page_of(endpoint)}?state=pending#log" in page.links

    @pytest.mark.parametrize("query", ["state=eaten", "after=nonsense", "event_type=x", "state=failed&state=failed"])
    async def test_what_it_does_not_understand_is_told(self, ada: Browser, query: str) -> None:
        page = await ada.open(f"{page_of(await make_endpoint(NOWHERE))}?{query}")
        check(page)
        assert (page.status, page.headings) == (400, ["That did not work"])


class TestDelivery:
    async def test_it_shows_what_was_sent_and_each_attempt(self, ada: Browser, local: None) -> None:
        async with serving(saying(OOPS)) as server:
            endpoint = await make_endpoint(server.url)
            await record(note="<i>fragile</i>")
            await deliver()
        page = await ada.open(f"{page_of(endpoint)}deliveries/1/")
        check(page)
        assert '\n    "note": "<i>fragile</i>"\n' in page.words
        assert server.requests[0].partition(b"\r\n\r\n")[2].decode() in page.words
        assert "1. Answered 500" in page.words
        assert "<script>alert(1)</script> away" in page.words

    async def test_an_attempt_without_an_answer_says_why(self, ada: Browser) -> None:
        endpoint = await make_endpoint("https://127.0.0.1/")
        await record()
        await deliver()
        page = await ada.open(f"{page_of(endpoint)}deliveries/1/")
        assert "1. The URL leads to an address that must not be reached from here." in page.words

    @pytest.mark.parametrize("place", ["{other}/deliveries/1", "{own}/deliveries/2", f"{{own}}/deliveries/{2**63}"])
    async def test_one_of_another_endpoint_is_not_there(self, ada: Browser, place: str) -> None:
        own, other = await make_endpoint(NOWHERE, "order.placed"), await make_endpoint(NOWHERE, "order.shipped")
        await record()
        await relay()
        assert (await ada.open(f"/webhooks/{place.format(own=own, other=other)}/")).status == 404


class TestSendingAgain:
    async def resend(self, ada: Browser, endpoint: int) -> Page:
        path = f"{page_of(endpoint)}deliveries/1/"
        page = await ada.submit(await ada.open(path), f"{path}redelivery/")
        check(page)
        return page

    async def test_what_arrived_is_sent_once_more_under_the_same_id(self, ada: Browser, local: None) -> None:
        async with serving(saying(reply())) as server:
            endpoint = await make_endpoint(server.url)
            await record()
            await deliver()
            page = await self.resend(ada, endpoint)
            assert await state() == ("pending", "manual", 1, 0)
            await deliver()
        assert "It is sent again now." in page.words
        assert await state() == ("delivered", "manual", 2, 1)
        assert (
            len({line for request in server.requests for line in request.split(b"\r\n") if b"webhook-id" in line}) == 1
        )
        assert "asked for" in (await ada.open(f"{page_of(endpoint)}deliveries/1/")).words

    async def test_what_is_being_sent_is_not(self, ada: Browser) -> None:
        endpoint = await make_endpoint(NOWHERE)
        await record()
        await relay()
        await execute("UPDATE webhook_delivery SET locked_until = $1", clock.now() + timedelta(minutes=1))
        page = await self.resend(ada, endpoint)
        assert (page.status, "is being sent at this moment" in page.words) == (409, True)

    async def test_nothing_is_to_a_disabled_endpoint(self, ada: Browser) -> None:
        endpoint = await make_endpoint(NOWHERE)
        await record()
        await relay()
        await health.disable(endpoint, DisabledReason.BY_HAND)
        page = await self.resend(ada, endpoint)
        assert (page.status, "enable it first" in page.words) == (409, True)
        assert (await state())[0] == "paused"


class TestRecovery:
    async def recover(self, ada: Browser, endpoint: int, **since: str) -> Page:
        page = await ada.submit(await ada.open(page_of(endpoint)), f"{page_of(endpoint)}recovery/", **since)
        check(page)
        return page

    async def test_what_failed_and_what_was_missed_is_sent(self, ada: Browser) -> None:
        endpoint = await make_endpoint(NOWHERE, "order.shipped")
        await record("order.shipped")
        await record()
        await relay()
        await execute("UPDATE webhook_delivery SET state = 'failed'")
        await execute("UPDATE webhook_endpoint SET event_types = '{*}'")
        page = await self.recover(ada, endpoint)
        assert "Sent again now: 2." in page.words
        assert {(row["state"], row["trigger"]) for row in await deliveries()} == {("pending", "manual")}
        assert "There is nothing to send again." in (await self.recover(ada, endpoint)).words

    @pytest.mark.parametrize("since", ["", "yesterday", "2020-01-01T00:00", "9999-12-31T23:59"])
    async def test_a_time_that_is_none_of_the_last_two_weeks_is_told(self, ada: Browser, since: str) -> None:
        page = await self.recover(ada, await make_endpoint(NOWHERE), since=since)
        assert (page.status, page.invalid) == (400, {"since"})

    async def test_enabling_sends_what_was_paused_and_with_a_tick_what_was_missed(self, ada: Browser) -> None:
        endpoint = await make_endpoint(NOWHERE)
        await record()
        await relay()
        page = await ada.submit(await ada.open(page_of(endpoint)), f"{page_of(endpoint)}switch/")
        check(page)
        assert (await state())[0] == "paused"
        await record("order.shipped")
        await relay()
        page = await ada.submit(page, f"{page_of(endpoint)}switch/")
        check(page)
        assert "what was paused goes out now. So do 1 that it missed." in page.words
        assert [row["state"] for row in await deliveries()] == ["pending", "pending"]

    async def test_enabling_without_it_leaves_out_what_was_missed(self, ada: Browser) -> None:
        endpoint = await make_endpoint(NOWHERE)
        await health.disable(endpoint, DisabledReason.FAILING)
        await record()
        await relay()
        page = await ada.open(page_of(endpoint))
        assert page.forms[f"{page_of(endpoint)}switch/"].pop("recover") == "yes"
        page = await ada.submit(page, f"{page_of(endpoint)}switch/")
        assert ("goes out now." in page.words, "that it missed" in page.words) == (True, False)
        assert "What else it missed is sent when you ask for it" in page.words
        assert await fetch_value("SELECT count(*) FROM webhook_delivery") == 0

    async def test_of_one_that_was_disabled_long_ago_the_last_two_weeks_are_offered(self, ada: Browser) -> None:
        endpoint = await make_endpoint(NOWHERE)
        await health.disable(endpoint, DisabledReason.GONE)
        await execute("UPDATE webhook_endpoint SET disabled_at = '2020-01-01'")
        page = await ada.submit(await ada.open(page_of(endpoint)), f"{page_of(endpoint)}switch/")
        assert "The endpoint is enabled" in page.words
