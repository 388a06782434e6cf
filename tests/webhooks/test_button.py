"""The test button: a signed request like any other, and what came of it in the answer. And X1 at both places."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import httpx
import msgspec
import pytest
from standardwebhooks import Webhook

from domains.webhooks import deliverer
from domains.webhooks.signing import new_secret
from lib import egress
from tests.lib.loopback import Loopback, reply, saying, serving
from tests.webhooks.conftest import LOCAL
from tests.webhooks.front_door import PATH, body_of, headers_of
from tests.webhooks.making import attempts, deliver, deliveries, make_endpoint, record


@pytest.fixture
async def guarded(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """As in production: no request may go to this machine."""
    monkeypatch.setattr(deliverer, "IDLE_SECONDS", 0.15)
    async with egress.opened():
        yield


async def try_out(client: httpx.AsyncClient, endpoint: int) -> dict[str, Any]:
    answer = await client.post(f"{PATH}{endpoint}/test/")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_test_is_signed_and_answers_with_code_time_and_excerpt(admin: httpx.AsyncClient, lane: None):
    secret = new_secret()
    async with serving(saying(reply("202 Accepted", b"got it"))) as server:
        endpoint = await make_endpoint(server.url, secret=secret)
        told = await try_out(admin, endpoint)
    (request,) = server.requests
    assert Webhook(secret).verify(body_of(request), headers_of(request))["event_type"] == "webhook.test"
    assert headers_of(request)["webhook-id"] == told["webhook_id"]
    assert told["webhook_id"].startswith("msg_test_")
    assert (told["is_success"], told["status_code"], told["response_excerpt"]) == (True, 202, "got it")
    assert (told["error"], told["error_detail"]) == (None, None)
    assert 0 <= told["milliseconds"] < 5000


async def test_a_test_is_logged_and_counts_as_no_delivery(admin: httpx.AsyncClient, receiver: Loopback):
    endpoint = await make_endpoint(receiver.url)
    await try_out(admin, endpoint)
    (row,) = await attempts()
    assert (row["endpoint"], row["delivery"], row["trigger"]) == (endpoint, None, "test")
    assert (row["status_code"], row["error_class"], row["response_excerpt"]) == (200, None, "{}")
    assert row["duration_ms"] >= 0
    assert await deliveries() == []
    shown = (await admin.get(f"{PATH}{endpoint}")).json()
    assert (shown["delivered"], shown["last_delivery_at"]) == (0, None)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (reply("500 Oops", b"no"), 500, "only 200 to 299"),
        (reply("301 Moved", b"", "Location: https://example.com/"), 301, "redirects are not followed"),
        (reply("410 Gone", b""), 410, "disables"),
        (b"nonsense\r\n\r\n", None, "not HTTP"),
    ],
)
async def test_what_went_wrong_is_told_in_words(
    admin: httpx.AsyncClient, lane: None, answer: bytes, status: int | None, words: str
):
    async with serving(saying(answer, then_close=True)) as server:
        told = await try_out(admin, await make_endpoint(server.url))
    assert (told["is_success"], told["status_code"]) == (False, status)
    assert words in told["error_detail"]
    assert (told["error"] is None) == (status is not None)


async def test_a_server_that_hangs_is_a_failed_test(admin: httpx.AsyncClient, lane: None, monkeypatch: Any):
    monkeypatch.setattr(egress, "post", partial(egress.post, deadline=0.2))
    async with serving(saying(b"")) as server:
        told = await try_out(admin, await make_endpoint(server.url))
    assert (told["status_code"], told["error"]) == (None, "timed_out")
    assert told["error_detail"] == "The server did not answer in time."
    assert (await attempts())[0]["error_class"] == "timed_out"


async def test_an_endpoint_that_is_disabled_can_be_tried_out_and_stays_so(admin: httpx.AsyncClient, receiver: Loopback):
    endpoint = await make_endpoint(receiver.url)
    await admin.patch(f"{PATH}{endpoint}", json={"is_enabled": False})
    assert (await try_out(admin, endpoint))["is_success"]
    assert not (await admin.get(f"{PATH}{endpoint}")).json()["is_enabled"]


async def test_the_button_is_no_cannon(admin: httpx.AsyncClient, receiver: Loopback):
    endpoint, other = await make_endpoint(receiver.url), await make_endpoint(receiver.url)
    for _ in range(6):
        await try_out(admin, endpoint)
    refused = await admin.post(f"{PATH}{endpoint}/test/")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert len(receiver.requests) == 6
    assert (await try_out(admin, other))["is_success"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"])
async def test_no_test_leads_inside(admin: httpx.AsyncClient, guarded: None, host: str):
    """The name is judged by what it resolves to when it is dialled."""
    async with serving(saying(reply())) as server:
        told = await try_out(admin, await make_endpoint(f"https://{host}:{server.port}/"))
    assert (told["status_code"], told["error"], server.connections) == (None, "blocked_address", 0)
    assert (await attempts())[0]["error_class"] == "blocked_address"


async def test_a_delivery_that_leads_inside_is_logged_as_blocked_and_nothing_connects(
    admin: httpx.AsyncClient, guarded: None
):
    async with serving(saying(reply())) as server:
        await make_endpoint(f"https://localhost:{server.port}/")
        await record()
        await deliver()
    (attempt,) = await attempts()
    (row,) = await deliveries()
    assert (attempt["error_class"], row["last_error"], row["state"]) == ("blocked_address",) * 2 + ("pending",)
    assert server.connections == 0


async def test_a_redirect_to_the_inside_is_not_followed(admin: httpx.AsyncClient, lane: None):
    async with AsyncExitStack() as stack:
        inside = await stack.enter_async_context(serving(saying(reply())))
        away = saying(reply("307 Here", b"", f"Location: {inside.url}"))
        outside = await stack.enter_async_context(serving(away))
        told = await try_out(admin, await make_endpoint(outside.url))
    assert (told["status_code"], inside.connections) == (307, 0)


def test_local_requests_are_for_tests_alone():
    """The rules that `lane` sets are not those of the program."""
    assert egress.CONFIGURED != LOCAL
    assert msgspec.structs.asdict(egress.CONFIGURED) == {"allow_http": False, "allow_private": False}
