"""Purchase orders: what is ordered, at which cost, who may, and what of it is cancelled."""

from datetime import UTC, datetime
from itertools import islice

import httpx
import msgspec
import pytest
from asyncpg.connection import LoggedQuery

from domains.accounts.schemas import Caller
from domains.accounts.scopes import scopes_of
from domains.accounts.tables import Role
from domains.catalog.proof import find_differences
from domains.orders.purchase_schemas import PurchaseLineIn, PurchaseOrderIn
from domains.orders.purchases import create_purchase
from piccolo_conf import execute, fetch, fetch_value, transaction
from tests.catalog.making import make_product
from tests.conftest import make_user
from tests.orders.buying import PATH, buy, cancel, fields, parts, receive, stock_of


@pytest.fixture(autouse=True)
async def laws(database: None):
    yield
    assert await find_differences() == []


async def test_a_purchase_is_received_at_once_unless_told_otherwise(staff: httpx.AsyncClient):
    product = await make_product(staff, "A", inventory_quantity=2)
    answer = await staff.post(f"{PATH}/", json={"supplier_name": " Acme ", "product": product["id"], "quantity": 5})
    purchase = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"{PATH}/{purchase['id']}")
    assert (purchase["number"], purchase["supplier_name"], purchase["status"]) == ("PO-000001", "Acme", "received")
    assert (parts(purchase), await stock_of("A")) == ([(5, 0, 0)], 7)


async def test_what_is_only_ordered_moves_no_stock(staff: httpx.AsyncClient):
    await make_product(staff, "A", inventory_quantity=2)
    purchase = await buy(staff, product="sku:a", quantity=5)
    assert (purchase["status"], parts(purchase), purchase["receipts"]) == ("ordered", [(0, 0, 5)], [])
    assert await stock_of("A") == 2


async def test_lines_keep_sku_name_and_cost_and_add_up_to_the_total(staff: httpx.AsyncClient):
    await make_product(staff, "A", cost_price="3.50")
    await make_product(staff, "B")
    lines = [{"product": "sku:A", "quantity": 2}, {"product": "sku:B", "quantity": 3, "unit_cost": 1.1}]
    purchase = await buy(staff, lines=[*lines, {"product": "sku:B", "quantity": 4}])
    told = [(line["sku"], line["name"], line["unit_cost"]) for line in purchase["lines"]]
    assert told == [("A", "Product A", "3.50"), ("B", "Product B", "1.10"), ("B", "Product B", "0.00")]
    assert purchase["total"] == "10.30"


async def test_the_day_is_today_or_any_other(staff: httpx.AsyncClient):
    await make_product(staff, "A")
    before = datetime.now(UTC).date()
    today = await buy(staff, product="sku:A", quantity=1)
    after = datetime.now(UTC).date()
    other = await buy(staff, product="sku:A", quantity=1, purchase_on="2020-02-29")
    # Midnight may have come between.
    assert today["purchase_on"] in {before.isoformat(), after.isoformat()}
    assert other["purchase_on"] == "2020-02-29"


async def test_the_currency_is_that_of_the_products(staff: httpx.AsyncClient):
    await make_product(staff, "E", currency="EUR", cost_price="2")
    await make_product(staff, "U", currency="USD")
    assert (await buy(staff, product="sku:E", quantity=1))["currency"] == "EUR"
    mixed = [{"product": "sku:E", "quantity": 1, "unit_cost": "3"}, {"product": "sku:U", "quantity": 1}]
    assert (await buy(staff, lines=mixed))["currency"] == "USD"
    assert (await buy(staff, lines=mixed, currency="GBP"))["currency"] == "GBP"


async def test_a_cost_price_in_another_currency_is_not_taken(staff: httpx.AsyncClient):
    await make_product(staff, "E", currency="EUR", cost_price="2")
    body = {"supplier_name": "Acme", "currency": "USD", "lines": [{"product": "sku:E", "quantity": 1}]}
    refused = fields(await staff.post(f"{PATH}/", json=body))
    assert refused == {"lines[0].unit_cost": "is needed: the product's cost price is in EUR, not in USD"}


async def test_every_line_without_its_product_is_named(staff: httpx.AsyncClient):
    product = await make_product(staff, "A")
    lines = [{"product": ref, "quantity": 1} for ref in (987654321, product["id"], 987654322)]
    body = {"supplier_name": "Acme", "lines": lines}
    assert set(fields(await staff.post(PATH, json=body))) == {"lines[0].product", "lines[2].product"}
    lines[0]["product"] = "sku:none"
    assert set(fields(await staff.post(PATH, json=body))) == {"lines[0].product"}
    flat = {"supplier_name": "Acme", "product": 987654321, "quantity": 1}
    assert set(fields(await staff.post(PATH, json=flat))) == {"product"}
    assert await fetch_value("SELECT count(*) FROM purchase_order") == 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, {"product", "quantity"}),
        ({"product": "sku:A"}, {"quantity"}),
        ({"lines": []}, {"lines"}),
        ({"lines": [{"product": "sku:A", "quantity": 1}], "quantity": 2}, {"lines"}),
        ({"product": "sku:A", "quantity": 0}, {"quantity"}),
        ({"product": "sku:A", "quantity": 1, "unit_cost": -1}, {"unit_cost"}),
        ({"product": "sku:A", "quantity": 1, "supplier_name": " "}, {"supplier_name"}),
        ({"product": "sku:A", "quantity": 1, "status": "received"}, {"status"}),
        ({"product": "sku:A", "quantity": 1, "location": "nowhere"}, {"location"}),
        ({"product": "sku:A", "quantity": 1, "location": 1, "receive": False}, {"location"}),
        ({"product": "sku:A", "quantity": 2, "unit_cost": "9999999999.99"}, {"unit_cost"}),
        ({"lines": [{"product": "sku:A", "quantity": 2, "unit_cost": "9999999999.99"}]}, {"lines[0].unit_cost"}),
    ],
)
async def test_bad_input_names_its_field(staff: httpx.AsyncClient, changes: dict[str, object], named: set[str]):
    await make_product(staff, "A")
    answer = await staff.post(f"{PATH}/", json={"supplier_name": "Acme", **changes})
    assert set(fields(answer)) == named
    assert await fetch_value("SELECT count(*) FROM purchase_order") == 0


async def test_more_than_stock_can_hold_is_refused_and_nothing_is_ordered(staff: httpx.AsyncClient):
    await make_product(staff, "A", inventory_quantity=1)
    body = {"supplier_name": "Acme", "product": "sku:A", "quantity": 2_147_483_647}
    answer = await staff.post(f"{PATH}/", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_much_stock")
    assert (await stock_of("A"), await fetch_value("SELECT count(*) FROM purchase_order")) == (1, 0)


async def test_a_purchase_cannot_be_changed_or_deleted(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    await make_product(staff, "A")
    purchase = await buy(staff, product="sku:A", quantity=1)
    answers = [
        await admin.request(method, f"{PATH}/{purchase['id']}", json={}) for method in ("PUT", "PATCH", "DELETE")
    ]
    assert [answer.status_code for answer in answers] == [405, 405, 405]


async def test_cancelling_takes_what_was_not_received(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    await make_product(staff, "A")
    purchase = await buy(staff, product="sku:A", quantity=5)
    await receive(staff, purchase, lines=[{"product": "sku:A", "quantity": 2}])
    cancelled = (await cancel(admin, purchase)).json()
    assert (cancelled["status"], parts(cancelled), cancelled["cancelled_at"] is None) == (
        "received",
        [(2, 3, 0)],
        False,
    )
    assert await stock_of("A") == 2


async def test_cancelling_before_anything_came_ends_the_order(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    await make_product(staff, "A")
    purchase = await buy(staff, product="sku:A", quantity=5)
    assert (await cancel(admin, purchase)).json()["status"] == "cancelled"
    again = [await cancel(admin, purchase), await receive(staff, purchase)]
    assert [answer.json()["code"] for answer in again] == ["nothing_to_cancel", "nothing_outstanding"]
    assert ([answer.status_code for answer in again], await stock_of("A")) == ([409, 409], 0)


async def test_staff_cannot_cancel_and_customers_see_nothing(staff: httpx.AsyncClient, stranger: httpx.AsyncClient):
    await make_product(staff, "A")
    purchase = await buy(staff, product="sku:A", quantity=1)
    refused = [await cancel(staff, purchase), await stranger.get(f"{PATH}/{purchase['id']}"), await stranger.get(PATH)]
    assert [answer.status_code for answer in refused] == [403, 403, 403]


async def test_what_is_not_there_is_not_found(admin: httpx.AsyncClient):
    paths = ("receipt", "cancellation", "receipts/1/reversal")
    answers = [await admin.get(f"{PATH}/7"), *[await admin.post(f"{PATH}/7/{path}") for path in paths]]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert {answer.json()["code"] for answer in answers} == {"purchase_not_found"}


async def test_lines_outlive_their_product(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    product = await make_product(staff, "A")
    purchase = await buy(staff, product="sku:A", quantity=1)
    await admin.delete(f"/api/products/{product['id']}")
    (line,) = (await staff.get(f"{PATH}/{purchase['id']}")).json()["lines"]
    assert (line["product"], line["sku"], line["name"]) == (None, "A", "Product A")


async def test_ordering_and_cancelling_are_told_with_who_did_it(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    await make_product(staff, "A")
    await cancel(admin, await buy(staff, product="sku:A", quantity=5, unit_cost="1.50"))
    found = await fetch(
        "SELECT topic, subject, actor, reference, data FROM event WHERE topic LIKE 'purchase.%' ORDER BY id"
    )
    told = [(row["topic"], row["subject"], row["actor"], row["reference"]) for row in found]
    assert told == [
        ("purchase.ordered", "purchase:1", "stan", "purchase:1"),
        ("purchase.cancelled", "purchase:1", "ada", "purchase:1"),
    ]
    ordered, cancelled = (msgspec.json.decode(row["data"]) for row in found)
    assert (ordered["number"], ordered["lines"][0]["quantity"]) == ("PO-000001", 5)
    assert cancelled["lines"] == [{"line": 1, "product": 1, "sku": "A", "quantity": 5}]


async def test_one_key_orders_once(staff: httpx.AsyncClient):
    await make_product(staff, "A")
    body = {"supplier_name": "Acme", "product": "sku:A", "quantity": 5}
    key = {"Idempotency-Key": "k1"}
    first, again = [await staff.post(path, json=body, headers=key) for path in (f"{PATH}/", PATH)]
    other = await staff.post(f"{PATH}/", json=body | {"quantity": 6}, headers=key)
    assert (first.content, first.status_code) == (again.content, again.status_code)
    assert first.headers["location"] == again.headers["location"]
    assert (other.status_code, await stock_of("A")) == (422, 5)


@pytest.mark.parametrize("is_received", [True, False])
async def test_a_hundred_lines_are_as_many_statements_as_one(database: None, is_received: bool):
    await execute("INSERT INTO product (sku, name, cost_price) SELECT n, n, 1 FROM generate_series(1, 200) AS n")
    user_id = await make_user(Role.STAFF, "stan")
    by = Caller(user_id, "stan", Role.STAFF, scopes_of(Role.STAFF), None)
    # The first one also asks PostgreSQL for the types of its parameters.
    counted = await count_statements([1, 1, 100], by, is_received=is_received)
    assert counted[1] == counted[2] <= 24


async def count_statements(sizes: list[int], by: Caller, *, is_received: bool) -> list[int]:
    """Of purchase orders with so many lines, each of products that none before it had, on one connection."""
    numbers = iter(range(1, 201))
    seen: list[str] = []

    def note(record: LoggedQuery) -> None:
        seen.append(record.query)

    counted = []
    async with transaction() as connection:
        connection.add_query_logger(note)
        for size in sizes:
            seen.clear()
            lines = [PurchaseLineIn(product=f"sku:{number}", quantity=1) for number in islice(numbers, size)]
            await create_purchase(PurchaseOrderIn(supplier_name="Acme", lines=lines, receive=is_received), by)
            counted.append(len(seen))
        connection.remove_query_logger(note)
    return counted
