"""One's own account: names, address, leaving."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from domains.accounts import profiles, resets, sessions, users
from domains.accounts.account_schemas import EmailProofIn, ProfilePatch
from domains.accounts.schemas import Device, Profile, anonymous
from domains.accounts.tables import Role
from piccolo_conf import execute, fetch, fetch_row, fetch_value
from tests.accounts.letters import last_letter, letters, templates
from tests.conftest import make_client

PASSWORD = "correct horse battery"
EMAIL = "lina@example.com"
NEW = "new@example.com"


@pytest.fixture
async def lina(database: None) -> Profile:
    return await users.create_user(
        email=EMAIL, username="lina", password=PASSWORD, first_name="Lina", last_name="Berg", is_verified=True
    )


@pytest.fixture
async def signed_in(lina: Profile) -> httpx.AsyncClient:
    return await sign_in(lina.id)


async def sign_in(user_id: int) -> httpx.AsyncClient:
    started = await sessions.start_session(user_id, Device("Tester/1.0", "192.0.2.7"))
    return make_client(Authorization=f"Bearer {started.access}")


async def leave(client: httpx.AsyncClient, password: str = PASSWORD) -> httpx.Response:
    return await client.request("DELETE", "/auth/users/me/", json={"current_password": password})


async def ask_for_email(client: httpx.AsyncClient, email: str = NEW, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/auth/users/set_email/", json={"current_password": password, "new_email": email})


async def confirm_email(client: httpx.AsyncClient, **proof: str) -> httpx.Response:
    return await client.post("/auth/users/set_email_confirm/", json=proof)


async def test_everybody_reads_their_own_profile(customer: httpx.AsyncClient, stranger: httpx.AsyncClient):
    for client, name in ((customer, "carla"), (stranger, "otto")):
        answer = await client.get("/auth/users/me/")
        assert (answer.status_code, answer.json()["username"]) == (200, name)
        assert answer.headers["cache-control"] == "no-store"
        assert "password" not in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "me"),
        ("PATCH", "me"),
        ("DELETE", "me"),
        ("PUT", "me/avatar"),
        ("POST", "set_password"),
        ("POST", "set_email"),
    ],
)
async def test_who_is_not_signed_in_has_no_profile(client: httpx.AsyncClient, method: str, path: str):
    assert (await client.request(method, f"/auth/users/{path}", json={})).status_code == 401


async def test_names_are_changed_and_the_rest_stays(signed_in: httpx.AsyncClient, lina: Profile):
    answer = await signed_in.patch("/auth/users/me/", json={"first_name": " Lina Maria ", "username": "lina.b"})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["first_name"], found["last_name"], found["username"]) == ("Lina Maria", "Berg", "lina.b")
    assert (found["email"], found["role"], found["id"]) == (EMAIL, "customer", lina.id)
    assert (await signed_in.patch("/auth/users/me/", json={})).json() == found


@pytest.mark.parametrize(
    ("change", "status", "fields"),
    [
        ({"username": "CARLA"}, 409, ["username"]),
        ({"username": "no"}, 400, ["username"]),
        ({"username": "deleted-7"}, 400, ["username"]),
        ({"username": "System"}, 400, ["username"]),
        ({"username": None}, 400, ["username"]),
        ({"first_name": "a\nb", "last_name": "x" * 256}, 400, ["first_name", "last_name"]),
        ({"first_name": "\0"}, 400, ["first_name"]),
        ({"email": NEW}, 400, ["email"]),
        ({"role": "admin", "superuser": True}, 400, ["role", "superuser"]),
    ],
)
async def test_what_cannot_be_changed_is_told(
    signed_in: httpx.AsyncClient, customer: httpx.AsyncClient, change: dict[str, Any], status: int, fields: list[str]
):
    before = await fetch_row("SELECT * FROM users WHERE username = 'lina'")
    answer = await signed_in.patch("/auth/users/me/", json=change)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (status, fields)
    assert await fetch_row("SELECT * FROM users WHERE username = 'lina'") == before


async def test_who_leaves_takes_along_what_tells_who_they_were(signed_in: httpx.AsyncClient, lina: Profile):
    assert (await leave(signed_in)).status_code == 204
    row = await fetch_row("SELECT * FROM users WHERE id = $1", lina.id)
    assert row is not None
    assert (row["username"], row["email"]) == (f"deleted-{lina.id}", f"deleted-{lina.id}@deleted.invalid")
    assert (row["first_name"], row["last_name"], row["password"], row["active"]) == ("", "", "", False)
    rows = await fetch("SELECT user_agent, ip, revoked_at FROM user_session")
    assert [(row["user_agent"], row["ip"], row["revoked_at"] is None) for row in rows] == [("", "", False)]
    assert (await signed_in.get("/auth/check/")).status_code == 401


async def test_who_has_left_leaves_name_and_address_to_others(signed_in: httpx.AsyncClient, lina: Profile):
    await leave(signed_in)
    again = await users.create_user(email=EMAIL, username="lina", password=PASSWORD)
    assert again.id != lina.id


async def test_keys_codes_and_picture_go_with_who_leaves(signed_in: httpx.AsyncClient, lina: Profile):
    await ask_for_email(signed_in)
    await execute(
        """INSERT INTO api_key (owner, name, prefix, digest, scopes, created_at)
           VALUES ($1, 'till', 'sk_1', 'x', '{}', now())""",
        lina.id,
    )
    await execute("""INSERT INTO avatar ("user", image, digest) VALUES ($1, 'x', 'y')""", lina.id)
    await leave(signed_in)
    assert await fetch_value("SELECT revoked_at IS NOT NULL FROM api_key")
    for table in ("avatar", "one_time_code", "known_address"):
        assert await fetch_value(f"SELECT count(*) FROM {table}") == 0


async def test_letters_go_with_who_leaves(signed_in: httpx.AsyncClient, lina: Profile):
    await resets.request_reset(EMAIL, Device())
    assert len(await letters(EMAIL)) == 1
    await leave(signed_in)
    assert await letters(EMAIL) == []


async def test_who_has_left_gets_no_new_name(signed_in: httpx.AsyncClient, lina: Profile):
    """By a request that was let in before: another process hears of the end within a second."""
    await leave(signed_in)
    with pytest.raises(users.UserNotFound):
        await profiles.update_profile(lina.id, ProfilePatch(username="lina", first_name="Lina"))


async def test_nobody_leaves_without_the_password(signed_in: httpx.AsyncClient, lina: Profile):
    for answer in (await leave(signed_in, "wrong"), await signed_in.request("DELETE", "/auth/users/me/", json={})):
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "current_password")
    assert (await users.get_by_id(lina.id)).active


async def test_the_last_admin_stays(database: None):
    boss = await users.ensure_admin("boss@example.com", PASSWORD)
    async with await sign_in(boss.id) as client:
        answer = await leave(client)
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert await users.get_by_id(boss.id)


async def test_of_two_admins_who_leave_at_once_one_stays(database: None):
    admins = [await users.ensure_admin(f"{name}@example.com", PASSWORD) for name in ("boss", "other")]
    left = await asyncio.gather(*(profiles.leave(admin.id, PASSWORD) for admin in admins), return_exceptions=True)
    assert Counter(type(one) for one in left) == {type(None): 1, users.LastAdmin: 1}


async def test_a_new_address_waits_until_it_is_proven(
    client: httpx.AsyncClient, signed_in: httpx.AsyncClient, lina: Profile
):
    assert (await ask_for_email(signed_in)).status_code == 204
    waiting = await users.get_by_id(lina.id)
    assert (waiting.email, waiting.email_verified_at is None) == (EMAIL, False)
    letter = await last_letter(NEW)
    assert "/accounts/email/?uid=" in letter.link
    changed = await confirm_email(client, **letter.proof)
    assert (changed.status_code, changed.json()["email"]) == (200, NEW)
    assert (await signed_in.get("/auth/check/")).status_code == 401


async def test_the_old_address_is_told_of_the_new_one(signed_in: httpx.AsyncClient, client: httpx.AsyncClient):
    await ask_for_email(signed_in)
    assert await letters(EMAIL) == []
    await confirm_email(client, **(await last_letter(NEW)).proof)
    assert (await templates(NEW), await templates(EMAIL)) == (["change_email"], ["email_changed"])
    assert NEW in (await last_letter(EMAIL)).text


async def test_what_was_mailed_before_a_change_of_address_works_no_more(
    client: httpx.AsyncClient, signed_in: httpx.AsyncClient
):
    """Also when the user comes back to the address that it was mailed to."""
    await resets.request_reset(EMAIL, Device())
    await ask_for_email(signed_in)
    await confirm_email(client, **(await last_letter(NEW)).proof)
    assert await fetch_value("SELECT count(*) FROM one_time_code WHERE used_at IS NULL") == 0


async def test_the_code_needs_its_owner_signed_in(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, signed_in: httpx.AsyncClient
):
    await ask_for_email(signed_in)
    code = (await last_letter(NEW)).code
    assert (await confirm_email(client, code=code)).status_code == 401
    assert (await confirm_email(stranger, code=code)).json()["code"] == "bad_code"
    assert (await confirm_email(signed_in, code=code)).json()["email"] == NEW


@pytest.mark.parametrize(
    ("email", "status", "field"),
    [
        (EMAIL, 400, "new_email"),
        ("nobody", 400, "new_email"),
        ("CARLA@example.com", 409, "email"),
        ("", 400, "new_email"),
    ],
)
async def test_an_address_that_cannot_be_the_new_one(
    signed_in: httpx.AsyncClient, customer: httpx.AsyncClient, email: str, status: int, field: str
):
    answer = await ask_for_email(signed_in, email)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)
    assert await fetch_value("SELECT count(*) FROM mail") == 0


async def test_the_case_of_ones_own_address_may_change(signed_in: httpx.AsyncClient, client: httpx.AsyncClient):
    assert (await ask_for_email(signed_in, "Lina@example.com")).status_code == 204
    changed = await confirm_email(client, **(await last_letter("Lina@example.com")).proof)
    assert changed.json()["email"] == "Lina@example.com"


async def test_no_address_is_changed_without_the_password(signed_in: httpx.AsyncClient):
    answer = await ask_for_email(signed_in, password="wrong")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "current_password")
    assert await letters(NEW) == []


async def test_who_registered_with_the_address_meanwhile_keeps_it(
    signed_in: httpx.AsyncClient, client: httpx.AsyncClient
):
    await ask_for_email(signed_in)
    await users.create_user(email=NEW.upper(), username="other", password=PASSWORD)
    answer = await confirm_email(client, **(await last_letter(NEW)).proof)
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert await fetch_value("SELECT email FROM users WHERE username = 'lina'") == EMAIL


async def test_of_twenty_who_confirm_at_once_one_succeeds(signed_in: httpx.AsyncClient, lina: Profile):
    await ask_for_email(signed_in)
    proof = EmailProofIn(**(await last_letter(NEW)).proof)
    made = await asyncio.gather(
        *(profiles.confirm_email_change(proof, anonymous(), Device(ip=f"192.0.2.{n}")) for n in range(20)),
        return_exceptions=True,
    )
    assert Counter(type(one).__name__ for one in made) == {"Profile": 1, "BadCode": 19}
    assert await templates(EMAIL) == ["email_changed"]


async def test_of_two_who_want_one_address_one_gets_it(database: None):
    proofs = []
    for name in ("lina", "mona"):
        user = await users.create_user(email=f"{name}@example.com", username=name, password=PASSWORD, is_verified=True)
        await profiles.request_email_change(user.id, PASSWORD, NEW, Device())
        proofs.append(EmailProofIn(**(await last_letter(NEW)).proof))
    made = await asyncio.gather(
        *(profiles.confirm_email_change(proof, anonymous(), Device()) for proof in proofs), return_exceptions=True
    )
    assert Counter(type(one).__name__ for one in made) == {"Profile": 1, "EmailTaken": 1}


async def test_a_machine_has_no_profile(admin: httpx.AsyncClient):
    made = await admin.post("/auth/api-keys/", json={"name": "till", "scopes": ["products:read", "users:write"]})
    async with make_client(Authorization=f"Bearer {made.json()['secret']}") as machine:
        assert (await machine.get("/auth/users/me/")).status_code == 403
        assert (await confirm_email(machine, code="222222")).status_code == 401
        assert (await machine.get("/auth/users/")).status_code == 200


async def test_a_customer_and_an_admin_have_the_same_way_out(database: None):
    await users.ensure_admin("boss@example.com", PASSWORD)
    for role in Role:
        user = await users.create_user(email=EMAIL, username="lina", password=PASSWORD, role=role, is_verified=True)
        async with await sign_in(user.id) as client:
            assert (await leave(client)).status_code == 204
