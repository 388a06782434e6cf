"""Whose account a sign-in with Google opens: the one with that address, once it is proven to be theirs."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from domains.accounts import sessions, users
from domains.accounts.schemas import Device, Profile
from domains.accounts.tables import Role
from piccolo_conf import execute, fetch_value
from tests.accounts.fake_google import FakeGoogle, id_token, info, pretending

PASSWORD = "correct horse battery"
EMAIL = "ada@example.com"


@pytest.fixture(autouse=True)
async def fake() -> AsyncIterator[FakeGoogle]:
    async with pretending() as made:
        yield made


async def make_ada(*, is_verified: bool = True, role: Role = Role.CUSTOMER) -> Profile:
    return await users.create_user(
        email=EMAIL, username="ada1", password=PASSWORD, role=role, is_verified=is_verified, first_name="Mallory"
    )


async def sign_in(client: httpx.AsyncClient, **changes: object) -> httpx.Response:
    return await client.post("/auth/google/", json={"id_token": id_token(**changes)})


async def by_password(client: httpx.AsyncClient) -> int:
    return (await client.post("/auth/jwt/create/", json={"email": EMAIL, "password": PASSWORD})).status_code


async def who(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, object]:
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access']}"}
    told: dict[str, object] = (await client.get("/auth/check/", headers=headers)).json()
    return told


async def test_somebody_new_becomes_a_customer(client: httpx.AsyncClient):
    told = await who(client, await sign_in(client))
    made = await users.get_user(EMAIL)
    assert (told["user_id"], told["role"], made.superuser) == (made.id, "customer", False)
    assert (made.first_name, made.last_name) == ("Ada", "Lovelace")
    assert made.email_verified_at is not None


async def test_signing_in_again_makes_no_second_user(client: httpx.AsyncClient):
    first, second = [await who(client, await sign_in(client)) for _ in range(2)]
    assert first["user_id"] == second["user_id"]
    assert await fetch_value("SELECT count(*) FROM users") == 1


async def test_two_at_once_make_one_user(client: httpx.AsyncClient):
    answers = await asyncio.gather(*(sign_in(client) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert await fetch_value("SELECT count(*) FROM users") == 1


async def test_an_access_token_makes_a_user_without_a_name(client: httpx.AsyncClient, fake: FakeGoogle):
    fake.infos["ya29"] = info()
    await who(client, await client.post("/auth/google/", json={"access_token": "ya29"}))
    assert (await users.get_user(EMAIL)).first_name == ""


@pytest.mark.parametrize("spelling", ["ada@example.com", "ADA@Example.Com"])
async def test_an_existing_user_signs_in_and_keeps_their_password(client: httpx.AsyncClient, spelling: str):
    ada = await make_ada()
    told = await who(client, await sign_in(client, email=spelling))
    assert told["user_id"] == ada.id
    assert await by_password(client) == 200
    assert (await users.get_user(EMAIL)).first_name == "Mallory"


@pytest.mark.parametrize("role", Role)
async def test_every_role_may_sign_in_and_stays_what_it_is(client: httpx.AsyncClient, role: Role):
    await make_ada(role=role)
    assert (await who(client, await sign_in(client)))["role"] == role


async def test_a_deactivated_user_stays_out(client: httpx.AsyncClient):
    await users.deactivate((await make_ada()).id)
    answer = await sign_in(client)
    assert (answer.status_code, answer.json()["code"]) == (403, "account_inactive")
    assert await fetch_value("SELECT count(*) FROM user_session") == 0


async def test_a_deactivated_user_whose_address_was_never_proven_stays_out(client: httpx.AsyncClient):
    ada = await make_ada(is_verified=False)
    await execute("UPDATE users SET active = false WHERE id = $1", ada.id)
    assert (await sign_in(client)).status_code == 403
    assert (await users.get_user(EMAIL)).email_verified_at is None


@pytest.mark.parametrize(
    "email", ["ada", "ada1", "no address", "ada@localhost", "a@b@example.com", "ada@example.com\0"]
)
async def test_only_an_address_finds_or_makes_a_user(client: httpx.AsyncClient, email: str):
    await make_ada()
    answer = await sign_in(client, email=email)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_google_token")
    assert await fetch_value("SELECT count(*) FROM users") == 1


async def test_who_signed_up_with_the_address_of_somebody_else_loses_the_account(client: httpx.AsyncClient):
    mallory = await make_ada(is_verified=False)
    session = await sessions.start_session(mallory.id, Device())
    await execute(
        """INSERT INTO api_key (owner, name, prefix, digest, scopes, created_at)
           VALUES ($1, 'back door', 'sk_x', '\\x00', '{products:read}', now())""",
        mallory.id,
    )
    told = await who(client, await sign_in(client))
    assert told["user_id"] == mallory.id
    assert await by_password(client) == 401
    assert (await client.post("/auth/jwt/refresh/", json={"refresh": session.refresh})).status_code == 401
    headers = {"Authorization": f"Bearer {session.access}"}
    assert (await client.get("/auth/check/", headers=headers)).status_code == 401
    assert await fetch_value("SELECT count(*) FROM api_key WHERE revoked_at IS NULL") == 0
    assert (await users.get_user(EMAIL)).first_name == "Ada"


async def test_codes_mailed_before_the_hand_over_work_no_more(client: httpx.AsyncClient):
    body = {"email": EMAIL, "password": PASSWORD, "re_password": PASSWORD}
    await client.post("/auth/users/", json=body)
    assert await fetch_value("SELECT count(*) FROM one_time_code WHERE used_at IS NULL") == 1
    await who(client, await sign_in(client))
    assert await fetch_value("SELECT count(*) FROM one_time_code WHERE used_at IS NULL") == 0


async def test_a_sign_up_at_the_same_time_ends_in_one_account_of_the_owner(client: httpx.AsyncClient):
    body = {"email": EMAIL, "password": PASSWORD, "re_password": PASSWORD}
    signed_up, opened = await asyncio.gather(client.post("/auth/users/", json=body), sign_in(client))
    assert opened.status_code == 200
    assert signed_up.status_code in {201, 409}
    assert await fetch_value("SELECT count(*) FROM users") == 1
    assert await by_password(client) == 401
