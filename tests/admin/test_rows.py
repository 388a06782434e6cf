"""Rows as they are written through the site: one transaction each, in somebody's name, by the rules of the API."""

from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from admin.hooks import OneTransaction
from piccolo_conf import execute, fetch, fetch_row, fetch_value
from tests.admin.visiting import TABLES, visit

PRODUCTS = f"{TABLES}/product/"
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


@pytest.mark.parametrize(
    "body",
    [
        rb'{"name": "\ud800"}',
        rb'{"\ud800": 1}',
        b'{"price": NaN}',
        b'{"low_stock_threshold": 1e999}',
        b'{"options": {"a": NaN}}',
    ],
    ids=["half a pair", "half a pair as a name", "not a number", "infinity", "inside"],
)
async def test_what_json_cannot_hold_is_refused(site: httpx.AsyncClient, body: bytes) -> None:
    product_id = await make(site)
    headers = {"Content-Type": "application/json"}
    response = await site.patch(f"{PRODUCTS}{product_id}/", content=body, headers=headers)
    assert response.status_code == 422
    assert set(response.json()["detail"][0]) == {"loc", "msg", "type"}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 2_000 + "1" + "}" * 2_000])
async def test_brackets_in_brackets_are_refused(site: httpx.AsyncClient, text: str) -> None:
    product_id = await make(site)
    response = await site.patch(f"{PRODUCTS}{product_id}/", json={"options": text})
    assert (response.status_code, response.text) == (400, "There are too many brackets in each other.")


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
