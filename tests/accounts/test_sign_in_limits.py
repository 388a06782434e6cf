"""X8 in short, through the front door: guessers are stopped, owners are not locked out."""

import asyncio
from collections import Counter
from unittest.mock import Mock

import httpx
import pytest

from app import app
from domains.accounts import limits, passwords, sessions, users
from domains.accounts.schemas import Device, Profile
from domains.accounts.tables import Role
from lib.redis_client import line
from piccolo_conf import execute, fetch_value
from tests.accounts.letters import last_letter
from tests.conftest import make_user

PASSWORD = "correct horse battery"
HOME = "203.0.113.7"
ELSEWHERE = "203.0.113.8"


@pytest.fixture
async def ada(database: None) -> Profile:
    return await users.create_user(email="ada@example.com", username="ada", password=PASSWORD, is_verified=True)


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Instant, so that a crowd can come: nobody's password but Ada's is right."""
    quick = Mock(side_effect=lambda stored, given: given == PASSWORD.encode() and stored != passwords.NOBODY)
    monkeypatch.setattr(passwords, "_matches", quick)
    return quick


async def post(address: str, path: str, body: dict[str, str], **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, client=(address, 4711), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers) as client:
        return await client.post(path, json=body)


async def sign_in(address: str, name: str = "ada", password: str = PASSWORD, **headers: str) -> httpx.Response:
    return await post(address, "/auth/jwt/create/", {"username": name, "password": password}, **headers)


async def fail_often(times: int, *addresses: str, name: str = "ada") -> Counter[int]:
    crowd = [sign_in(addresses[number % len(addresses)], name, "wrong") for number in range(times)]
    return Counter(answer.status_code for answer in await asyncio.gather(*crowd))


def strangers(count: int) -> list[str]:
    return [f"198.51.{number // 250}.{number % 250}" for number in range(count)]


async def test_five_failures_from_an_address_are_enough(ada: Profile, hashes: Mock):
    assert await fail_often(40, HOME) == {401: 5, 429: 35}
    refused = await sign_in(HOME)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    assert 890 <= int(refused.headers["retry-after"]) <= 900
    assert hashes.call_count == 5
    assert (await sign_in(ELSEWHERE)).status_code == 200


async def test_a_crowd_is_stopped_after_ten(ada: Profile, hashes: Mock):
    assert await fail_often(400, *strangers(200)) == {401: 10, 429: 390}
    assert hashes.call_count == 10


async def test_no_crowd_locks_the_owner_out_where_they_are_known(ada: Profile, hashes: Mock):
    assert (await sign_in(HOME)).status_code == 200
    await fail_often(100, *strangers(50))
    assert (await sign_in(HOME, password="wrong")).status_code == 401
    assert (await sign_in(HOME)).status_code == 200


async def test_an_owner_at_a_new_address_under_attack_is_let_in_after_proof_by_mail(ada: Profile, hashes: Mock):
    await fail_often(100, *strangers(50))
    assert (await sign_in(ELSEWHERE)).status_code == 429
    await post(ELSEWHERE, "/auth/users/reset_password/", {"email": ada.email})
    proof = (await last_letter(ada.email)).proof
    reset = await post(ELSEWHERE, "/auth/users/reset_password_confirm/", proof | {"new_password": PASSWORD})
    assert reset.status_code == 204
    assert (await sign_in(ELSEWHERE)).status_code == 200


async def test_failures_at_a_known_address_are_limited_too_and_not_counted_elsewhere(ada: Profile, hashes: Mock):
    await sign_in(HOME)
    assert await fail_often(20, HOME) == {401: 5, 429: 15}
    assert await fail_often(20, ELSEWHERE) == {401: 5, 429: 15}


async def test_an_address_not_seen_for_three_months_is_a_strangers(ada: Profile, hashes: Mock):
    await sign_in(HOME)
    await execute("UPDATE known_address SET seen_at = now() - interval '91 days'")
    await fail_often(100, *strangers(50))
    assert (await sign_in(HOME)).status_code == 429


async def test_one_address_may_fail_fifteen_times_at_all_accounts_together(ada: Profile, hashes: Mock):
    answers = [await sign_in(ELSEWHERE, f"name{number}", "wrong") for number in range(17)]
    assert [answer.status_code for answer in answers] == [401] * 15 + [429] * 2
    assert 3590 <= int(answers[-1].headers["retry-after"]) <= 3600


async def test_a_neighbour_who_guesses_does_not_lock_the_owner_out_of_their_own_network(ada: Profile, hashes: Mock):
    await sign_in(HOME)
    for number in range(17):
        await sign_in(HOME, f"name{number}", "wrong")
    assert (await sign_in(HOME)).status_code == 200


@pytest.mark.parametrize("addresses", [[HOME], strangers(12)], ids=["one address", "many"])
async def test_a_name_that_nobody_has_is_limited_alike(ada: Profile, hashes: Mock, addresses: list[str]):
    known = [await sign_in(address, "ada", "wrong") for address in addresses * 12]
    unknown = [await sign_in(address, "nobody", "wrong") for address in addresses * 12]
    assert [answer.status_code for answer in known] == [answer.status_code for answer in unknown]
    assert {answer.text for answer in known} == {answer.text for answer in unknown}


async def test_both_names_of_an_account_are_one(ada: Profile, hashes: Mock):
    await fail_often(5, HOME, name="ADA@example.com")
    assert (await sign_in(HOME, "ada")).status_code == 429


async def test_a_letter_that_postgresql_makes_ascii_finds_nobody(database: None):
    """lower('İ') is "i" there: a name in many spellings would be tried under many limits."""
    await users.create_user(email="lina@example.com", username="lina", password=PASSWORD, is_verified=True)
    for name in ("lİna", "lİna@example.com", "ﬁlina", "lina\u2003@example.com"):
        assert (await sign_in(HOME, name)).status_code == 401
    assert (await sign_in(HOME, " LINA\u2003")).status_code == 200


async def test_many_right_ones_at_once_are_all_let_in(ada: Profile):
    answers = await asyncio.gather(*(sign_in(HOME) for _ in range(8)))
    assert Counter(answer.status_code for answer in answers) == {200: 8}


async def test_what_is_right_is_not_counted(ada: Profile, hashes: Mock):
    assert [(await sign_in(HOME)).status_code for _ in range(30)] == [200] * 30
    await execute("UPDATE users SET email_verified_at = NULL")
    assert {(await sign_in(ELSEWHERE)).json()["code"] for _ in range(30)} == {"email_not_verified"}
    assert await fetch_value("SELECT count(*) FROM known_address") == 1


async def test_a_header_makes_nobody_another(ada: Profile, hashes: Mock):
    spoofed = [sign_in(HOME, "ada", "wrong", **{"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(30)]
    assert Counter(answer.status_code for answer in await asyncio.gather(*spoofed)) == {401: 5, 429: 25}


async def test_without_redis_guessers_are_stopped_all_the_same(
    ada: Profile, hashes: Mock, monkeypatch: pytest.MonkeyPatch
):
    await sign_in(HOME)
    monkeypatch.setattr(line, "ask_again_at", float("inf"))
    assert await fail_often(40, ELSEWHERE) == {401: 5, 429: 35}
    assert await fail_often(100, *strangers(50)) == {401: 5, 429: 95}
    assert (await sign_in(HOME)).status_code == 200


async def test_sixty_wrong_refresh_tokens_an_hour_are_enough(database: None):
    answers = [await post(HOME, "/auth/jwt/refresh/", {"refresh": f"{number:043}"}) for number in range(62)]
    assert [answer.status_code for answer in answers] == [401] * 60 + [429] * 2


async def test_a_neighbour_with_wrong_refresh_tokens_signs_nobody_out(database: None):
    tokens = await sessions.start_session(await make_user(Role.CUSTOMER, "ada"))
    for number in range(62):
        await post(HOME, "/auth/jwt/refresh/", {"refresh": f"{number:043}"})
    assert (await post(HOME, "/auth/jwt/refresh/", {"refresh": tokens.refresh})).status_code == 200


async def test_a_refused_refresh_leaves_the_token_as_it_was(database: None, monkeypatch: pytest.MonkeyPatch):
    tokens = await sessions.start_session(await make_user(Role.CUSTOMER, "ada"))
    with monkeypatch.context() as patch:
        patch.setattr(limits, "REFRESH", limits.Limit(name="refresh", account=limits.Window(3, 900)))
        for _ in range(3):
            tokens = await sessions.refresh_session(tokens.refresh, Device())
        answer = await post(HOME, "/auth/jwt/refresh/", {"refresh": tokens.refresh})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert (await sessions.refresh_session(tokens.refresh, Device())).access


async def test_a_refresh_that_succeeds_is_no_failure_of_its_address(database: None):
    tokens = await sessions.start_session(await make_user(Role.CUSTOMER, "ada"))
    for _ in range(70):
        tokens = await sessions.refresh_session(tokens.refresh, Device("", HOME))
    assert tokens.access
