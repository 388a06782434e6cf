"""X4: no token but ours is accepted, whatever is in it, and none takes long or breaks anything."""

import random
import string
import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from domains.accounts import auth, sessions, tokens
from domains.accounts.tables import Role
from lib import clock
from tests.accounts import forging
from tests.conftest import make_user

ATTACKS = list(forging.attacks())
LONGEST_SECONDS = 0.05
SEED = 20261120


@pytest.fixture(scope="module")
def forged() -> dict[str, str]:
    """Made only now: most are in time, so that it is not their age that gives them away."""
    return forging.attacks()


def test_our_own_token_is_read() -> None:
    family = uuid4()
    claims = tokens.read(tokens.issue(7, "ada", Role.ADMIN, family))
    assert (claims.sub, claims.name, claims.role, claims.sid) == ("7", "ada", Role.ADMIN, family)


def test_the_forge_can_make_our_own_token() -> None:
    assert tokens.read(forging.signed(forging.HEADER, forging.claims())).name == "ada"


def test_every_token_has_its_own_id() -> None:
    assert len({tokens.read(tokens.issue(7, "ada", Role.ADMIN, uuid4())).jti for _ in range(100)}) == 100


@pytest.mark.parametrize("name", ATTACKS)
def test_a_forged_token_is_refused_quickly(forged: dict[str, str], name: str) -> None:
    """The quickest of some readings: others on the same processor make one longer now and then, and none shorter."""
    assert min(seconds_to_refuse(forged[name]) for _ in range(5)) <= LONGEST_SECONDS


def seconds_to_refuse(token: str) -> float:
    begun = time.thread_time()
    with pytest.raises(tokens.BadToken):
        tokens.read(token)
    return time.thread_time() - begun


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_forged_token_is_a_401_everywhere(client: httpx.AsyncClient, forged: dict[str, str], name: str) -> None:
    token = forged[name]
    asked = await client.get("/auth/check/", headers={b"Authorization": b"Bearer " + token.encode("latin-1")})
    verified = await client.post("/auth/jwt/verify/", json={"token": token})
    assert asked.status_code == 401, asked.text
    assert verified.status_code == 401, verified.text


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(tokens.BadToken):
        tokens.read("\ud800" + forging.signed(forging.HEADER, forging.claims()))


async def test_a_refresh_token_is_no_access_token(client: httpx.AsyncClient) -> None:
    started = await sessions.start_session(await make_user(Role.CUSTOMER, "carla"))
    answer = await client.get("/auth/check/", headers={"Authorization": f"Bearer {started.refresh}"})
    assert answer.status_code == 401


async def test_an_access_token_is_no_refresh_token(client: httpx.AsyncClient) -> None:
    started = await sessions.start_session(await make_user(Role.CUSTOMER, "carla"))
    answer = await client.post("/auth/jwt/refresh/", json={"refresh": started.access})
    assert answer.status_code == 401


async def test_a_token_ends_after_its_quarter_of_an_hour(
    customer: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await customer.get("/auth/check/")).status_code == 200
    later = clock.now() + timedelta(seconds=tokens.LIFETIME_SECONDS)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert (await customer.get("/auth/check/")).status_code == 401


async def test_ten_thousand_mutated_tokens_are_refused(client: httpx.AsyncClient) -> None:
    started = await sessions.start_session(await make_user(Role.ADMIN, "ada"))
    other = await sessions.start_session(await make_user(Role.CUSTOMER, "carla"))
    assert (await auth.recognise(started.access)).caller.username == "ada"
    accepted = [token for token in mutations(started.access, other.access, 10_000) if await is_accepted(token)]
    assert accepted == [], f"seed {SEED}"


async def test_mutated_tokens_never_break_a_request(client: httpx.AsyncClient) -> None:
    started = await sessions.start_session(await make_user(Role.ADMIN, "ada"))
    other = await sessions.start_session(await make_user(Role.CUSTOMER, "carla"))
    for token in mutations(started.access, other.access, 300):
        answer = await client.get("/auth/check/", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, token


async def is_accepted(token: str) -> bool:
    try:
        await auth.recognise(token)
    except tokens.BadToken:
        return False
    return True


def mutations(token: str, other: str, count: int) -> Iterator[str]:
    """Different from both, by one to three changes of one letter, or with segments exchanged."""
    chance = random.Random(SEED)
    made = 0
    while made < count:
        mutated = token
        for _ in range(chance.randint(1, 3)):
            mutated = mutate(mutated, other, chance)
        if mutated.strip() not in {token, other}:
            made += 1
            yield mutated


def mutate(token: str, other: str, chance: random.Random) -> str:
    place, letter = chance.randrange(len(token) + 1), chance.choice(string.ascii_letters + string.digits + "-_.=+/ ")
    match chance.randrange(6):
        case 0:
            return token[:place] + letter + token[place + 1 :]
        case 1:
            return token[:place] + letter + token[place:]
        case 2:
            return token[:place] + token[place + 1 :]
        case 3:
            return token[:place] + token[place : place + 1].swapcase() + token[place + 1 :]
        case 4:
            return token[:place]
        case _:
            parts, others = token.split("."), other.split(".")
            parts[chance.randrange(len(parts))] = chance.choice(others)
            return ".".join(parts)
