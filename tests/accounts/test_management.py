"""Users as administrators manage them, and customers as the staff sees them."""

import asyncio
from typing import Any

import httpx
import pytest

from domains.accounts import sessions, users
from domains.accounts.schemas import TokensOut
from domains.accounts.tables import Role
from piccolo_conf import execute, fetch_row
from tests.accounts.letters import templates
from tests.conftest import make_client, make_user

PASSWORD = "correct horse battery"


@pytest.fixture
async def otto(database: None) -> int:
    return await make_user(Role.CUSTOMER, "otto")


async def is_accepted(started: TokensOut) -> bool:
    async with make_client(Authorization=f"Bearer {started.access}") as client:
        return (await client.get("/auth/check/")).status_code == 200


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [user["username"] for user in answer.json()["results"]]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/1"), ("PATCH", "/1"), ("DELETE", "/1")],
)
async def test_only_admins_manage_users(
    client: httpx.AsyncClient, customer: httpx.AsyncClient, staff: httpx.AsyncClient, method: str, path: str
):
    statuses = [
        (await one.request(method, f"/auth/users{path}", json={})).status_code for one in (client, customer, staff)
    ]
    assert statuses == [401, 403, 403]


async def test_users_are_listed_newest_first(admin: httpx.AsyncClient, otto: int):
    answer = await admin.get("/auth/users/")
    assert names(answer) == ["otto", "ada"]
    assert (answer.json()["count"], answer.json()["count_is_exact"]) == (2, True)
    assert "password" not in answer.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("role=customer", ["otto"]),
        ("role=admin&active=true", ["ada"]),
        ("active=false", []),
        ("search=OTT", ["otto"]),
        ("search=ada@example", ["ada"]),
        ("search=example otto", ["otto"]),
        ("search=%25", []),
        ("search=_", []),
        ("search=Berg", ["otto"]),
        ("ordering=username", ["ada", "otto"]),
        ("ordering=-email", ["otto", "ada"]),
        ("ordering=last_login_at,id", ["otto", "ada"]),
        ("page_size=1&page=2", ["ada"]),
        ("limit=1&offset=1", ["ada"]),
        ("page=9", []),
    ],
)
async def test_the_list_is_filtered_sorted_and_paged(
    admin: httpx.AsyncClient, otto: int, query: str, expected: list[str]
):
    await execute("UPDATE users SET last_name = 'Berg' WHERE id = $1", otto)
    assert names(await admin.get(f"/auth/users/?{query}")) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("role=root", "role"),
        ("active=perhaps", "active"),
        ("ordering=password", "ordering"),
        ("ordering=id;drop table users", "ordering"),
        ("password=x", "password"),
        ("after=x", "after"),
        ("role=admin&role=staff", "role"),
        ("page=0", "page"),
        ("page_size=101", "page_size"),
        ("search=" + "x" * 501, "search"),
        ("search=" + "x " * 11, "search"),
    ],
)
async def test_what_the_list_does_not_know_is_told(admin: httpx.AsyncClient, query: str, field: str):
    answer = await admin.get(f"/auth/users/?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


async def test_neighbouring_pages_are_told(admin: httpx.AsyncClient, otto: int):
    first = (await admin.get("/auth/users/?page_size=1&ordering=id")).json()
    second = (await admin.get(first["next"])).json()
    assert (first["previous"], second["next"]) == (None, None)
    assert [user["username"] for user in (*first["results"], *second["results"])] == ["ada", "otto"]


@pytest.mark.parametrize("key", ["0", "-1", "12345", "2147483648", "9" * 30, "x", "%00", "1.0"])
@pytest.mark.parametrize("path", ["/auth/users", "/api/customers"])
async def test_nobody_has_a_strange_id(admin: httpx.AsyncClient, path: str, key: str):
    answer = await admin.get(f"{path}/{key}")
    assert answer.status_code == (400 if key == "%00" else 404)


async def test_an_admin_changes_a_user(admin: httpx.AsyncClient, otto: int):
    change = {"role": "staff", "username": "otto.b", "first_name": "Otto", "last_name": "Berg"}
    answer = await admin.patch(f"/auth/users/{otto}/", json=change)
    assert answer.status_code == 200
    assert answer.json() == (await admin.get(f"/auth/users/{otto}/")).json()
    assert {name: answer.json()[name] for name in change} == change
    assert answer.json()["email"] == "otto@example.com"


@pytest.mark.parametrize("change", [{"role": "staff"}, {"active": False}, {"email": "new@example.com"}])
async def test_another_role_address_or_leave_ends_sessions(admin: httpx.AsyncClient, otto: int, change: dict[str, Any]):
    started = await sessions.start_session(otto)
    await admin.patch(f"/auth/users/{otto}/", json=change)
    assert not await is_accepted(started)


@pytest.mark.parametrize("change", [{}, {"first_name": "Otto"}, {"role": "customer", "active": True}])
async def test_what_changes_no_rights_ends_no_session(admin: httpx.AsyncClient, otto: int, change: dict[str, Any]):
    started = await sessions.start_session(otto)
    assert (await admin.patch(f"/auth/users/{otto}/", json=change)).status_code == 200
    assert await is_accepted(started)


async def test_an_admin_vouches_for_an_address_and_the_old_one_is_told(admin: httpx.AsyncClient, database: None):
    user = await users.create_user(email="otot@example.com", username="otto", password=PASSWORD)
    answer = await admin.patch(f"/auth/users/{user.id}/", json={"email": "otto@example.com"})
    assert (answer.json()["email"], answer.json()["email_verified_at"] is None) == ("otto@example.com", False)
    assert await templates("otot@example.com") == ["email_changed"]


@pytest.mark.parametrize(
    ("change", "status", "fields"),
    [
        ({"email": "ADA@example.com"}, 409, ["email"]),
        ({"username": "Ada", "email": "ada@example.com"}, 409, ["email", "username"]),
        ({"email": "nobody"}, 400, ["email"]),
        ({"username": "x"}, 400, ["username"]),
        ({"role": "root"}, 400, ["role"]),
        ({"role": None}, 400, ["role"]),
        ({"active": "no"}, 400, ["active"]),
        ({"superuser": True, "password": "x", "id": 5, "admin": True}, 400, ["superuser", "password", "id", "admin"]),
    ],
)
async def test_a_change_that_is_refused_changes_nothing(
    admin: httpx.AsyncClient, otto: int, change: dict[str, Any], status: int, fields: list[str]
):
    before = await fetch_row("SELECT * FROM users WHERE id = $1", otto)
    answer = await admin.patch(f"/auth/users/{otto}/", json=change)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (status, fields)
    assert await fetch_row("SELECT * FROM users WHERE id = $1", otto) == before


async def test_a_deactivated_user_is_out_and_may_come_back(admin: httpx.AsyncClient, client: httpx.AsyncClient):
    user = await users.create_user(email="otto@example.com", username="otto", password=PASSWORD, is_verified=True)
    started, credentials = await sessions.start_session(user.id), {"username": "otto", "password": PASSWORD}
    assert (await admin.delete(f"/auth/users/{user.id}/")).status_code == 204
    assert not await is_accepted(started)
    assert (await client.post("/auth/jwt/create/", json=credentials)).status_code == 401
    await admin.patch(f"/auth/users/{user.id}/", json={"active": True})
    assert (await client.post("/auth/jwt/create/", json=credentials)).status_code == 200


async def test_the_last_admin_stays(admin: httpx.AsyncClient):
    me = (await admin.get("/auth/users/me/")).json()["id"]
    answers = [
        await admin.patch(f"/auth/users/{me}/", json={"role": "staff"}),
        await admin.patch(f"/auth/users/{me}/", json={"active": False}),
        await admin.delete(f"/auth/users/{me}/"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "last_admin")] * 3
    assert (await admin.get("/auth/users/me/")).json()["role"] == "admin"


async def test_of_two_admins_who_demote_each_other_one_stays(admin: httpx.AsyncClient):
    other = await make_user(Role.ADMIN, "olga")
    me = (await admin.get("/auth/users/me/")).json()["id"]
    started = await sessions.start_session(other)
    async with make_client(Authorization=f"Bearer {started.access}") as olga:
        answers = await asyncio.gather(
            admin.patch(f"/auth/users/{other}/", json={"role": "staff"}),
            olga.patch(f"/auth/users/{me}/", json={"role": "staff"}),
        )
    # The slower one is refused, or was no admin any more when asked.
    assert sorted(answer.status_code == 200 for answer in answers) == [False, True]


async def test_the_superuser_flag_goes_with_the_role(admin: httpx.AsyncClient):
    boss = await users.ensure_admin("boss@example.com", PASSWORD)
    demoted = await admin.patch(f"/auth/users/{boss.id}/", json={"role": "staff"})
    raised = await admin.patch(f"/auth/users/{boss.id}/", json={"role": "admin"})
    assert [answer.json()["superuser"] for answer in (demoted, raised)] == [False, False]


async def test_the_staff_sees_customers_and_nobody_else(
    client: httpx.AsyncClient,
    customer: httpx.AsyncClient,
    staff: httpx.AsyncClient,
    admin: httpx.AsyncClient,
    otto: int,
):
    for one in (staff, admin):
        assert names(await one.get("/api/customers/")) == ["otto", "carla"]
    assert [(await one.get("/api/customers/")).status_code for one in (client, customer)] == [401, 403]


async def test_a_customer_in_detail(customer: httpx.AsyncClient, staff: httpx.AsyncClient, otto: int):
    found = await staff.get(f"/api/customers/{otto}/")
    assert (found.status_code, found.json()["email"]) == (200, "otto@example.com")
    assert {"role", "superuser", "password"}.isdisjoint(found.json())
    assert (await customer.get(f"/api/customers/{otto}/")).status_code == 403


async def test_a_colleague_is_no_customer(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    for client in (staff, admin):
        me = (await client.get("/auth/users/me/")).json()["id"]
        answer = await staff.get(f"/api/customers/{me}/")
        assert (answer.status_code, answer.json()["code"]) == (404, "customer_not_found")


async def test_customers_are_searched_sorted_and_paged(
    customer: httpx.AsyncClient, staff: httpx.AsyncClient, otto: int
):
    assert names(await staff.get("/api/customers/?search=car")) == ["carla"]
    assert names(await staff.get("/api/customers/?ordering=username&page_size=1")) == ["carla"]
    assert names(await staff.get("/api/customers/?active=false")) == []
    answer = await staff.get("/api/customers/?role=admin")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "role")
