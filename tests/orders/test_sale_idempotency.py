"""One `Idempotency-Key` is one order, whoever asks how often."""

import asyncio

from domains.catalog.proof import find_differences
from piccolo_conf import fetch_value
from tests.catalog.making import make_product
from tests.orders.placing import ORDERS, place, stock_of

KEY = {"Idempotency-Key": "cart-77"}


async def count_orders() -> int:
    return int(await fetch_value("SELECT count(*) FROM sales_order"))


async def test_fifty_at_once_place_one_order(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=100)
    wish = {"lines": [{"product": product["id"], "quantity": 2}]}
    answers = await asyncio.gather(*(customer.post(ORDERS, json=wish, headers=KEY) for _ in range(50)))
    answers.append(await customer.post(ORDERS, json=wish, headers=KEY))
    done = [answer for answer in answers if answer.status_code == 201]
    others = {(answer.status_code, answer.json()["code"]) for answer in answers if answer.status_code != 201}
    assert others <= {(409, "idempotency_key_in_use")}
    assert len({(answer.content, answer.headers["location"]) for answer in done}) == 1
    assert answers[-1] in done
    assert (await count_orders(), await stock_of(product["id"]), await find_differences()) == (1, 98, [])


async def test_a_replay_is_the_first_answer_byte_for_byte(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=5)
    wish = {"product": product["id"], "quantity": 2, "price": "1.5"}
    first = await customer.post(ORDERS, json=wish, headers=KEY)
    await admin.post(f"{ORDERS}{first.json()['id']}/cancellation")
    again = await customer.post(ORDERS.rstrip("/"), json=wish | {"price": 1.50}, headers=KEY)
    kept = ("content-type", "location")
    assert (again.status_code, again.content) == (201, first.content)
    assert [again.headers[name] for name in kept] == [first.headers[name] for name in kept]
    assert await count_orders() == 1


async def test_another_order_under_the_same_key_is_refused(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=5)
    await customer.post(ORDERS, json={"product": product["id"], "quantity": 1}, headers=KEY)
    refused = await customer.post(ORDERS, json={"product": product["id"], "quantity": 2}, headers=KEY)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert (await count_orders(), await stock_of(product["id"])) == (1, 4)


async def test_a_refused_order_may_be_tried_again_under_its_key(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=1)
    wish = {"product": product["id"], "quantity": 2}
    assert (await customer.post(ORDERS, json=wish, headers=KEY)).status_code == 409
    await admin.patch(f"/api/products/{product['id']}", json={"inventory_quantity": 2})
    assert (await customer.post(ORDERS, json=wish, headers=KEY)).status_code == 201
    assert (await stock_of(product["id"]), await find_differences()) == (0, [])


async def test_two_people_may_choose_the_same_key(admin, customer, stranger):
    product = await make_product(admin, "A-1", inventory_quantity=5)
    wish = {"product": product["id"], "quantity": 1}
    answers = [await client.post(ORDERS, json=wish, headers=KEY) for client in (customer, stranger)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["customer"] != answers[1].json()["customer"]


async def test_a_cancellation_under_a_key_is_replayed_where_another_would_be_refused(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=5)
    url = f"{ORDERS}{(await place(customer, (product['id'], 3)))['id']}/cancellation"
    answers = [await admin.post(url, headers=KEY) for _ in range(2)] + [await admin.post(url)]
    assert [answer.status_code for answer in answers] == [200, 200, 409]
    assert answers[0].content == answers[1].content
    assert (await stock_of(product["id"]), await find_differences()) == (5, [])


async def test_a_key_of_one_order_cancels_no_other(admin, customer):
    await make_product(admin, "A-1", inventory_quantity=5)
    urls = [f"{ORDERS}{(await place(customer, ('sku:A-1', 1)))['id']}/cancellation" for _ in range(2)]
    answers = [await admin.post(url, headers=KEY) for url in urls]
    assert [answer.status_code for answer in answers] == [200, 422]


async def test_a_bad_key_is_refused(customer):
    refused = await customer.post(ORDERS, json={"product": 1, "quantity": 1}, headers={"Idempotency-Key": "x" * 256})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_idempotency_key")


async def test_under_a_key_too_the_ledger_names_the_order(admin, customer):
    product = await make_product(admin, "A-1", inventory_quantity=5)
    await customer.post(ORDERS, json={"product": product["id"], "quantity": 1}, headers=KEY)
    told = await fetch_value("SELECT source || ' ' || reference FROM event WHERE topic = 'product.updated'")
    assert told == "order order:1"
