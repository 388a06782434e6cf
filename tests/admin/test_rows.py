"""Rows as they are written through the site: one transaction each, in somebody's name, by the rules of the API."""

from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from admin.hooks import OneTransaction
from domains.accounts import passwords
from domains.accounts.tables import Role
from piccolo_conf import execute, fetch, fetch_row, fetch_value
from tests.admin.visiting import TABLES, visit
from tests.conftest import make_user

PRODUCTS, USERS, LOCATIONS = f"{TABLES}/product/", f"{TABLES}/users/", f"{TABLES}/location/"
# All that the site's form for a product sends: text, and null for what is empty.
FORM: dict[str, Any] = {
    "sku": "A-1",
    "name": "Lamp",
    "description": "",
    "price": "29.90",
    "compare_at_price": None,
    "currency": "EUR",
    "is_active": "true",
    "low_stock_threshold": None,
    "brand": "Forge",
    "options": '{"Size": "M"}',
    "expiry_on": "2030-01-31",
    "attributes": "{}",
}


async def make(site: httpx.AsyncClient, **fields: Any) -> int:
    response = await site.post(PRODUCTS, json=FORM | fields)
    assert response.status_code == 201, response.text
    product_id: int = response.json()[0]["id"]
    return product_id


async def events() -> list[tuple[Any, ...]]:
    rows = await fetch("SELECT topic, actor_id, actor, source, changes::text FROM event ORDER BY id")
    return [tuple(row) for row in rows]


async def test_a_product_is_made_changed_and_deleted_in_somebodys_name(site: httpx.AsyncClient) -> None:
    product_id = await make(site)
    assert (await site.patch(f"{PRODUCTS}{product_id}/", json=FORM | {"price": "31"})).status_code == 200
    assert (await site.delete(f"{PRODUCTS}{product_id}/")).status_code == 204
    assert await events() == [
        ("product.created", 1, "ada", "admin", None),
        ("product.updated", 1, "ada", "admin", '{"price": ["29.90", "31.00"]}'),
        ("product.deleted", 1, "ada", "admin", None),
    ]


async def test_the_api_tells_who_did_it(site: httpx.AsyncClient, staff: httpx.AsyncClient) -> None:
    product_id = await make(site)
    await site.patch(f"{PRODUCTS}{product_id}/", json={"price": "31"})
    history = (await staff.get(f"/api/products/{product_id}/history/")).json()["results"]
    assert [(event["actor"], event["source"]) for event in history] == [("ada", "admin")] * 2
    assert history[0]["changes"] == {"price": ["29.90", "31.00"]}


async def test_what_a_form_sends_arrives_as_it_is_meant(site: httpx.AsyncClient) -> None:
    await make(site, low_stock_threshold="7", is_active="false", sku="  B-2 ")
    row = await fetch_row("SELECT sku, is_active, low_stock_threshold, options, expiry_on::text FROM product")
    assert row is not None
    assert tuple(row) == ("B-2", False, 7, '{"Size": "M"}', "2030-01-31")


async def test_saving_without_a_change_changes_nothing(site: httpx.AsyncClient) -> None:
    product_id = await make(site)
    assert (await site.patch(f"{PRODUCTS}{product_id}/", json=FORM)).status_code == 200
    assert await fetch_value("SELECT version FROM product") == 1
    assert len(await events()) == 1


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"price": "-1"}, ("price", "must not be negative")),
        ({"price": "abc"}, ("price", "")),
        ({"name": " "}, ("name", "must not be blank")),
        ({"currency": "eur"}, ("currency", "")),
        ({"options": "{"}, ("options", "JSON")),
        ({"low_stock_threshold": "many"}, ("low_stock_threshold", "")),
        ({"inventory_quantity": "5"}, ("inventory_quantity", "is not changed here")),
        ({"version": 9}, ("version", "is not changed here")),
        ({"slug": "x"}, ("slug", "is not changed here")),
        ({"created_at": "2026-01-01T00:00:00Z"}, ("created_at", "is not changed here")),
        ({"shopify_product_id": 1}, ("shopify_product_id", "is not changed here")),
        ({"nonsense": 1}, ("nonsense", "is not a known field")),
        ({"description": "a\0b"}, ("description", "must not contain a NUL character")),
    ],
)
async def test_a_wrong_field_is_named(site: httpx.AsyncClient, fields: dict[str, Any], told: tuple[str, str]) -> None:
    product_id = await make(site)
    response = await site.patch(f"{PRODUCTS}{product_id}/", json=fields)
    assert response.status_code == 422
    wrong = response.json()["detail"][0]
    assert wrong["loc"][-1] == told[0]
    assert told[1] in wrong["msg"]
    assert (await site.post(PRODUCTS, json=FORM | {"sku": "Z"} | fields)).status_code == 422
    assert len(await events()) == 1


async def test_a_taken_sku_is_told_in_a_sentence(site: httpx.AsyncClient) -> None:
    await make(site)
    response = await site.post(PRODUCTS, json=FORM | {"sku": "a-1"})
    assert (response.status_code, response.text) == (409, "Another product already uses this SKU.")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"null", b"", b"\xff"])
async def test_what_is_no_row_is_refused(site: httpx.AsyncClient, body: bytes) -> None:
    product_id = await make(site)
    for method, path in (("POST", PRODUCTS), ("PATCH", f"{PRODUCTS}{product_id}/")):
        response = await site.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert response.status_code in {400, 422}, response.text


async def test_a_put_is_a_change_too(site: httpx.AsyncClient) -> None:
    product_id = await make(site)
    assert (await site.put(f"{PRODUCTS}{product_id}/", json={"price": "5"})).status_code == 204
    assert (await events())[-1][:4] == ("product.updated", 1, "ada", "admin")


async def test_a_product_that_is_gone_is_not_found(site: httpx.AsyncClient) -> None:
    assert (await site.patch(f"{PRODUCTS}77/", json={"price": "1"})).status_code == 404
    assert (await site.delete(f"{PRODUCTS}77/")).status_code == 404


async def test_a_failing_write_leaves_nothing(site: httpx.AsyncClient) -> None:
    """The last statement of the transaction fails: what was written before it is gone too."""
    product_id = await make(site)
    await execute(
        "CREATE FUNCTION fail_late() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'late' USING ERRCODE = 'check_violation'; END $$"
    )
    await execute(
        "CREATE CONSTRAINT TRIGGER fail_late AFTER UPDATE ON product DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION fail_late()"
    )
    try:
        response = await site.patch(f"{PRODUCTS}{product_id}/", json={"price": "5"})
    finally:
        await execute("DROP TRIGGER fail_late ON product; DROP FUNCTION fail_late")
    assert (response.status_code, response.text) == (400, "A value breaks a rule of the database.")
    assert len(await events()) == 1
    assert str(await fetch_value("SELECT price FROM product")) == "29.90"


async def test_two_people_act_each_in_their_own_name(site: httpx.AsyncClient) -> None:
    product_id = await make(site)
    async with await visit("grace") as other:
        await other.patch(f"{PRODUCTS}{product_id}/", json={"price": "5"})
    await site.patch(f"{PRODUCTS}{product_id}/", json={"price": "6"})
    assert [event[2] for event in await events()] == ["ada", "grace", "ada"]


async def test_a_location_is_made_and_changed(site: httpx.AsyncClient) -> None:
    made = await site.post(LOCATIONS, json={"code": " north ", "name": "North", "is_active": True})
    assert made.status_code == 201
    path = f"{LOCATIONS}{made.json()[0]['id']}/"
    assert (await site.patch(path, json={"name": "Far north"})).status_code == 200
    row = await fetch_row("SELECT code, name, is_default FROM location WHERE NOT is_default")
    assert row is not None
    assert tuple(row) == ("north", "Far north", False)
    assert (await site.delete(path)).status_code == 204


async def test_locations_keep_their_rules(site: httpx.AsyncClient) -> None:
    taken = await site.post(LOCATIONS, json={"code": "main", "name": "Another"})
    assert (taken.status_code, taken.text) == (409, "This exists already.")
    assert (await site.post(LOCATIONS, json={"code": " ", "name": "x"})).status_code == 422
    assert (await site.post(LOCATIONS, json={"code": "x", "name": "x", "is_default": True})).status_code == 422
    default = await fetch_value("SELECT id FROM location WHERE is_default")
    assert (await site.delete(f"{LOCATIONS}{default}/")).status_code == 409
    assert await fetch_value("SELECT count(*) FROM location") == 1


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


async def write_and_answer(status: int, seen: list[int]) -> httpx.Response:
    """A request that writes a location and answers so; `seen` gets how many locations others see at that moment."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await execute("INSERT INTO location (code, name) VALUES ('x', 'X')")
        await PlainTextResponse("done", status_code=status)(scope, receive, send)

    async def outside(scope: Scope, receive: Receive, send: Send) -> None:
        async def look_and_send(message: Message) -> None:
            seen.append(await fetch_value("SELECT count(*) FROM location"))
            await send(message)

        await OneTransaction(app)(scope, receive, look_and_send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=outside), base_url="http://testserver") as client:
        return await client.post("/")


@pytest.mark.parametrize(("status", "count"), [(201, 2), (204, 2), (400, 1), (409, 1), (422, 1), (500, 1)])
async def test_the_answer_waits_for_the_commit_and_a_refusal_undoes(database: None, status: int, count: int) -> None:
    seen: list[int] = []
    assert (await write_and_answer(status, seen)).status_code == status
    assert set(seen) == {count}
