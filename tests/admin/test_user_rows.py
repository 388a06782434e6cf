"""Users as administrators make and change them in the site: by the rules of the API, and never the last one away."""

import httpx
import pytest

from domains.accounts import passwords
from domains.accounts.tables import Role
from piccolo_conf import fetch_row, fetch_value
from tests.admin.visiting import TABLES
from tests.conftest import make_user

USERS = f"{TABLES}/users/"
NEW = {
    "username": "carla",
    "email": "carla@example.com",
    "first_name": "Carla",
    "last_name": None,
    "role": "staff",
    "active": "true",
    "password": "correct horse battery",
}


async def test_a_new_user_can_sign_in_with_the_password_that_was_given(site: httpx.AsyncClient) -> None:
    assert (await site.post(USERS, json=NEW)).status_code == 201
    row = await fetch_row("SELECT role, admin, active, password FROM users WHERE username = 'carla'")
    assert row is not None
    assert tuple(row)[:3] == ("staff", False, True)
    assert await passwords.is_password("correct horse battery", row["password"])


async def test_a_new_admin_has_what_the_role_gives(site: httpx.AsyncClient) -> None:
    await site.post(USERS, json=NEW | {"role": "admin", "active": "false"})
    row = await fetch_row("SELECT role, admin, superuser, active FROM users WHERE username = 'carla'")
    assert row is not None
    assert tuple(row) == ("admin", True, False, False)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"password": "short"}, 422),
        ({"password": ""}, 422),
        ({"email": "nobody"}, 422),
        ({"email": "ADA@example.com"}, 409),
        ({"username": "Ada"}, 409),
        ({"username": "a b"}, 422),
        ({"role": "king"}, 422),
        ({"admin": "true"}, 422),
        ({"superuser": "true"}, 422),
        ({"email_verified_at": "2026-01-01T00:00:00Z"}, 422),
    ],
)
async def test_a_new_user_keeps_the_rules(site: httpx.AsyncClient, fields: dict[str, str], status: int) -> None:
    response = await site.post(USERS, json=NEW | fields)
    assert response.status_code == status, response.text
    assert await fetch_value("SELECT count(*) FROM users") == 1


async def test_a_change_of_role_keeps_admin_in_step_and_ends_sessions(
    site: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    user_id = await fetch_value("SELECT id FROM users WHERE username = 'stan'")
    form = {"username": "stan", "email": "stan@example.com", "first_name": None, "last_name": "", "active": "true"}
    assert (await site.patch(f"{USERS}{user_id}/", json=form | {"role": "admin"})).status_code == 200
    row = await fetch_row("SELECT role, admin, superuser FROM users WHERE id = $1", user_id)
    assert row is not None
    assert tuple(row) == ("admin", True, False)
    assert (await staff.get("/api/products/")).status_code == 401


async def test_a_deactivated_user_is_out_at_once(site: httpx.AsyncClient, staff: httpx.AsyncClient) -> None:
    user_id = await fetch_value("SELECT id FROM users WHERE username = 'stan'")
    assert (await site.patch(f"{USERS}{user_id}/", json={"active": "false"})).status_code == 200
    assert (await staff.get("/api/products/")).status_code == 401


@pytest.mark.parametrize("change", [{"role": "staff"}, {"active": "false"}])
async def test_the_last_admin_stays(site: httpx.AsyncClient, change: dict[str, str]) -> None:
    response = await site.patch(f"{USERS}1/", json=change)
    assert response.status_code == 409
    assert "last administrator" in response.text
    assert (await site.get(f"{TABLES}/")).status_code == 200


async def test_a_password_is_not_changed_by_others(site: httpx.AsyncClient) -> None:
    user_id = await make_user(Role.CUSTOMER, "carla")
    response = await site.patch(f"{USERS}{user_id}/", json={"password": "correct horse battery"})
    assert response.status_code == 422
    assert "owner" in response.json()["detail"][0]["msg"]
    assert (await site.patch(f"{USERS}{user_id}/", json={"password": "", "first_name": "C"})).status_code == 200


async def test_users_are_not_deleted(site: httpx.AsyncClient) -> None:
    response = await site.delete(f"{USERS}1/")
    assert response.status_code == 409
    assert "deactivate" in response.text


async def test_a_form_for_a_new_user_begins_active_and_asks_for_a_password(site: httpx.AsyncClient) -> None:
    assert (await site.get(f"{USERS}new/")).json()["active"] is True
    assert "password" in (await site.get(f"{USERS}schema/")).json()["properties"]
