from unittest.mock import Mock

import httpx
import pytest
from argon2 import PasswordHasher

from domains.accounts import passwords, sessions, users
from domains.accounts.schemas import CredentialsIn, Device, Profile, RefreshIn, TokenIn, TokensOut
from domains.accounts.tables import Role
from lib import log
from piccolo_conf import execute, fetch_row, fetch_value

PASSWORD = "correct horse battery"


@pytest.fixture
async def ada(database: None) -> Profile:
    return await users.create_user(
        email="Ada@Example.com", username="Ada", password=PASSWORD, role=Role.STAFF, is_verified=True
    )


@pytest.mark.parametrize(
    "name", [{"email": "ada@example.com"}, {"email": "ADA@EXAMPLE.COM"}, {"username": "aDA"}, {"email": "Ada"}]
)
async def test_sign_in_by_email_or_username(client: httpx.AsyncClient, ada: Profile, name: dict[str, str]) -> None:
    answer = await client.post("/auth/jwt/create/", json={**name, "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json().keys() == {"access", "refresh", "token_type", "expires_in"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 900)


async def test_tokens_are_never_cached(client: httpx.AsyncClient, ada: Profile) -> None:
    answer = await client.post("/auth/jwt/create/", json={"username": "ada", "password": PASSWORD})
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("prefix", ["Bearer", "JWT", "Token", "bearer", "jwt", "TOKEN"])
async def test_the_access_token_tells_who_asks(client: httpx.AsyncClient, ada: Profile, prefix: str) -> None:
    tokens = (await client.post("/auth/jwt/create/", json={"username": "ada", "password": PASSWORD})).json()
    answer = await client.get("/auth/check/", headers={"Authorization": f"{prefix} {tokens['access']}"})
    who = answer.json()
    assert (who["authenticated"], who["user_id"], who["username"], who["role"]) == (True, ada.id, "Ada", "staff")
    assert "products:write" in who["scopes"]
    assert "users:write" not in who["scopes"]


async def test_somebody_unknown_may_ask_too(client: httpx.AsyncClient) -> None:
    answer = await client.get("/auth/check/")
    assert (answer.status_code, answer.json()) == (200, {"authenticated": False})


async def test_every_wrong_sign_in_gets_the_same_answer(client: httpx.AsyncClient, ada: Profile) -> None:
    await users.create_user(email="gone@example.com", username="gone", password=PASSWORD, is_verified=True)
    await execute("UPDATE users SET active = false WHERE username = 'gone'")
    wrong = [
        {"username": "ada", "password": "wrong"},
        {"username": "ada", "password": ""},
        {"username": "ada", "password": PASSWORD + " "},
        {"username": "ada", "password": "p" * 129},
        {"username": "nobody", "password": PASSWORD},
        {"username": "gone", "password": PASSWORD},
        {"email": "nobody@example.com", "password": PASSWORD},
        {"email": "ada@example.com ' OR 1=1 --", "password": PASSWORD},
        {"email": "%", "password": PASSWORD},
    ]
    answers = [await client.post("/auth/jwt/create/", json=credentials) for credentials in wrong]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    assert answers[0].json()["code"] == "wrong_credentials"


@pytest.mark.parametrize(
    ("name", "password"),
    [(name, password) for name in ("ada", "nobody", "gone") for password in ("wrong", "p" * 129)]
    + [("gone", PASSWORD)],
)
async def test_every_wrong_sign_in_costs_one_hash_and_one_query(
    ada: Profile, name: str, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await users.create_user(email="gone@example.com", username="gone", password=PASSWORD, is_verified=True)
    await execute("UPDATE users SET active = false WHERE username = 'gone'")
    hashes, queries = Mock(wraps=passwords._matches), Mock(wraps=fetch_row)
    monkeypatch.setattr(passwords, "_matches", hashes)
    monkeypatch.setattr(sessions, "fetch_row", queries)
    with pytest.raises(sessions.WrongCredentials):
        await sessions.sign_in(name, password, Device())
    assert (hashes.call_count, queries.call_count) == (1, 1)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"password": PASSWORD},
        {"username": "ada"},
        {"username": "", "password": PASSWORD},
        {"username": 1, "password": PASSWORD},
        {"username": "a" * 255, "password": PASSWORD},
        {"username": "ada", "password": PASSWORD, "role": "admin"},
    ],
)
async def test_an_incomplete_sign_in_is_bad_input(client: httpx.AsyncClient, body: dict[str, object]) -> None:
    answer = await client.post("/auth/jwt/create/", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")
    assert PASSWORD not in answer.text


async def test_an_expired_token_does_not_stop_a_sign_in(client: httpx.AsyncClient, ada: Profile) -> None:
    client.headers["Authorization"] = "Bearer expired"
    answer = await client.post("/auth/jwt/create/", json={"username": "ada", "password": PASSWORD})
    assert answer.status_code == 200


async def test_signing_in_is_remembered(client: httpx.AsyncClient, ada: Profile) -> None:
    headers = {"User-Agent": "Tester/1.0 " + "x" * 1000}
    await client.post("/auth/jwt/create/", json={"username": "ada", "password": PASSWORD}, headers=headers)
    row = await fetch_row('SELECT user_agent, ip FROM user_session WHERE "user" = $1', ada.id)
    assert row is not None
    assert (row["user_agent"][:10], len(row["user_agent"]), row["ip"]) == ("Tester/1.0", 400, "127.0.0.1")
    assert await fetch_value("SELECT last_login_at FROM users WHERE id = $1", ada.id) is not None


async def test_an_old_hash_is_renewed_at_sign_in(ada: Profile) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    await execute("UPDATE users SET password = $2 WHERE id = $1", ada.id, old)
    await sessions.sign_in("ada", PASSWORD, Device())
    renewed = await fetch_value("SELECT password FROM users WHERE id = $1", ada.id)
    assert not passwords.is_outdated(renewed)
    assert await passwords.is_password(PASSWORD, renewed)


async def test_a_password_changed_meanwhile_starts_no_session(ada: Profile) -> None:
    with pytest.raises(sessions.WrongCredentials):
        await sessions.start_session(ada.id, proven="$argon2id$the hash before the change")
    assert await fetch_value("SELECT count(*) FROM user_session") == 0


async def test_secrets_are_stored_as_digests_only(client: httpx.AsyncClient, ada: Profile) -> None:
    tokens = (await client.post("/auth/jwt/create/", json={"username": "ada", "password": PASSWORD})).json()
    stored = await fetch_value("SELECT string_agg(s::text, '') || string_agg(u::text, '') FROM user_session s, users u")
    assert PASSWORD not in stored
    assert tokens["refresh"] not in stored
    assert tokens["access"] not in stored


async def test_secrets_are_never_logged(
    client: httpx.AsyncClient, ada: Profile, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    log.configure()
    tokens = (await client.post("/auth/jwt/create/", json={"username": "ada", "password": PASSWORD})).json()
    await client.post("/auth/jwt/create/", json={"username": "ada", "password": PASSWORD + "wrong"})
    await client.post("/auth/jwt/refresh/", json={"refresh": tokens["refresh"]})
    await client.post("/auth/jwt/refresh/", json={"refresh": tokens["refresh"]})
    written = caplog.text + "".join(capfd.readouterr())
    for secret in (PASSWORD, tokens["refresh"], tokens["access"]):
        assert secret not in written


def test_structs_with_secrets_do_not_show_them() -> None:
    secret = "a very secret text"
    structs = CredentialsIn(secret), RefreshIn(secret), TokenIn(secret), TokensOut(secret, secret, 1)
    assert secret not in repr(structs)
    assert all(not struct.__rich_repr__() for struct in structs)
