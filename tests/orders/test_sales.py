"""Sales orders: what they take, what they say, who may, and what they refuse."""

import httpx
import pytest

from domains.catalog.proof import find_differences
from domains.catalog.stock import Move, move_stock
from domains.catalog.tables import Reason
from piccolo_conf import execute, fetch, fetch_row, fetch_value
from tests.catalog.making import make_product
from tests.orders.placing import ORDERS, place, stock_of, user_id
from tests.statements import statements


async def test_an_order_takes_its_stock_and_says_so_in_ledger_and_log(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=5)
    order = await place(customer, (product["id"], 2))
    moved = await fetch_row("SELECT delta, reason, reference, actor_id FROM stock_movement ORDER BY id DESC LIMIT 1")
    assert tuple(moved) == (-2, "sale", f"order:{order['id']}", await user_id(customer))
    told = await fetch_row("SELECT subject, source, data::text FROM event WHERE topic = 'order.placed'")
    assert (told["subject"], told["source"]) == (f"order:{order['id']}", "order")
    assert order["email"] not in told["data"]
    assert (await stock_of(product["id"]), await find_differences()) == (3, [])


async def test_what_is_answered_is_what_is_kept(admin, customer):
    await make_product(admin, "A-1", inventory_quantity=5, price="19.99")
    await make_product(admin, "B-1", inventory_quantity=5, price="0.01")
    order = await place(customer, ("sku:b-1", 2), ("sku:a-1", 3), phone="1 23", shipping_address="Main St 1\nTown")
    assert (await customer.get(f"{ORDERS}{order['id']}/")).json() == order
    assert (order["number"], order["status"], order["source"]) == ("SO-000001", "placed", "api")
    assert [(line["sku"], line["unit_price"], line["total"]) for line in order["lines"]] == [
        ("B-1", "0.01", "0.02"),
        ("A-1", "19.99", "59.97"),
    ]
    assert (order["total"], order["phone"], order["shipping_address"]) == ("59.99", "1 23", "Main St 1\nTown")


async def test_a_price_of_the_clients_is_ignored(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=5, price="10.00")
    flat = {"product": product["id"], "quantity": 2, "price": "0.01"}
    answer = await customer.post(ORDERS, json=flat)
    assert (answer.status_code, answer.json()["total"]) == (201, "20.00")
    assert answer.headers["location"] == "/api/sales-orders/1"
    answer = await customer.post(ORDERS, json={"lines": [flat]})
    assert (answer.status_code, answer.json()["total"]) == (201, "20.00")


async def test_a_later_price_and_name_change_no_order(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=5, price="10.00")
    order = await place(customer, (product["id"], 1))
    await admin.patch(f"/api/products/{product['id']}", json={"price": "99.00", "name": "Other", "sku": "A-2"})
    assert (await customer.get(f"{ORDERS}{order['id']}")).json() == order


async def test_the_same_product_twice_adds_up(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=5)
    order = await place(customer, (product["id"], 2), ("sku:A-1", 3))
    assert [line["quantity"] for line in order["lines"]] == [5]
    refused = await customer.post(ORDERS, json={"lines": [{"product": "sku:A-1", "quantity": 2**31 - 1}] * 2})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "lines[1].quantity")
    assert (await stock_of(product["id"]), await find_differences()) == (0, [])


async def test_what_lies_in_several_places_is_sold_from_all_of_them(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=2)
    shop = await fetch_value("INSERT INTO location (code, name) VALUES ('shop', 'Shop') RETURNING id")
    await move_stock([Move(product["id"], 3, shop)], reason=Reason.PURCHASE)
    refused = await customer.post(ORDERS, json={"product": product["id"], "quantity": 6})
    assert (refused.status_code, refused.json()["items"][0]["available"]) == (409, 5)
    await place(customer, (product["id"], 4))
    left = await fetch("SELECT on_hand FROM stock_level ORDER BY location")
    assert ([row["on_hand"] for row in left], await find_differences()) == ([0, 1], [])


async def test_too_much_is_refused_with_what_is_available_and_takes_nothing(admin, customer):
    first = await make_product(admin, "A-1", inventory_quantity=5)
    second = await make_product(admin, "B-1", inventory_quantity=1)
    lines = [{"product": first["id"], "quantity": 5}, {"product": second["id"], "quantity": 2}]
    refused = await customer.post(ORDERS, json={"lines": lines})
    assert (refused.status_code, refused.json()["code"]) == (409, "out_of_stock")
    short = [(item["sku"], item["wanted"], item["available"]) for item in refused.json()["items"]]
    assert short == [("B-1", 2, 1)]
    assert await fetch_value("SELECT count(*) FROM sales_order") == 0
    assert (await stock_of(first["id"]), await find_differences()) == (5, [])


async def test_unknown_products_are_refused_line_by_line(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=5)
    for unknown in (987654321, "sku:no", "987654"):
        lines = [{"product": product["id"], "quantity": 1}, {"product": unknown, "quantity": 1}]
        refused = await customer.post(ORDERS, json={"lines": lines})
        expected = [{"field": "lines[1].product", "message": "there is no such product"}]
        assert (refused.status_code, refused.json()["errors"]) == (400, expected)
    refused = await customer.post(ORDERS, json={"product": "sku:no", "quantity": 1})
    assert refused.json()["errors"][0]["field"] == "product"
    assert await stock_of(product["id"]) == 5


async def test_what_is_not_active_is_not_sold_and_not_there_for_customers(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=5, is_active=False)
    wish = {"product": product["id"], "quantity": 1}
    refused = [await client.post(ORDERS, json=wish) for client in (customer, admin)]
    assert [answer.status_code for answer in refused] == [400, 400]
    told = [answer.json()["errors"][0]["message"] for answer in refused]
    assert told == ["there is no such product", "is not on sale: this product is not active"]


async def test_two_currencies_make_no_order(admin, customer):
    await make_product(admin, "A-1", inventory_quantity=5, currency="USD")
    await make_product(admin, "B-1", inventory_quantity=5, currency="EUR")
    lines = [{"product": f"sku:{sku}", "quantity": 1} for sku in ("A-1", "B-1")]
    refused = await customer.post(ORDERS, json={"lines": lines})
    message = "is sold in EUR, the first line in USD"
    assert (refused.status_code, refused.json()["errors"]) == (400, [{"field": "lines[1].product", "message": message}])


async def test_an_order_beyond_all_prices_is_refused(admin, customer):
    await make_product(admin, "A-1", inventory_quantity=5, price="9999999999.99")
    assert (await place(customer, ("sku:A-1", 1)))["total"] == "9999999999.99"
    refused = await customer.post(ORDERS, json={"product": "sku:A-1", "quantity": 2})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "quantity")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "product"),
        ({"product": 1}, "quantity"),
        ({"lines": []}, "lines"),
        ({"lines": [{"product": 1, "quantity": 1}], "quantity": 1}, "lines"),
        ({"lines": [{"product": 1, "quantity": 1}] * 501}, "lines"),
        ({"product": 1, "quantity": 0}, "quantity"),
        ({"product": 1, "quantity": 2**31}, "quantity"),
        ({"product": "A-1", "quantity": 1}, "product"),
        ({"lines": [{"product": 1, "quantity": 1, "total": 1}]}, "lines[0].total"),
        ({"product": 1, "quantity": 1, "status": "delivered"}, "status"),
        ({"product": 1, "quantity": 1, "email": "nobody"}, "email"),
    ],
)
async def test_bad_input_names_its_field(body, field, customer):
    refused = await customer.post(ORDERS, json=body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field), refused.text


async def test_a_customers_order_is_theirs_with_their_name_and_address_of_mail(admin, customer):
    await make_product(admin, "A-1", inventory_quantity=5)
    order = await place(customer, ("sku:A-1", 1))
    assert (order["customer_name"], order["email"]) == ("carla", "carla@example.com")
    await customer.patch("/auth/users/me", json={"first_name": "Carla", "last_name": "Chen"})
    order = await place(customer, ("sku:A-1", 1))
    assert (order["customer"], order["customer_name"]) == (await user_id(customer), "Carla Chen")
    order = await place(customer, ("sku:A-1", 1), customer_name="Office", email="office@example.com")
    assert (order["customer_name"], order["email"]) == ("Office", "office@example.com")


async def test_the_staff_order_for_customers_and_for_people_without_an_account(admin, staff, customer):
    await make_product(admin, "A-1", inventory_quantity=5)
    carla = await user_id(customer)
    order = await place(staff, ("sku:A-1", 1), customer=carla)
    assert (order["customer"], order["email"]) == (carla, "carla@example.com")
    assert (await customer.get(f"{ORDERS}{order['id']}")).status_code == 200
    order = await place(staff, ("sku:A-1", 1), customer_name="Walk-in")
    assert (order["customer"], order["customer_name"], order["email"]) == (None, "Walk-in", "")
    refused = await staff.post(ORDERS, json={"product": "sku:A-1", "quantity": 1, "customer": 987654})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "customer")
    assert (await stock_of(1), await find_differences()) == (3, [])


async def test_a_customer_orders_for_nobody_else(admin, customer, stranger):
    product = await make_product(admin, "A-1", inventory_quantity=5)
    wish = {"product": product["id"], "quantity": 1}
    refused = await customer.post(ORDERS, json=wish | {"customer": await user_id(stranger)})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_for_others")
    assert (await customer.post(ORDERS, json=wish | {"customer": await user_id(customer)})).status_code == 201


async def test_owner_and_staff_see_an_order_and_a_stranger_does_not(admin, staff, customer, stranger, client):
    await make_product(admin, "A-1", inventory_quantity=5)
    url = f"{ORDERS}{(await place(customer, ('sku:A-1', 1)))['id']}"
    statuses = [(await one.get(url)).status_code for one in (customer, staff, admin, stranger, client)]
    assert statuses == [200, 200, 200, 404, 401]


async def test_orders_are_immutable(admin, customer):
    await make_product(admin, "A-1", inventory_quantity=5)
    url = f"{ORDERS}{(await place(customer, ('sku:A-1', 1)))['id']}/"
    for method in ("PUT", "PATCH", "DELETE"):
        assert (await admin.request(method, url, json={"total": "0.01"})).status_code == 405
    assert (await admin.put(ORDERS, json={})).status_code == 405


async def test_only_an_admin_cancels(admin, staff, customer, stranger):
    await make_product(admin, "A-1", inventory_quantity=5)
    url = f"{ORDERS}{(await place(customer, ('sku:A-1', 1)))['id']}/cancellation"
    statuses = [(await one.post(url)).status_code for one in (customer, staff, stranger, admin)]
    assert statuses == [403, 403, 403, 200]


async def test_a_cancelled_order_returns_its_stock_once_to_where_it_was(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=2)
    shop = await fetch_value("INSERT INTO location (code, name) VALUES ('shop', 'Shop') RETURNING id")
    await move_stock([Move(product["id"], 3, shop)], reason=Reason.PURCHASE)
    order = await place(customer, (product["id"], 4))
    cancelled = await admin.post(f"{ORDERS}{order['id']}/cancellation/", json={"note": "changed their mind"})
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    again = await admin.post(f"{ORDERS}{order['id']}/cancellation/")
    assert (again.status_code, again.json()["code"]) == (409, "not_cancellable")
    left = await fetch("SELECT on_hand FROM stock_level ORDER BY location")
    notes = await fetch("SELECT DISTINCT note FROM stock_movement WHERE reason = 'cancellation'")
    assert ([row["on_hand"] for row in left], [row["note"] for row in notes]) == ([2, 3], ["changed their mind"])
    assert await fetch_value("SELECT count(*) FROM event WHERE topic = 'order.cancelled'") == 1
    assert await find_differences() == []


async def test_what_was_taken_of_a_deleted_product_comes_back_nowhere(admin, customer):
    gone = await make_product(admin, "A-1", inventory_quantity=5)
    kept = await make_product(admin, "B-1", inventory_quantity=5)
    order = await place(customer, (gone["id"], 2), (kept["id"], 2))
    await admin.delete(f"/api/products/{gone['id']}")
    cancelled = (await admin.post(f"{ORDERS}{order['id']}/cancellation")).json()
    assert [(line["product"], line["sku"]) for line in cancelled["lines"]] == [(None, "A-1"), (kept["id"], "B-1")]
    assert (await stock_of(kept["id"]), await find_differences()) == (5, [])


async def test_what_shopify_sold_comes_back_there(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=5)
    order = await place(customer, (product["id"], 2))
    await execute("UPDATE sales_order SET shopify_order_id = 77")
    assert (await admin.post(f"{ORDERS}{order['id']}/cancellation")).status_code == 200
    assert (await stock_of(product["id"]), await find_differences()) == (3, [])


async def test_no_order_is_no_order(admin):
    for url in (f"{ORDERS}7", f"{ORDERS}7/delivery"):
        assert (await admin.get(url)).status_code == 404
    assert (await admin.post(f"{ORDERS}7/cancellation")).status_code == 404
    assert (await admin.get(f"{ORDERS}{2**40}")).status_code == 404


async def test_a_hundred_lines_take_as_many_statements_as_one(admin, customer):
    await execute("INSERT INTO product (sku, name, price) SELECT 'P-' || n, 'P', 2 FROM generate_series(1, 100) AS n")
    ids = [row["id"] for row in await fetch("SELECT id FROM product ORDER BY id")]
    await move_stock([Move(product_id, 100) for product_id in ids], reason=Reason.PURCHASE)
    assert [await count_statements(customer, ids[:1]) for _warm in range(2)][1] == 7
    assert await count_statements(customer, ids) == 7
    assert await count_statements(customer, [f"sku:p-{n}" for n in range(1, 101)]) == 8
    assert await find_differences() == []


async def count_statements(customer: httpx.AsyncClient, products: list[object]) -> int:
    async with statements() as asked:
        await place(customer, *((product, 1) for product in products))
    return len(asked)
