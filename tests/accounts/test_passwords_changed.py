"""Passwords: changed by who knows the present one, set anew by who reads the mail."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from domains.accounts import api_keys, pace, passwords, resets, sessions, users
from domains.accounts.schemas import Device, Profile
from domains.accounts.tables import Role
from piccolo_conf import execute, fetch_value
from tests.accounts.letters import last_letter, letters, templates
from tests.conftest import make_client

PASSWORD = "correct horse battery"
NEW = "a new horse battery"
EMAIL = "lina@example.com"


@pytest.fixture
async def lina(database: None) -> Profile:
    return await users.create_user(email=EMAIL, username="lina", password=PASSWORD, role=Role.STAFF, is_verified=True)


@pytest.fixture
async def signed_in(lina: Profile) -> httpx.AsyncClient:
    started = await sessions.start_session(lina.id)
    return make_client(Authorization=f"Bearer {started.access}")


async def knows(password: str) -> bool:
    return await passwords.is_password(
        password, await fetch_value("SELECT password FROM users WHERE email = $1", EMAIL)
    )


async def set_password(
    client: httpx.AsyncClient, current: str = PASSWORD, new: str = NEW, **more: Any
) -> httpx.Response:
    body = {"current_password": current, "new_password": new, **more}
    return await client.post("/auth/users/set_password/", json=body)


async def ask(client: httpx.AsyncClient, email: str = EMAIL) -> httpx.Response:
    return await client.post("/auth/users/reset_password/", json={"email": email})


async def confirm(client: httpx.AsyncClient, proof: dict[str, str], new: str = NEW) -> httpx.Response:
    return await client.post("/auth/users/reset_password_confirm/", json={**proof, "new_password": new})


async def test_a_changed_password_is_the_only_one_that_works(client: httpx.AsyncClient, signed_in: httpx.AsyncClient):
    assert (await set_password(signed_in)).status_code == 204
    statuses = [
        (await client.post("/auth/jwt/create/", json={"email": EMAIL, "password": password})).status_code
        for password in (PASSWORD, NEW)
    ]
    assert statuses == [401, 200]
    assert await templates(EMAIL) == ["password_changed"]


async def test_a_changed_password_ends_every_session(lina: Profile, signed_in: httpx.AsyncClient):
    elsewhere = await sessions.start_session(lina.id)
    await set_password(signed_in)
    assert (await signed_in.get("/auth/check/")).status_code == 401
    with pytest.raises(sessions.BadRefreshToken):
        await sessions.refresh_session(elsewhere.refresh, Device())


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"current": "wrong"}, ["current_password"]),
        ({"current": ""}, ["current_password"]),
        ({"new": "short"}, ["new_password"]),
        ({"new": "p" * 129}, ["new_password"]),
        ({"new": "LINA@example.com"}, ["new_password"]),
        ({"re_new_password": "another"}, ["re_new_password"]),
        ({"role": "admin"}, ["role"]),
        ({"current": 5}, ["current_password"]),
    ],
)
async def test_a_password_that_cannot_be_changed(
    signed_in: httpx.AsyncClient, change: dict[str, Any], fields: list[str]
):
    answer = await set_password(signed_in, **change)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, fields)
    assert await knows(PASSWORD)


async def test_a_stolen_session_cannot_guess_the_password(signed_in: httpx.AsyncClient):
    statuses = [(await set_password(signed_in, f"guess {number}")).status_code for number in range(11)]
    assert statuses == [400] * 10 + [429]
    assert (await set_password(signed_in)).status_code == 429


async def test_somebody_who_is_not_signed_in_changes_no_password(client: httpx.AsyncClient):
    assert (await set_password(client)).status_code == 401


async def test_of_two_changes_at_once_one_succeeds(lina: Profile, signed_in: httpx.AsyncClient):
    answers = await asyncio.gather(*(set_password(signed_in, new=f"{NEW} {number}") for number in range(2)))
    assert sorted(answer.status_code for answer in answers) == [204, 400]


@pytest.mark.parametrize("way", ["link", "code"])
async def test_a_forgotten_password_is_set_anew(client: httpx.AsyncClient, lina: Profile, way: str):
    assert (await ask(client, "LINA@example.com")).status_code == 204
    letter = await last_letter(EMAIL)
    proof = letter.proof if way == "link" else {"email": EMAIL, "code": letter.code}
    answer = await confirm(client, proof)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await knows(NEW)
    assert await templates(EMAIL) == ["reset_password", "password_changed"]


async def test_the_link_of_a_reset_leads_to_a_page_of_ours(client: httpx.AsyncClient, lina: Profile):
    await ask(client)
    assert "/accounts/reset/confirm/?uid=" in (await last_letter(EMAIL)).link


async def test_a_reset_ends_every_session_and_works_once(
    client: httpx.AsyncClient, lina: Profile, signed_in: httpx.AsyncClient
):
    await ask(client)
    letter = await last_letter(EMAIL)
    await confirm(client, letter.proof)
    assert (await signed_in.get("/auth/check/")).status_code == 401
    for proof in (letter.proof, {"email": EMAIL, "code": letter.code}):
        assert (await confirm(client, proof, "a third password")).json()["code"] == "bad_code"
    assert await knows(NEW)


async def test_a_reset_ends_api_keys_too_for_a_thief_may_have_made_them(
    client: httpx.AsyncClient, signed_in: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    made = await signed_in.post("/auth/api-keys/", json={"name": "back door", "scopes": ["products:read"]})
    await ask(client)
    await confirm(client, (await last_letter(EMAIL)).proof)
    monkeypatch.setattr(api_keys, "memory", api_keys.Memory())
    async with make_client(Authorization=f"Bearer {made.json()['secret']}") as machine:
        assert (await machine.get("/auth/check/")).status_code == 401


async def test_a_reset_proves_the_address_too(client: httpx.AsyncClient):
    user = await users.create_user(email=EMAIL, username="lina", password=PASSWORD)
    await ask(client)
    await confirm(client, (await last_letter(EMAIL)).proof)
    assert (await users.get_by_id(user.id)).email_verified_at is not None
    signed_in = await client.post("/auth/jwt/create/", json={"email": EMAIL, "password": NEW})
    assert signed_in.status_code == 200


async def test_a_password_that_is_refused_leaves_the_code_good(client: httpx.AsyncClient, lina: Profile):
    await ask(client)
    proof = (await last_letter(EMAIL)).proof
    for unfit in ("short", EMAIL, "lina"):
        answer = await confirm(client, proof, unfit)
        assert [error["field"] for error in answer.json()["errors"]] == ["new_password"]
    assert (await confirm(client, proof)).status_code == 204


@pytest.mark.parametrize("email", ["nobody@example.com", "gone@example.com", "lina", "", "%", "no address", "\u2028"])
async def test_asking_tells_nobody_whether_there_is_an_account(client: httpx.AsyncClient, lina: Profile, email: str):
    gone = await users.create_user(email="gone@example.com", username="gone", password=PASSWORD, is_verified=True)
    await users.deactivate(gone.id)
    known, unknown = await ask(client), await ask(client, email)
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (204, b"")
    assert await letters(email) == []


async def test_asking_takes_as_long_for_an_unknown_address(lina: Profile, monkeypatch: pytest.MonkeyPatch):
    """With so long a time that the few rows are far from it on any machine."""
    monkeypatch.setattr(pace, "STEADY_SECONDS", 0.4)

    async def seconds(email: str) -> float:
        begun = time.perf_counter()
        await resets._request_reset(email) if email == "warm" else await pace.steady(resets._request_reset(email))
        return time.perf_counter() - begun

    await seconds("warm")
    known, unknown = [], []
    for _ in range(4):
        known.append(await seconds(EMAIL))
        unknown.append(await seconds("nobody@example.com"))
    assert min(known + unknown) >= pace.STEADY_SECONDS * 0.95
    # Of each the quickest: a machine with more to do makes some longer, and none shorter.
    assert abs(min(known) - min(unknown)) < pace.STEADY_SECONDS / 5


@pytest.mark.parametrize(
    "proof", [{"email": EMAIL, "code": "222222"}, {"email": "nobody@example.com", "code": "222222"}]
)
async def test_a_wrong_code_costs_one_hash_whether_there_is_an_account_or_not(
    client: httpx.AsyncClient, lina: Profile, proof: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    hashed: list[str] = []
    hash_password = passwords.hash_password

    async def counting(password: str) -> str:
        hashed.append(password)
        return await hash_password(password)

    monkeypatch.setattr(passwords, "hash_password", counting)
    answer = await confirm(client, proof)
    assert (answer.json()["code"], len(hashed)) == ("bad_code", 1)


async def test_a_reset_gives_a_password_to_somebody_who_had_none(client: httpx.AsyncClient, lina: Profile):
    await execute("UPDATE users SET password = ''")
    await ask(client)
    assert (await confirm(client, (await last_letter(EMAIL)).proof)).status_code == 204
    assert await knows(NEW)


async def test_secrets_are_never_logged(
    client: httpx.AsyncClient,
    signed_in: httpx.AsyncClient,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):
    await set_password(signed_in, "a wrong password")
    await ask(client)
    letter = await last_letter(EMAIL)
    await confirm(client, {"email": EMAIL, "code": letter.code})
    written = caplog.text + "".join(capfd.readouterr())
    for secret in (PASSWORD, NEW, "a wrong password", letter.code, letter.proof["token"]):
        assert secret not in written
