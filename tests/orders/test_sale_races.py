"""Orders at the same time: never too much is sold, nothing comes back twice, and nobody hears of a deadlock."""

import asyncio
from collections import Counter

from domains.catalog.proof import find_differences
from domains.catalog.tables import Reason
from piccolo_conf import execute, fetch, fetch_value
from tests.catalog.making import make_product
from tests.orders.placing import ORDERS, place, stock_of


async def gather_statuses(*requests) -> Counter[int]:
    return Counter(answer.status_code for answer in await asyncio.gather(*requests))


async def test_fifty_at_once_for_twenty_sell_twenty(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=20)
    wish = {"product": product["id"], "quantity": 1}
    statuses = await gather_statuses(*(customer.post(ORDERS, json=wish) for _ in range(50)))
    assert statuses == {201: 20, 409: 30}
    assert await fetch_value("SELECT min(on_hand_after) FROM stock_movement") == 0
    assert (await stock_of(product["id"]), await find_differences()) == (0, [])


async def test_orders_with_the_same_products_in_opposite_orders_wait_for_each_other(admin, customer):
    ids = [(await make_product(admin, f"A-{n}", inventory_quantity=100))["id"] for n in range(6)]
    forwards = [{"product": product_id, "quantity": 1} for product_id in ids]
    wishes = [{"lines": forwards}, {"lines": forwards[::-1]}] * 15
    statuses = await gather_statuses(*(customer.post(ORDERS, json=wish) for wish in wishes))
    assert statuses == {201: 30}
    assert [await stock_of(product_id) for product_id in ids] == [70] * 6
    assert await find_differences() == []


async def test_an_order_that_many_cancel_returns_its_stock_once(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=5)
    url = f"{ORDERS}{(await place(customer, (product['id'], 3)))['id']}/cancellation"
    assert await gather_statuses(*(admin.post(url) for _ in range(10))) == {200: 1, 409: 9}
    assert await fetch_value("SELECT count(*) FROM stock_movement WHERE reason = $1", Reason.CANCELLATION) == 1
    assert (await stock_of(product["id"]), await find_differences()) == (5, [])


async def test_an_order_is_either_cancelled_or_shipped(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=10)
    for _round in range(5):
        order = await place(customer, (product["id"], 1))
        url = f"{ORDERS}{order['id']}"
        assert (await admin.post(f"{url}/delivery", json={})).status_code == 201
        cancelling, shipping = (
            admin.post(f"{url}/cancellation"),
            admin.patch(f"{url}/delivery", json={"status": "shipped"}),
        )
        assert await gather_statuses(cancelling, shipping) == {200: 1, 409: 1}
        states = {(await admin.get(url)).json()["status"], (await admin.get(f"{url}/delivery")).json()["status"]}
        assert len(states) == 1
    shipped = await fetch_value("SELECT count(*) FROM sales_order WHERE status = 'shipped'")
    assert (await stock_of(product["id"]), await find_differences()) == (10 - shipped, [])


async def test_one_delivery_of_many_that_are_prepared_at_once_is_made(admin, staff, customer):
    await make_product(admin, "A-1", inventory_quantity=5)
    url = f"{ORDERS}{(await place(customer, ('sku:A-1', 1)))['id']}/delivery"
    assert await gather_statuses(*(staff.post(url, json={}) for _ in range(10))) == {201: 1, 409: 9}


async def test_cancellations_and_orders_of_the_same_products_go_on_side_by_side(admin, customer):
    ids = [(await make_product(admin, f"A-{n}", inventory_quantity=50))["id"] for n in range(4)]
    lines = [{"product": product_id, "quantity": 2} for product_id in ids]
    placed = [await place(customer, *((product_id, 2) for product_id in ids)) for _ in range(10)]
    cancelling = [admin.post(f"{ORDERS}{order['id']}/cancellation") for order in placed]
    placing = [customer.post(ORDERS, json={"lines": lines[::-1]}) for _ in range(10)]
    assert await gather_statuses(*cancelling, *placing) == {200: 10, 201: 10}
    assert [await stock_of(product_id) for product_id in ids] == [30] * 4
    assert await find_differences() == []


async def test_a_product_that_goes_meanwhile_stops_no_order_halfway(admin, customer):
    gone = await make_product(admin, "A-1", inventory_quantity=50)
    kept = await make_product(admin, "B-1", inventory_quantity=50)
    wish = {"lines": [{"product": kept["id"], "quantity": 1}, {"product": gone["id"], "quantity": 1}]}
    requests = [customer.post(ORDERS, json=wish) for _ in range(10)]
    requests.insert(5, admin.delete(f"/api/products/{gone['id']}"))
    statuses = await gather_statuses(*requests)
    assert set(statuses) <= {201, 204, 400}
    assert await stock_of(kept["id"]) == 50 - statuses[201]
    assert await fetch_value("SELECT count(*) FROM sales_order_line") == 2 * statuses[201]
    assert await find_differences() == []


async def test_an_order_has_one_price_while_prices_change(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=50, price="1.00")
    prices = [admin.patch(f"/api/products/{product['id']}", json={"price": f"{n}.00"}) for n in range(2, 8)]
    placing = [customer.post(ORDERS, json={"product": product["id"], "quantity": 2}) for _ in range(12)]
    assert await gather_statuses(*prices, *placing) == {200: 6, 201: 12}
    rows = await fetch("SELECT total, unit_price FROM sales_order o JOIN sales_order_line l ON l.sales_order = o.id")
    assert len(rows) == 12
    assert all(row["total"] == 2 * row["unit_price"] for row in rows)


async def test_what_fails_late_takes_nothing(admin, staff):
    """The stock has moved by the time that the customer turns out to be unknown."""
    product = await make_product(admin, "A-1", inventory_quantity=5)
    await execute("UPDATE users SET active = false WHERE username = 'ada'")
    wish = {"product": product["id"], "quantity": 1, "customer": 1}
    assert (await staff.post(ORDERS, json=wish)).status_code == 400
    assert await fetch_value("SELECT count(*) FROM stock_movement WHERE reason = 'sale'") == 0
    assert (await stock_of(product["id"]), await find_differences()) == (5, [])
