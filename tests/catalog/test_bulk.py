"""Many products in one request, each with its result."""

import asyncio

import httpx

from domains.catalog.proof import find_differences
from piccolo_conf import fetch, fetch_value

BULK = "/api/products/bulk/"


async def test_items_are_created_updated_or_left_by_sku(staff: httpx.AsyncClient) -> None:
    first = await staff.post(BULK, json=[{"sku": "A", "name": "Anvil", "price": "1.00", "stock": 3}])
    assert first.json()["created"] == 1
    items = [
        {"sku": "a", "price": 2.5},
        {"sku": "B", "name": "Bellows", "brand": "Forge", "options": {"Size": "M"}, "is_active": False},
        {"sku": " A2 ", "name": "Anvil 2"},
    ]
    answer = (await staff.post(BULK, json=items)).json()
    assert (answer["created"], answer["updated"], answer["errors"]) == (2, 1, 0)
    assert [item["result"] for item in answer["results"]] == ["updated", "created", "created"]
    again = (await staff.post(BULK, json=items)).json()
    assert (again["unchanged"], again["updated"]) == (3, 0)
    anvil = (await staff.get(f"/api/products/{answer['results'][0]['id']}")).json()
    assert (anvil["name"], anvil["price"], anvil["inventory_quantity"], anvil["version"]) == ("Anvil", "2.50", 3, 2)
    assert await find_differences() == []


async def test_bad_items_are_told_of_and_good_ones_go_in(staff: httpx.AsyncClient) -> None:
    items = [
        {"sku": "A", "name": "Anvil"},
        {"sku": "B", "name": "Bellows", "price": "-1", "colour": "red"},
        {"name": "No SKU"},
        {"sku": "C"},
        {"sku": "a", "name": "Twice"},
        17,
    ]
    answer = (await staff.post(BULK, json=items)).json()
    assert (answer["created"], answer["errors"]) == (1, 5)
    fields = [[error["field"] for error in item["errors"]] for item in answer["results"]]
    assert fields == [[], ["price", "colour"], ["sku"], ["name"], ["sku"], ["body"]]


async def test_null_clears_and_absence_keeps(staff: httpx.AsyncClient) -> None:
    await staff.post(BULK, json=[{"sku": "A", "name": "Anvil", "brand": "Forge", "cost_price": "1", "color": "red"}])
    await staff.post(BULK, json=[{"sku": "A", "brand": None, "cost_price": None}])
    row = (await fetch("SELECT brand, cost_price, color FROM product"))[0]
    assert tuple(row) == (None, None, "red")


async def test_stock_is_booked_once_for_each_product(staff: httpx.AsyncClient) -> None:
    await staff.post(BULK, json=[{"sku": f"S{number}", "name": "Thing", "stock": number} for number in range(1000)])
    assert await fetch_value("SELECT count(*) FROM event WHERE bulk AND topic = 'product.created'") == 1000
    assert await fetch_value("SELECT count(*) FROM event WHERE topic = 'product.updated'") == 0
    assert await fetch_value("SELECT count(*) FROM stock_movement WHERE reason = 'adjustment'") == 999
    assert await find_differences() == []


async def test_letters_that_only_the_database_finds_equal_are_one_sku(staff: httpx.AsyncClient) -> None:
    answer = (
        await staff.post(BULK, json=[{"sku": "\u03a3A", "name": "First"}, {"sku": "\u03c3a", "name": "Last"}])
    ).json()
    assert (answer["created"], answer["errors"]) == (1, 1)
    assert all(item["errors"] or item["result"] == "created" for item in answer["results"])


async def test_a_name_too_long_for_its_index_is_told_of_alone(staff: httpx.AsyncClient) -> None:
    items = [{"sku": "A", "name": "\u5b57" * 500}, {"sku": "B", "name": "Bellows"}]
    answer = (await staff.post(BULK, json=items)).json()
    assert (answer["created"], answer["results"][0]["errors"][0]["field"]) == (1, "name")


async def test_more_than_a_thousand_are_refused(staff: httpx.AsyncClient) -> None:
    items = [{"sku": f"S{number}", "name": "Thing"} for number in range(1001)]
    assert (await staff.post(BULK, json=items)).status_code == 400
    assert (await staff.post(BULK, json=[])).status_code == 400
    assert (await staff.post(BULK, json={"sku": "A"})).status_code == 400


async def test_the_same_new_items_from_two_clients_at_once_are_one_set(staff: httpx.AsyncClient) -> None:
    items = [{"sku": f"S{number}", "name": "Thing", "stock": 2} for number in range(200)]
    answers = await asyncio.gather(*(staff.post(BULK, json=items) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["created"] for answer in answers) == 200
    assert await fetch_value("SELECT sum(inventory_quantity) FROM product") == 400
    assert await find_differences() == []


async def test_bulk_and_single_changes_side_by_side_do_not_deadlock(staff: httpx.AsyncClient) -> None:
    items = [{"sku": f"S{number}", "name": "Thing", "stock": 5} for number in range(50)]
    await staff.post(BULK, json=items)
    changed = [{"sku": f"S{number}", "price": "3.00", "stock": 6} for number in reversed(range(50))]
    singles = (staff.patch(f"/api/products/sku:S{number}", json={"stock": 7}) for number in range(50))
    answers = await asyncio.gather(staff.post(BULK, json=changed), *singles)
    assert {answer.status_code for answer in answers} == {200}
    assert await find_differences() == []


async def test_who_may(client: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    items = [{"sku": "A", "name": "Anvil"}]
    assert (await client.post(BULK, json=items)).status_code == 401
    assert (await customer.post(BULK, json=items)).status_code == 403
