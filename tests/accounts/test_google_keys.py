"""Google's keys are fetched when needed and no more often; and Google may be slow, down or talk nonsense."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from domains.accounts import google, google_keys
from lib.egress import Reply
from tests.accounts.fake_google import FakeGoogle, id_token, info, pretending

UNKNOWN, FAILED = google_keys.SECONDS_BETWEEN_UNKNOWN, google_keys.SECONDS_BETWEEN_FAILURES


@pytest.fixture
async def fake() -> AsyncIterator[FakeGoogle]:
    async with pretending() as made:
        yield made


async def try_id(client: httpx.AsyncClient, kid: str = "k1") -> int:
    return (await client.post("/auth/google/", json={"id_token": id_token(kid)})).status_code


def let_pass(seconds: float) -> None:
    """As if the keys had been asked for that much earlier."""
    google_keys.keys.asked_at -= seconds
    google_keys.keys.fresh_until -= seconds


async def test_keys_are_fetched_once(client: httpx.AsyncClient, fake: FakeGoogle):
    assert [await try_id(client) for _ in range(3)] == [200, 200, 200]
    assert fake.asked == ["/certs"]


async def test_many_at_once_fetch_them_once(client: httpx.AsyncClient, fake: FakeGoogle):
    answers = await asyncio.gather(*(try_id(client) for _ in range(8)))
    assert set(answers) == {200}
    assert fake.asked == ["/certs"]


async def test_keys_are_fetched_again_after_the_time_that_google_gave(client: httpx.AsyncClient, fake: FakeGoogle):
    fake.cache_control = "public, max-age=1000"
    await try_id(client)
    let_pass(990)
    await try_id(client)
    assert len(fake.asked) == 1
    let_pass(20)
    await try_id(client)
    assert len(fake.asked) == 2


async def test_a_key_that_was_withdrawn_is_no_longer_good(client: httpx.AsyncClient, fake: FakeGoogle):
    assert await try_id(client) == 200
    fake.kids = ["k2"]
    let_pass(google_keys.LONGEST_SECONDS)
    assert await try_id(client) == 401


async def test_a_rotated_key_is_found_at_once(client: httpx.AsyncClient, fake: FakeGoogle):
    await try_id(client)
    fake.kids = ["k1", "k2"]
    let_pass(UNKNOWN)
    assert (await try_id(client, "k2"), await try_id(client, "k1")) == (200, 200)
    assert len(fake.asked) == 2


async def test_unknown_keys_are_asked_for_once_a_minute(client: httpx.AsyncClient, fake: FakeGoogle):
    await try_id(client)
    assert [await try_id(client, "k2") for _ in range(5)] == [401] * 5
    assert len(fake.asked) == 1
    let_pass(UNKNOWN)
    assert [await try_id(client, "k2") for _ in range(5)] == [401] * 5
    assert len(fake.asked) == 2


async def test_a_slow_google_is_given_up(client: httpx.AsyncClient, fake: FakeGoogle, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(google_keys, "DEADLINE_SECONDS", 0.5)
    fake.hangs = True
    started = time.perf_counter()
    # All who wait for the keys give up with the first: one after the other they would take ten seconds.
    assert await asyncio.gather(*(try_id(client) for _ in range(20))) == [503] * 20
    assert time.perf_counter() - started < 5
    answer = await client.post("/auth/google/", json={"access_token": "ya29"})
    assert (answer.status_code, answer.json()["code"]) == (503, "google_unreachable")
    assert int(answer.headers["retry-after"]) > 0


async def test_after_a_failure_google_is_left_alone_for_some_seconds(
    client: httpx.AsyncClient, fake: FakeGoogle, monkeypatch: pytest.MonkeyPatch
):
    fake.broken = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"
    assert [await try_id(client) for _ in range(3)] == [503] * 3
    assert len(fake.asked) == 1
    fake.broken = None
    let_pass(FAILED)
    assert await try_id(client) == 200


async def test_keys_still_good_outlast_a_google_that_is_down(client: httpx.AsyncClient, fake: FakeGoogle):
    await try_id(client)
    fake.broken = b"nonsense\r\n\r\n"
    let_pass(UNKNOWN)
    assert await try_id(client, "k2") == 503
    assert await try_id(client) == 200


async def test_nobody_listens(client: httpx.AsyncClient, fake: FakeGoogle, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(google_keys, "URL", "http://127.0.0.1:9/certs")
    monkeypatch.setattr(google, "TOKEN_INFO_URL", "http://127.0.0.1:9/tokeninfo")
    answers = [
        await client.post("/auth/google/", json=body) for body in ({"id_token": id_token()}, {"access_token": "a"})
    ]
    assert [answer.status_code for answer in answers] == [503, 503]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"keys": []}',
        b'{"keys": [{"kid": "k1", "kty": "RSA", "n": "x", "e": "!"}]}',
        b'{"keys": [{"kid": "k1", "kty": "oct", "k": "AAAA"}]}',
        b'{"keys": "' + b"x" * 20_000 + b'"}',
        b"[" * 16_000,
    ],
    ids=range(9),
)
async def test_nonsense_for_keys_is_no_crash(client: httpx.AsyncClient, fake: FakeGoogle, body: bytes):
    fake.broken = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    assert await try_id(client) == 503


async def test_a_redirect_is_not_followed(client: httpx.AsyncClient, fake: FakeGoogle):
    fake.infos["a"] = info()
    fake.broken = b"HTTP/1.1 302 Found\r\nLocation: /certs\r\nContent-Length: 0\r\n\r\n"
    assert await try_id(client) == 503
    assert fake.asked == ["/certs"]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"cache-control": "public, max-age=21600, must-revalidate"}, 21600),
        ({"cache-control": "max-age=21600", "age": "600"}, 21000),
        ({"cache-control": "MAX-AGE=300"}, 300),
        ({"cache-control": "max-age=0"}, google_keys.SHORTEST_SECONDS),
        ({"cache-control": "max-age=600", "age": "999999999"}, google_keys.SHORTEST_SECONDS),
        ({"cache-control": "max-age=999999999"}, google_keys.LONGEST_SECONDS),
        ({"cache-control": "max-age=99999999999999"}, google_keys.USUAL_SECONDS),
        ({"cache-control": "s-max-age=5, max-age=-1"}, google_keys.USUAL_SECONDS),
        ({"cache-control": "no-store"}, google_keys.USUAL_SECONDS),
        ({}, google_keys.USUAL_SECONDS),
    ],
)
async def test_what_caches_are_told_is_kept_within_bounds(fake: FakeGoogle, headers: dict[str, str], seconds: int):
    assert google_keys._lifetime(Reply(200, headers, b"", 0).headers) == seconds
