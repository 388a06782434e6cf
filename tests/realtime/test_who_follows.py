"""Who may follow the feed, by which way in, and for how long."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import httpx
import pytest
from redis.asyncio import Redis

from domains.accounts import cookies
from domains.accounts.tables import Role
from domains.realtime import connections, tickets
from lib import clock
from lib.redis_client import RedisAway, line
from piccolo_conf import execute
from settings import settings
from tests.realtime.sockets import authorization, connect
from tests.web.browsing import Browser, register

OURS = "http://testserver"


async def follows(query: str = "", **headers: str) -> str:
    async with connect(query, **headers) as socket:
        return socket.status


async def key_of(client: httpx.AsyncClient, *scopes: str) -> dict[str, str]:
    answer = await client.post("/auth/api-keys/", json={"name": "display", "scopes": scopes})
    return {"authorization": f"Bearer {answer.json()['secret']}", "id": str(answer.json()["id"])}


async def ticket_of(client: httpx.AsyncClient) -> str:
    answer = await client.post("/api/feed-tickets/")
    assert answer.status_code == 201
    return f"ticket={answer.json()['ticket']}"


@pytest.fixture
async def browser(database: None) -> AsyncIterator[str]:
    """The cookies of a staff member's browser."""
    async with Browser() as visitor:
        await visitor.be(await register("steve", Role.STAFF))
        yield f"{cookies.SESSION}={visitor.client.cookies.get(cookies.SESSION)}"


async def test_staff_and_admins_follow_and_nobody_else(
    client: httpx.AsyncClient, customer: httpx.AsyncClient, staff: httpx.AsyncClient, admin: httpx.AsyncClient
):
    found = [await follows(**authorization(who)) for who in (customer, staff, admin)]
    assert [await follows(), *found] == ["refused", "refused", "accepted", "accepted"]


async def test_an_api_key_needs_both_scopes(staff: httpx.AsyncClient):
    both = await key_of(staff, "dashboard:read", "products:internal")
    one = await key_of(staff, "dashboard:read")
    other = await key_of(staff, "products:internal")
    found = [await follows(authorization=key["authorization"]) for key in (both, one, other)]
    assert found == ["accepted", "refused", "refused"]


@pytest.mark.parametrize("token", ["Bearer nonsense", "Bearer sk_" + "x" * 43, "Basic c3RhZmY6cGFzcw=="])
async def test_a_bad_token_is_refused(database: None, token: str):
    assert await follows(authorization=token) == "refused"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (OURS, "accepted"),
        ("https://testserver", "accepted"),
        ("https://evil.example", "refused"),
        ("http://testserver.evil.example", "refused"),
        ("http://testserver:8001", "refused"),
        ("null", "refused"),
        ("", "refused"),
    ],
)
async def test_a_browsers_session_follows_only_from_a_page_of_ours(browser: str, origin: str, status: str):
    assert await follows(cookie=browser, origin=origin) == status


async def test_a_browser_that_tells_no_origin_is_refused(browser: str):
    assert await follows(cookie=browser) == "refused"


async def test_a_ticket_opens_one_connection(staff: httpx.AsyncClient):
    ticket = await ticket_of(staff)
    assert [await follows(ticket, origin=OURS) for _ in range(2)] == ["accepted", "refused"]


@pytest.mark.parametrize(("seconds", "status"), [(29, "accepted"), (31, "refused")])
async def test_a_ticket_counts_for_thirty_seconds(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, seconds: int, status: str
):
    now = clock.now()
    monkeypatch.setattr(tickets.clock, "now", lambda: now)
    ticket = await ticket_of(staff)
    later = now + timedelta(seconds=seconds)
    monkeypatch.setattr(tickets.clock, "now", lambda: later)
    assert await follows(ticket) == status


@pytest.mark.parametrize("ticket", ["", "x", "gAAAAA" + "B" * 94, "ö", "y" * 5000])
async def test_what_is_no_ticket_is_refused_also_for_somebody_who_might_follow(staff: httpx.AsyncClient, ticket: str):
    assert await follows(f"ticket={ticket}", **authorization(staff)) == "refused"


async def test_a_ticket_is_no_good_on_a_foreign_page(staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    assert await follows(await ticket_of(staff), origin="https://evil.example") == "refused"
    monkeypatch.setattr(settings.__class__, "cors_allowed_origins", ["https://till.example"])
    assert await follows(await ticket_of(staff), origin="https://till.example") == "accepted"


async def test_a_ticket_dies_with_its_session(staff: httpx.AsyncClient):
    ticket = await ticket_of(staff)
    await staff.post("/auth/logout/")
    assert await follows(ticket) == "refused"


async def test_without_redis_a_ticket_still_opens_a_connection(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    async def refuse(question: Callable[..., Awaitable[object]]) -> object:
        raise RedisAway

    ticket = await ticket_of(staff)
    monkeypatch.setattr(line, "ask", refuse)
    assert await follows(ticket) == "accepted"


async def test_a_ticket_counts_as_unused_for_a_question_that_reaches_redis_twice(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    real = line.ask

    async def ask_twice(question: Callable[[Redis], Awaitable[object]]) -> object:
        await real(question)
        return await real(question)

    ticket = await ticket_of(staff)
    monkeypatch.setattr(line, "ask", ask_twice)
    assert [await follows(ticket) for _ in range(2)] == ["accepted", "refused"]


async def test_tickets_are_for_staff_who_are_signed_in(
    client: httpx.AsyncClient, customer: httpx.AsyncClient, staff: httpx.AsyncClient
):
    key = await key_of(staff, "dashboard:read", "products:internal")
    answers = [await who.post("/api/feed-tickets/") for who in (client, customer)]
    by_key = await client.post("/api/feed-tickets/", headers={"Authorization": key["authorization"]})
    assert [answer.status_code for answer in [*answers, by_key]] == [401, 403, 403]
    assert by_key.json()["code"] == "needs_session"


@pytest.fixture
def fast_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEARTBEAT_SECONDS", 0.05)


async def test_who_signs_out_is_told_goodbye(staff: httpx.AsyncClient, fast_heart: None):
    async with connect(**authorization(staff)) as socket:
        await staff.post("/auth/logout/")
        assert await socket.closed() == 4401


async def test_a_connection_by_ticket_ends_with_the_session_too(staff: httpx.AsyncClient, fast_heart: None):
    async with connect(await ticket_of(staff)) as socket:
        await staff.post("/auth/logout/")
        assert await socket.closed() == 4401


async def test_a_revoked_key_is_told_goodbye(staff: httpx.AsyncClient, fast_heart: None):
    key = await key_of(staff, "dashboard:read", "products:internal")
    async with connect(authorization=key["authorization"]) as socket:
        await staff.delete(f"/auth/api-keys/{key['id']}/")
        assert await socket.closed() == 4401


async def test_a_key_whose_owner_has_lost_the_right_is_told_goodbye(staff: httpx.AsyncClient, fast_heart: None):
    key = await key_of(staff, "dashboard:read", "products:internal")
    async with connect(authorization=key["authorization"]) as socket:
        await execute("UPDATE users SET role = 'customer' WHERE username = 'stan'")
        assert await socket.closed() == 4401


async def test_after_an_hour_the_right_to_follow_is_asked_for_anew(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "LONGEST_CONNECTION_SECONDS", 0)
    async with connect(**authorization(staff)) as socket:
        assert await socket.closed() == 1012
