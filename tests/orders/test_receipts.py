"""Receipts: what came, in whole or in parts, where; and a receipt taken back once, by movements of its own."""

from typing import Any

import httpx
import msgspec
import pytest

from domains.catalog.proof import find_differences
from piccolo_conf import execute, fetch, fetch_value
from tests.catalog.making import make_product
from tests.orders.buying import buy, cancel, fields, parts, receive, reverse, stock_of


@pytest.fixture(autouse=True)
async def laws(database: None):
    yield
    assert await find_differences() == []


@pytest.fixture
async def shop(database: None) -> int:
    """A second location."""
    return int(await fetch_value("INSERT INTO location (code, name) VALUES ('shop', 'Shop') RETURNING id"))


@pytest.fixture
async def purchase(staff: httpx.AsyncClient) -> dict[str, Any]:
    """Five of A and three of B are outstanding; one A is in stock."""
    await make_product(staff, "A", inventory_quantity=1)
    await make_product(staff, "B")
    return await buy(staff, lines=[{"product": "sku:A", "quantity": 5}, {"product": "sku:B", "quantity": 3}])


async def movements() -> list[tuple[Any, ...]]:
    rows = await fetch("SELECT sku, delta, reason, reference, note, actor_id FROM stock_movement ORDER BY id")
    return [tuple(row) for row in rows]


async def test_without_lines_all_that_is_outstanding_comes(staff: httpx.AsyncClient, purchase: dict[str, Any]):
    answer = await receive(staff, purchase, note="truck 7")
    received = answer.json()
    assert (answer.status_code, received["status"], parts(received)) == (201, "received", [(5, 0, 0), (3, 0, 0)])
    assert (await stock_of("A"), await stock_of("B")) == (6, 3)
    user_id = received["receipts"][0]["received_by"]
    assert (await movements())[-2:] == [
        ("A", 5, "purchase", "receipt:1", "truck 7", user_id),
        ("B", 3, "purchase", "receipt:1", "truck 7", user_id),
    ]


async def test_no_body_at_all_means_the_same(staff: httpx.AsyncClient, purchase: dict[str, Any]):
    answer = await staff.post(f"/api/purchase-orders/{purchase['id']}/receipt/")
    assert (answer.status_code, answer.json()["status"]) == (201, "received")


async def test_parts_come_one_after_another(staff: httpx.AsyncClient, purchase: dict[str, Any]):
    line = purchase["lines"][0]["id"]
    first = (await receive(staff, purchase, lines=[{"line": line, "quantity": 2}])).json()
    second = (await receive(staff, purchase)).json()
    assert (first["status"], parts(first)) == ("partly_received", [(2, 0, 3), (0, 0, 3)])
    assert (second["status"], parts(second)) == ("received", [(5, 0, 0), (3, 0, 0)])
    assert [[part["quantity"] for part in receipt["lines"]] for receipt in second["receipts"]] == [[2], [3, 3]]


async def test_a_product_fills_its_lines_one_after_another(staff: httpx.AsyncClient):
    product = await make_product(staff, "A")
    purchase = await buy(staff, lines=[{"product": product["id"], "quantity": 2}] * 2)
    partly = (await receive(staff, purchase, lines=[{"product": "sku:a", "quantity": 3}])).json()
    assert parts(partly) == [(2, 0, 0), (1, 0, 1)]


async def test_the_same_line_twice_adds_up(staff: httpx.AsyncClient, purchase: dict[str, Any]):
    line = purchase["lines"][0]["id"]
    answer = await receive(staff, purchase, lines=[{"line": line, "quantity": 2}, {"product": "sku:A", "quantity": 3}])
    assert parts(answer.json()) == [(5, 0, 0), (0, 0, 3)]


async def test_more_than_is_outstanding_is_refused_with_what_is(staff: httpx.AsyncClient, purchase: dict[str, Any]):
    lines = [
        {"product": "sku:B", "quantity": 3},
        {"product": "sku:A", "quantity": 4},
        {"product": "sku:A", "quantity": 2},
    ]
    refused = fields(await receive(staff, purchase, lines=lines))
    assert refused == {"lines[2].quantity": "is more than the 1 that are outstanding"}
    assert (await stock_of("A"), await stock_of("B")) == (1, 0)


async def test_lines_that_are_not_of_this_order_are_named(staff: httpx.AsyncClient, purchase: dict[str, Any]):
    await make_product(staff, "C")
    foreign = (await buy(staff, product="sku:A", quantity=1))["lines"][0]["id"]
    lines = [{"line": foreign, "quantity": 1}, {"product": "sku:C", "quantity": 1}]
    assert set(fields(await receive(staff, purchase, lines=lines))) == {"lines[0].line", "lines[1].product"}
    assert await fetch_value("SELECT count(*) FROM receipt") == 0


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"lines": []}, {"lines"}),
        ({"lines": [{"quantity": 1}]}, {"lines[0].line"}),
        ({"lines": [{"quantity": 1, "line": 1, "product": "sku:A"}]}, {"lines[0].line"}),
        ({"lines": [{"quantity": 1, "product": "sku:none"}]}, {"lines[0].product"}),
        ({"lines": [{"line": 1}]}, {"lines[0].quantity"}),
        ({"location": "nowhere"}, {"location"}),
        ({"supplier": 1}, {"supplier"}),
    ],
)
async def test_bad_input_names_its_field(
    staff: httpx.AsyncClient, purchase: dict[str, Any], body: dict[str, Any], named: set[str]
):
    assert set(fields(await receive(staff, purchase, **body))) == named


@pytest.mark.parametrize("ref", ["shop", "SHOP", "id"])
async def test_what_comes_lies_where_it_is_said_to(
    staff: httpx.AsyncClient, purchase: dict[str, Any], shop: int, ref: str
):
    received = (await receive(staff, purchase, location=shop if ref == "id" else ref)).json()
    rows = await fetch("SELECT on_hand FROM stock_level WHERE location = $1 ORDER BY product", shop)
    assert [row["on_hand"] for row in rows] == [5, 3]
    assert (received["receipts"][0]["location"], received["receipts"][0]["location_code"]) == (shop, "shop")


async def test_a_purchase_can_be_received_elsewhere_at_once(staff: httpx.AsyncClient, shop: int):
    await make_product(staff, "A")
    await buy(staff, product="sku:A", quantity=5, receive=True, location="shop")
    assert await fetch_value("SELECT on_hand FROM stock_level WHERE location = $1", shop) == 5


async def test_nothing_comes_of_a_product_that_was_deleted(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient, purchase: dict[str, Any]
):
    await admin.delete("/api/products/sku:A")
    lines = [{"line": purchase["lines"][0]["id"], "quantity": 1}]
    sentence = "its product was deleted: nothing can be received of it"
    assert fields(await receive(staff, purchase, lines=lines)) == {"lines[0].line": sentence}
    assert parts((await receive(staff, purchase)).json()) == [(0, 0, 5), (3, 0, 0)]
    assert (await receive(staff, purchase)).json()["code"] == "product_gone"
    assert (await cancel(admin, purchase)).json()["status"] == "received"


async def test_a_reversal_is_a_movement_of_its_own(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient, purchase: dict[str, Any]
):
    await receive(staff, purchase)
    answer = await reverse(admin, purchase, note="wrong goods")
    back = answer.json()
    assert (answer.status_code, back["status"], parts(back)) == (200, "ordered", [(0, 0, 5), (0, 0, 3)])
    assert (await stock_of("A"), await stock_of("B")) == (1, 0)
    reversed_by = back["receipts"][0]["reversed_by"]
    assert (await movements())[-2:] == [
        ("A", -5, "reversal", "receipt:1", "wrong goods", reversed_by),
        ("B", -3, "reversal", "receipt:1", "wrong goods", reversed_by),
    ]


async def test_what_was_reversed_can_be_received_again(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient, purchase: dict[str, Any]
):
    await receive(staff, purchase)
    await reverse(admin, purchase)
    again = (await receive(staff, purchase)).json()
    assert (again["status"], await stock_of("A")) == ("received", 6)
    assert [receipt["reversed_at"] is None for receipt in again["receipts"]] == [False, True]


async def test_one_of_two_receipts_is_reversed(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient, purchase: dict[str, Any]
):
    await receive(staff, purchase, lines=[{"product": "sku:A", "quantity": 2}])
    await receive(staff, purchase)
    back = (await reverse(admin, purchase, 1)).json()
    assert (back["status"], parts(back)) == ("partly_received", [(3, 0, 2), (3, 0, 0)])


async def test_what_was_cancelled_stays_cancelled_when_a_receipt_is_reversed(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient, purchase: dict[str, Any]
):
    await receive(staff, purchase, lines=[{"product": "sku:A", "quantity": 2}])
    await cancel(admin, purchase)
    back = (await reverse(admin, purchase)).json()
    assert (back["status"], parts(back)) == ("ordered", [(0, 3, 2), (0, 3, 0)])
    assert (await cancel(admin, purchase)).json()["status"] == "cancelled"


async def test_a_receipt_is_reversed_once(staff: httpx.AsyncClient, admin: httpx.AsyncClient, purchase: dict[str, Any]):
    await receive(staff, purchase)
    await reverse(admin, purchase)
    again = await reverse(admin, purchase)
    assert (again.status_code, again.json()["code"], await stock_of("A")) == (409, "already_reversed", 1)


async def test_what_was_sold_meanwhile_cannot_be_taken_back(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient, purchase: dict[str, Any]
):
    await receive(staff, purchase)
    await staff.patch("/api/products/sku:A", json={"inventory_quantity": 4})
    answer = await reverse(admin, purchase)
    assert (answer.status_code, answer.json()["code"]) == (409, "out_of_stock")
    assert [(item["sku"], item["wanted"], item["available"]) for item in answer.json()["items"]] == [("A", 5, 4)]
    assert (await stock_of("A"), await stock_of("B")) == (4, 3)
    assert (await staff.get(f"/api/purchase-orders/{purchase['id']}")).json()["status"] == "received"


async def test_a_reversal_takes_nothing_from_another_location(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient, purchase: dict[str, Any], shop: int
):
    await receive(staff, purchase, location="shop")
    await staff.patch("/api/products/sku:A", json={"inventory_quantity": 8})
    await execute("UPDATE location SET is_active = false WHERE id = $1", shop)
    await reverse(admin, purchase)
    rows = await fetch("SELECT l.code, s.on_hand FROM stock_level s JOIN location l ON l.id = s.location ORDER BY s.id")
    assert [tuple(row) for row in rows] == [("main", 3), ("shop", 0), ("shop", 0)]


async def test_of_a_deleted_product_nothing_is_taken_back(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient, purchase: dict[str, Any]
):
    await receive(staff, purchase)
    await admin.delete("/api/products/sku:A")
    back = (await reverse(admin, purchase)).json()
    assert (back["status"], parts(back), await stock_of("B")) == ("ordered", [(0, 0, 5), (0, 0, 3)], 0)


async def test_a_receipt_belongs_to_its_order(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    await make_product(staff, "A")
    await buy(staff, product="sku:A", quantity=5, receive=True)
    other = await buy(staff, product="sku:A", quantity=5)
    answer = await reverse(admin, other, 1)
    assert (answer.status_code, answer.json()["code"], await stock_of("A")) == (404, "receipt_not_found", 5)


async def test_staff_may_receive_but_not_reverse(
    staff: httpx.AsyncClient, stranger: httpx.AsyncClient, purchase: dict[str, Any]
):
    assert [(await receive(who, purchase)).status_code for who in (stranger, staff)] == [403, 201]
    assert [(await reverse(who, purchase)).status_code for who in (stranger, staff)] == [403, 403]


async def test_receipts_and_reversals_are_told(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient, purchase: dict[str, Any]
):
    await receive(staff, purchase, lines=[{"product": "sku:A", "quantity": 2}])
    await reverse(admin, purchase)
    found = await fetch(
        "SELECT topic, subject, actor, reference, data FROM event WHERE topic ~ '^(purchase.r|receipt)'"
    )
    assert [(row["topic"], row["subject"], row["actor"], row["reference"]) for row in found] == [
        ("purchase.received", "purchase:1", "stan", "receipt:1"),
        ("receipt.reversed", "receipt:1", "ada", "receipt:1"),
    ]
    lines = [msgspec.json.decode(row["data"])["lines"] for row in found]
    assert lines == [[{"line": 1, "product": purchase["lines"][0]["product"], "sku": "A", "quantity": 2}]] * 2


async def test_the_products_history_names_the_receipt(staff: httpx.AsyncClient, purchase: dict[str, Any]):
    await receive(staff, purchase)
    (event, *_) = (await staff.get("/api/products/sku:A/history")).json()["results"]
    assert (event["topic"], event["reference"], event["source"]) == ("product.updated", "receipt:1", "order")
    assert event["changes"] == {"inventory_quantity": [1, 6]}
