"""API keys: made, used, limited, revoked; never a session, and never more than their owner."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from domains.accounts import api_keys, management, revocations, scopes, users
from domains.accounts.account_schemas import UserPatch
from domains.accounts.scopes import ROLE_SCOPES, Scope
from domains.accounts.tables import Role
from lib import clock
from lib.signing import digest_of
from piccolo_conf import execute, fetch_row, fetch_value
from settings import Settings
from tests.conftest import make_client, sign_in_as

KEYS = "/auth/api-keys/"
READING = ["products:read"]


@pytest.fixture(autouse=True)
async def forgetful(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids begin anew in every test, and so does the memory; what was noted of a key before is noted by now."""
    await asyncio.gather(*api_keys._notes)
    monkeypatch.setattr(api_keys, "memory", api_keys.Memory())


async def make(client: httpx.AsyncClient, **wanted: Any) -> dict[str, Any]:
    answer = await client.post(KEYS, json={"name": "Till", "scopes": READING, **wanted})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def with_key(secret: str, scheme: str = "Bearer") -> httpx.AsyncClient:
    return make_client(Authorization=f"{scheme} {secret}")


async def status(secret: str, path: str = "/api/products/") -> int:
    async with with_key(secret) as machine:
        return (await machine.get(path)).status_code


class TestMaking:
    async def test_the_secret_is_shown_once(self, staff: httpx.AsyncClient) -> None:
        answer = await staff.post(KEYS, json={"name": "Till", "scopes": READING})
        secret = answer.json()["secret"]
        assert (len(secret), secret[:3], answer.headers["cache-control"]) == (46, "sk_", "no-store")
        listed = await staff.get(KEYS)
        assert secret not in listed.text
        assert listed.json()["results"][0] == {
            "id": 1,
            "name": "Till",
            "prefix": secret[:9],
            "scopes": READING,
            "created_at": answer.json()["created_at"],
            "expires_at": None,
            "last_used_at": None,
            "revoked_at": None,
        }

    async def test_only_a_digest_is_stored(self, staff: httpx.AsyncClient) -> None:
        secret = (await make(staff))["secret"]
        row = await fetch_row("SELECT digest, api_key::text AS everything FROM api_key")
        assert row is not None
        assert row["digest"] == digest_of(secret)
        assert secret[9:] not in row["everything"]

    @pytest.mark.parametrize("foreign", ["products:delete", "users:write", "account:own"])
    async def test_a_scope_that_is_not_the_owners_is_named(self, staff: httpx.AsyncClient, foreign: str) -> None:
        answer = await staff.post(KEYS, json={"name": "Till", "scopes": [*READING, foreign]})
        assert answer.status_code == 400
        assert answer.json()["errors"] == [{"field": "scopes", "message": f"{foreign} is not yours to give to a key"}]
        assert await fetch_value("SELECT count(*) FROM api_key") == 0

    @pytest.mark.parametrize(
        ("wish", "field"),
        [
            ({"name": ""}, "name"),
            ({"name": "   "}, "name"),
            ({"name": "a\nb"}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"scopes": []}, "scopes"),
            ({"scopes": ["everything"]}, "scopes[0]"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
            ({"expires_at": "2040-01-01T00:00:00"}, "expires_at"),
            ({"owner": 1}, "owner"),
            ({"last_used_at": None}, "last_used_at"),
        ],
    )
    async def test_a_wrong_wish_is_told(self, staff: httpx.AsyncClient, wish: dict[str, Any], field: str) -> None:
        answer = await staff.post(KEYS, json={"name": "Till", "scopes": READING, **wish})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)

    async def test_a_session_that_has_ended_makes_no_key_where_that_is_not_known_yet(
        self, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Otherwise a thief in the last second of a session keeps the account by a key."""

        async def not_that_we_know(_family: str) -> bool:
            return False

        monkeypatch.setattr(revocations, "has_ended", not_that_we_know)
        await execute("UPDATE user_session SET revoked_at = now()")
        answer = await staff.post(KEYS, json={"name": "Till", "scopes": READING})
        assert (answer.status_code, await fetch_value("SELECT count(*) FROM api_key")) == (401, 0)

    async def test_fifty_live_keys_are_the_most(self, customer: httpx.AsyncClient) -> None:
        await execute(
            """INSERT INTO api_key (owner, name, prefix, digest, scopes, created_at, expires_at)
               SELECT users.id, 'k', 'sk_', n::text::bytea, '{}', now(), CASE n WHEN 51 THEN now() END
               FROM users, generate_series(1, 51) AS n WHERE username = 'carla'"""
        )
        await execute("UPDATE api_key SET revoked_at = now() WHERE id = 1")
        answers = await asyncio.gather(*[customer.post(KEYS, json={"name": "x", "scopes": READING}) for _ in range(4)])
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert refused.json()["code"] == "too_many_api_keys"

    async def test_a_list_goes_in_pages(self, customer: httpx.AsyncClient) -> None:
        for name in ("a", "b", "c"):
            await make(customer, name=name)
        page = (await customer.get(KEYS, params={"page_size": 2})).json()
        assert ([key["name"] for key in page["results"]], page["count"]) == (["c", "b"], 3)
        assert page["next"].endswith("page=2&page_size=2")


class TestUse:
    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token", "JWT"])
    async def test_a_key_opens_what_its_scopes_say(self, staff: httpx.AsyncClient, scheme: str) -> None:
        secret = (await make(staff, scopes=["products:read", "products:write"]))["secret"]
        async with with_key(secret, scheme) as machine:
            assert (await machine.get("/api/products/")).status_code == 200
            assert (await machine.post("/api/products/", json={"sku": "A", "name": "A"})).status_code == 201
            assert (await machine.get("/api/jobs/")).json()["code"] == "missing_scope"

    async def test_a_change_by_a_key_tells_which_key(self, staff: httpx.AsyncClient) -> None:
        made = await make(staff, scopes=["products:write"])
        async with with_key(made["secret"]) as machine:
            await machine.post("/api/products/", json={"sku": "A", "name": "A"})
        event = (await staff.get("/api/products/1/history/")).json()["results"][0]
        assert (event["actor"], event["source"], event["reference"]) == ("stan", "api", f"api_key:{made['id']}")

    async def test_check_tells_the_key_and_its_scopes(self, staff: httpx.AsyncClient) -> None:
        made = await make(staff)
        async with with_key(made["secret"]) as machine:
            answer = (await machine.get("/auth/check/")).json()
        assert (answer["username"], answer["scopes"], answer["api_key_id"]) == ("stan", READING, made["id"])

    @pytest.mark.parametrize("path", [KEYS, "/auth/api-keys/1/"])
    async def test_a_key_makes_sees_and_revokes_no_keys(self, admin: httpx.AsyncClient, path: str) -> None:
        every = sorted(ROLE_SCOPES[Role.ADMIN] - {Scope.ACCOUNT_OWN})
        async with with_key((await make(admin, scopes=every))["secret"]) as machine:
            method = "GET" if path == KEYS else "DELETE"
            assert (await machine.request(method, path)).status_code == 403
            assert (await machine.post(KEYS, json={"name": "x", "scopes": READING})).status_code == 403

    async def test_no_key_speaks_for_its_owners_account_whatever_its_row_says(self, staff: httpx.AsyncClient) -> None:
        secret = (await make(staff))["secret"]
        await execute("UPDATE api_key SET scopes = '{account:own}'")
        assert await status(secret, "/auth/users/me/") == 403

    async def test_a_key_is_no_session(self, staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
        secret = (await make(staff))["secret"]
        async with with_key(secret) as machine:
            answer = await machine.post("/auth/logout/", json={"everywhere": True})
        assert (answer.status_code, answer.json()["code"]) == (403, "key_has_no_session")
        assert (await staff.get("/auth/check/")).json()["authenticated"]
        assert (await client.post("/auth/jwt/verify/", json={"token": secret})).status_code == 401
        assert (await client.post("/auth/jwt/refresh/", json={"refresh": secret})).status_code == 401

    async def test_a_lost_role_takes_the_scope_from_the_key(
        self, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with await sign_in_as(Role.STAFF, "stella") as stella:
            secret = (await make(stella, scopes=["products:read", "imports:write"]))["secret"]
        assert await status(secret, "/api/jobs/") == 200
        await management.change_user((await users.get_user("stella")).id, UserPatch(role=Role.CUSTOMER))
        api_keys.memory.known.clear()
        assert (await status(secret, "/api/jobs/"), await status(secret)) == (403, 200)

    async def test_a_setting_takes_the_scope_from_the_key(
        self, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        secret = (await make(staff, scopes=["products:write"]))["secret"]
        monkeypatch.setattr(scopes, "settings", Settings(staff_can_edit_products=False))
        async with with_key(secret) as machine:
            assert (await machine.post("/api/products/", json={"sku": "A", "name": "A"})).status_code == 403

    async def test_its_last_use_is_noted_once_a_minute(self, staff: httpx.AsyncClient) -> None:
        secret = (await make(staff))["secret"]
        for _ in range(3):
            api_keys.memory.known.clear()
            assert await status(secret) == 200
            await asyncio.gather(*api_keys._notes)
        first = await fetch_value("SELECT last_used_at FROM api_key")
        assert clock.now() - first < timedelta(seconds=30)
        assert await fetch_value("SELECT count(*) FROM api_key WHERE last_used_at = $1", first) == 1

    async def test_a_use_that_cannot_be_noted_is_none_the_worse(
        self, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        secret = (await make(staff))["secret"]
        monkeypatch.setattr(api_keys, "NOTE_USE", "UPDATE nowhere SET x = $1 WHERE $2 = $3")
        assert await status(secret) == 200
        await asyncio.gather(*api_keys._notes)


class TestEnd:
    async def test_a_revoked_key_is_dead_at_once(self, staff: httpx.AsyncClient) -> None:
        made = await make(staff)
        assert await status(made["secret"]) == 200
        assert (await staff.delete(f"{KEYS}{made['id']}/")).status_code == 204
        assert await status(made["secret"]) == 401
        assert (await staff.get(KEYS)).json()["results"][0]["revoked_at"] is not None

    async def test_revoking_twice_keeps_the_first_time(self, staff: httpx.AsyncClient) -> None:
        made = await make(staff)
        await staff.delete(f"{KEYS}{made['id']}/")
        first = await fetch_value("SELECT revoked_at FROM api_key")
        assert (await staff.delete(f"{KEYS}{made['id']}/")).status_code == 204
        assert await fetch_value("SELECT revoked_at FROM api_key") == first

    async def test_a_key_revoked_elsewhere_is_dead_within_a_second(self, staff: httpx.AsyncClient) -> None:
        secret = (await make(staff))["secret"]
        assert await status(secret) == 200
        await execute("UPDATE api_key SET revoked_at = now()")
        await asyncio.sleep(1)
        assert await status(secret) == 401

    async def test_an_answer_older_than_a_revocation_is_not_kept(self, staff: httpx.AsyncClient) -> None:
        made = await make(staff)
        asking = asyncio.create_task(api_keys._look_up(digest_of(made["secret"])))
        await asyncio.sleep(0)
        api_keys.memory.forget(made["id"])
        await asking
        assert api_keys.memory.known == {}

    async def test_somebody_elses_key_is_not_found(self, staff: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
        made = await make(staff)
        answer = await admin.delete(f"{KEYS}{made['id']}/")
        assert (answer.status_code, answer.json()["code"]) == (404, "api_key_not_found")
        assert (await admin.get(KEYS)).json()["results"] == []
        assert await status(made["secret"]) == 200

    async def test_what_is_too_large_to_be_an_id_is_not_found(self, staff: httpx.AsyncClient) -> None:
        answer = await staff.delete(f"{KEYS}{2**31}/")
        assert (answer.status_code, answer.json()["code"]) == (404, "api_key_not_found")

    async def test_an_expired_key_is_refused_also_when_it_is_remembered(
        self, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ends = clock.now() + timedelta(minutes=1)
        secret = (await make(staff, expires_at=ends.isoformat()))["secret"]
        assert await status(secret) == 200
        monkeypatch.setattr(clock, "now", lambda: ends)
        assert await status(secret) == 401

    async def test_the_key_of_somebody_deactivated_is_refused(self, staff: httpx.AsyncClient) -> None:
        secret = (await make(staff))["secret"]
        await users.deactivate((await users.get_user("stan")).id)
        assert await status(secret) == 401


class TestStrangers:
    @pytest.mark.parametrize(
        "secret", ["sk_", "sk_x", f"sk_{'a' * 42}", f"sk_{'a' * 44}", f"sk_{'a' * 42}!", f"SK_{'a' * 43}", "sk_" * 9999]
    )
    async def test_what_cannot_be_a_key_asks_nobody(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, secret: str
    ) -> None:
        monkeypatch.setattr(api_keys, "fetch_row", None)
        answer = await client.get("/api/products/", headers={"Authorization": f"Bearer {secret}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_token")

    async def test_an_unknown_key_asks_once_a_second(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers = {"Authorization": f"Bearer sk_{'a' * 43}"}
        assert (await client.get("/api/products/", headers=headers)).status_code == 401
        monkeypatch.setattr(api_keys, "fetch_row", None)
        assert (await client.get("/api/products/", headers=headers)).status_code == 401

    async def test_the_memory_of_keys_is_bounded(self, database: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(api_keys, "MOST_KNOWN", 3)
        for number in range(10):
            assert await status(f"sk_{number:043}") == 401
        assert len(api_keys.memory.known) == 3

    @pytest.mark.parametrize(("method", "path"), [("GET", KEYS), ("POST", KEYS), ("DELETE", f"{KEYS}1/")])
    async def test_nobody_unknown_comes_in(self, client: httpx.AsyncClient, method: str, path: str) -> None:
        assert (await client.request(method, path)).status_code == 401
