"""Signing up, and proving the address."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from domains.accounts import registration
from domains.accounts.account_schemas import SignUpIn
from domains.accounts.schemas import Device
from piccolo_conf import execute, fetch_row, fetch_value
from tests.accounts.letters import last_letter, letters, templates

PASSWORD = "correct horse battery"
ADA = {"email": "ada@example.com", "username": "ada.l", "password": PASSWORD, "re_password": PASSWORD}
SIGN_IN = {"email": "ada@example.com", "password": PASSWORD}


async def sign_up(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await client.post("/auth/users/", json=ADA | changes)


async def test_somebody_signs_up_proves_the_address_and_signs_in(client: httpx.AsyncClient):
    made = await sign_up(client)
    assert (made.status_code, made.json()["role"], made.json()["email_verified_at"]) == (201, "customer", None)
    refused = await client.post("/auth/jwt/create/", json=SIGN_IN)
    assert (refused.status_code, refused.json()["code"]) == (403, "email_not_verified")
    letter = await last_letter("ada@example.com")
    activated = await client.post("/auth/users/activation/", json=letter.proof)
    assert (activated.status_code, activated.json()["email_verified_at"] is not None) == (200, True)
    assert (await client.post("/auth/jwt/create/", json=SIGN_IN)).status_code == 200
    assert await templates("ada@example.com") == ["verify_email", "account_activated"]


async def test_the_code_proves_the_address_too_however_it_is_typed(client: httpx.AsyncClient):
    await sign_up(client)
    code = (await last_letter("ada@example.com")).code.lower()
    typed = {"email": " ADA@example.com", "code": f" {code[:3]}-{code[3:]} "}
    assert (await client.post("/auth/users/activation/", json=typed)).status_code == 200


@pytest.mark.parametrize("path", ["/auth/users/resend_activation/", "/auth/users/reset_password/"])
async def test_an_address_in_foreign_letters_is_another_one(client: httpx.AsyncClient, path: str):
    """PostgreSQL finds "i" by "İ": so many spellings would have as many limits of their own."""
    await sign_up(client, email="lina@example.com")
    for email in ("lİna@example.com", "LİNA@EXAMPLE.COM"):
        assert (await client.post(path, json={"email": email})).status_code == 204
    assert len(await letters("lina@example.com")) == 1
    typed = {"email": "lİna@example.com", "code": (await last_letter("lina@example.com")).code}
    assert (await client.post("/auth/users/activation/", json=typed)).status_code == 400


async def test_a_password_must_not_be_the_username_that_is_made(client: httpx.AsyncClient):
    known = {
        "email": "ada.lovelace@example.com",
        "username": "",
        "password": "Ada.Lovelace",
        "re_password": "Ada.Lovelace",
    }
    answer = await sign_up(client, **known)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, ["password"])


async def test_the_answer_never_holds_the_password_nor_the_code(client: httpx.AsyncClient):
    answer = (await sign_up(client)).text
    letter = await last_letter("ada@example.com")
    assert all(secret not in answer for secret in (PASSWORD, letter.code, letter.proof["token"], "argon2"))


async def test_codes_and_tokens_are_stored_as_digests_only(client: httpx.AsyncClient):
    await sign_up(client)
    letter = await last_letter("ada@example.com")
    stored = await fetch_value("SELECT string_agg(c::text, '') FROM one_time_code c")
    assert letter.code not in stored
    assert letter.proof["token"] not in stored


async def test_the_link_leads_to_a_page_of_ours(client: httpx.AsyncClient):
    await sign_up(client)
    assert (await last_letter("ada@example.com")).link.startswith("http://127.0.0.1:8000/accounts/verify/?uid=")


@pytest.mark.parametrize(
    ("names", "first_name", "last_name"),
    [
        ({}, "", ""),
        ({"full_name": "Ada Lovelace"}, "Ada", "Lovelace"),
        ({"full_name": "  Ada King  Lovelace "}, "Ada King", "Lovelace"),
        ({"full_name": "Ada"}, "Ada", ""),
        ({"first_name": "Ada"}, "Ada", ""),
        ({"full_name": "Somebody Else", "last_name": "Lovelace"}, "", "Lovelace"),
    ],
)
async def test_names_are_taken_apart(client: httpx.AsyncClient, names: dict[str, str], first_name: str, last_name: str):
    made = (await sign_up(client, **names)).json()
    assert (made["first_name"], made["last_name"]) == (first_name, last_name)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"email": "ADA@example.com", "username": "other"}, ["email"]),
        ({"email": "other@example.com", "username": "ADA.L"}, ["username"]),
        ({}, ["email", "username"]),
    ],
)
async def test_what_is_taken_is_told_per_field(client: httpx.AsyncClient, changes: dict[str, str], fields: list[str]):
    await sign_up(client)
    answer = await sign_up(client, **changes)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (409, fields)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"re_password": "another one"}, ["re_password"]),
        ({"password": "short", "re_password": "short"}, ["password"]),
        ({"password": "Ada@Example.com", "re_password": "Ada@Example.com"}, ["password"]),
        ({"email": "nobody", "username": "x", "first_name": "\u202e"}, ["email", "username", "first_name"]),
        ({"first_name": "x" * 300, "last_name": "a\nb"}, ["first_name", "last_name"]),
        ({"username": "ada\0"}, ["username"]),
        ({"username": 5}, ["username"]),
        ({"is_admin": True, "superuser": True}, ["is_admin", "superuser"]),
        ({"role": "root"}, ["role"]),
    ],
)
async def test_what_is_wrong_is_told_per_field(client: httpx.AsyncClient, changes: dict[str, Any], fields: list[str]):
    answer = await sign_up(client, **changes)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, fields)
    assert await fetch_value("SELECT count(*) FROM users") == 0


@pytest.mark.parametrize("role", ["customer", "staff", "admin"])
async def test_nobody_but_an_admin_chooses_a_role(client: httpx.AsyncClient, staff: httpx.AsyncClient, role: str):
    answers = [await sign_up(somebody, role=role) for somebody in (client, staff)]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "missing_scope")}
    assert await fetch_value("SELECT count(*) FROM users WHERE username = 'ada.l'") == 0


async def test_an_admin_makes_an_account_that_needs_no_proof(admin: httpx.AsyncClient, client: httpx.AsyncClient):
    made = await sign_up(admin, role="staff", email="lina@example.com")
    assert (made.status_code, made.json()["role"], made.json()["superuser"]) == (201, "staff", False)
    signed_in = await client.post("/auth/jwt/create/", json=SIGN_IN | {"email": "lina@example.com"})
    assert signed_in.status_code == 200
    assert await letters("lina@example.com") == []


async def test_of_twenty_who_sign_up_with_one_address_one_succeeds(database: None):
    async def register(number: int) -> object:
        data = SignUpIn(email="Ada@example.com", username=f"ada{number}", password=PASSWORD, re_password=PASSWORD)
        return await registration.sign_up(data, Device(ip=f"192.0.2.{number}"))

    made = await asyncio.gather(*(register(number) for number in range(20)), return_exceptions=True)
    assert Counter(type(one).__name__ for one in made) == {"Profile": 1, "EmailTaken": 19}
    assert await fetch_value("SELECT count(*) FROM mail") == 1


async def test_without_the_mail_there_is_no_user(client: httpx.AsyncClient):
    await execute("ALTER TABLE mail RENAME TO mail_away")
    try:
        assert (await sign_up(client)).status_code == 500
    finally:
        await execute("ALTER TABLE mail_away RENAME TO mail")
    assert await fetch_value("SELECT count(*) FROM users") == 0


async def test_another_mail_replaces_the_one_before(client: httpx.AsyncClient):
    await sign_up(client)
    answer = await client.post("/auth/users/resend_activation/", json={"email": "ADA@example.com"})
    assert (answer.status_code, answer.content) == (204, b"")
    first, second = await letters("ada@example.com")
    assert (await client.post("/auth/users/activation/", json=first.proof)).status_code == 400
    assert (await client.post("/auth/users/activation/", json=second.proof)).status_code == 200


async def test_a_mail_for_an_unknown_address_is_promised_and_not_written(client: httpx.AsyncClient):
    answer = await client.post("/auth/users/resend_activation/", json={"email": "nobody@example.com"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert await fetch_value("SELECT count(*) FROM mail") == 0


async def test_a_confirmed_address_gets_no_other_mail(client: httpx.AsyncClient, customer: httpx.AsyncClient):
    answer = await client.post("/auth/users/resend_activation/", json={"email": "carla@example.com"})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_verified")


@pytest.mark.parametrize(
    "proof",
    [
        {"uid": "1", "token": "A" * 43},
        {"uid": "2147483648", "token": "A" * 43},
        {"uid": "9999999999", "token": "A" * 43},
        {"uid": "1", "token": "\u0661"},
        {"email": "ada@example.com", "code": "222222"},
        {"email": "ada@example.com", "code": ""},
        {"email": "ada@example.com", "code": "é\u2028"},
        {"email": "nobody@example.com", "code": "222222"},
    ],
)
async def test_every_wrong_proof_gets_the_same_answer(client: httpx.AsyncClient, proof: dict[str, str]):
    await sign_up(client)
    answer = await client.post("/auth/users/activation/", json=proof)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_code")
    assert answer.json()["detail"].startswith("This code or link is wrong, was used before or has expired.")


@pytest.mark.parametrize(
    "proof", [{}, {"uid": "1"}, {"token": "A"}, {"email": "ada@example.com"}, {"uid": 1, "token": "A"}, {"uid": "x"}]
)
async def test_half_a_proof_is_bad_input(client: httpx.AsyncClient, proof: dict[str, Any]):
    answer = await client.post("/auth/users/activation/", json=proof)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")


async def test_an_expired_token_does_not_stop_an_activation(client: httpx.AsyncClient):
    await sign_up(client)
    client.headers["Authorization"] = "Bearer expired"
    answer = await client.post("/auth/users/activation/", json=(await last_letter("ada@example.com")).proof)
    assert answer.status_code == 200


async def test_the_address_of_an_activation_is_remembered(client: httpx.AsyncClient):
    await sign_up(client)
    await client.post("/auth/users/activation/", json=(await last_letter("ada@example.com")).proof)
    row = await fetch_row('SELECT "user", network FROM known_address')
    assert row is not None
    assert row["network"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "body", "most"),
    [
        ("/auth/users/", ADA, 15),
        ("/auth/users/resend_activation/", {"email": "nobody@example.com"}, 3),
        ("/auth/users/activation/", {"email": "nobody@example.com", "code": "222222"}, 5),
        ("/auth/users/reset_password/", {"email": "nobody@example.com"}, 3),
    ],
)
async def test_nobody_may_ask_without_end(client: httpx.AsyncClient, path: str, body: dict[str, str], most: int):
    answers = [await client.post(path, json=body) for _ in range(most + 1)]
    assert [answer.status_code == 429 for answer in answers] == [False] * most + [True]
    assert int(answers[-1].headers["retry-after"]) > 0
