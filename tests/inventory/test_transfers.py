"""Transfers: two movements for each product, none of them ever lost, and a total that stays."""

import asyncio
from typing import Any

import httpx
import pytest

from domains.catalog.proof import find_differences
from lib.integers import LARGEST_INTEGER
from piccolo_conf import fetch_value
from tests.catalog.making import make_product
from tests.inventory.shelves import TRANSFER, adjust, ledger_of, levels_of, make_location, wrong_fields
from tests.statements import statements

THERE = {"from_location": "main", "to_location": "shop"}
BACK = {"from_location": "shop", "to_location": "main"}


async def test_a_transfer_is_two_movements_under_one_reference(staff: httpx.AsyncClient) -> None:
    await make_location(staff)
    product = await make_product(staff, inventory_quantity=5)
    moved = await staff.post(TRANSFER, json=THERE | {"product": product["id"], "quantity": 2, "note": "for Saturday"})
    line = {"product_id": product["id"], "sku": "A-1", "quantity": 2, "from_on_hand": 3, "to_on_hand": 2}
    reference = moved.json().pop("reference")
    assert moved.json() == THERE | {"reference": reference, "note": "for Saturday", "lines": [line]}
    assert sorted(await ledger_of(staff, reference)) == [("main", -2, 3, "transfer"), ("shop", 2, 2, "transfer")]
    assert await find_differences() == []


async def test_the_product_stays_as_it_is(staff: httpx.AsyncClient) -> None:
    await make_location(staff)
    product = await make_product(staff, inventory_quantity=5)
    events = await fetch_value("SELECT count(*) FROM event")
    await staff.post(TRANSFER, json=THERE | {"product": product["id"], "quantity": 2})
    assert (await staff.get(f"/api/products/{product['id']}")).json() == product
    assert await fetch_value("SELECT count(*) FROM event") == events


async def test_lines_move_together_or_not_at_all(staff: httpx.AsyncClient) -> None:
    shop = await make_location(staff)
    first, second = await make_product(staff, "A", stock=5), await make_product(staff, "B", stock=1)
    lines: list[dict[str, Any]] = [{"product": first["id"], "quantity": 1}, {"product": "sku:b", "quantity": 2}]
    refused = await staff.post(TRANSFER, json={"from_location": "main", "to_location": shop, "lines": lines})
    assert (refused.status_code, refused.json()["code"], refused.json()["items"][0]["sku"]) == (
        409,
        "out_of_stock",
        "B",
    )
    assert await levels_of(staff, first["id"]) == {"main": 5}
    lines[1]["quantity"] = 1
    assert (await staff.post(TRANSFER, json=THERE | {"lines": lines})).status_code == 201
    assert (await levels_of(staff, first["id"]), await levels_of(staff, second["id"])) == (
        {"main": 4, "shop": 1},
        {"main": 0, "shop": 1},
    )


async def test_the_same_product_twice_adds_up(staff: httpx.AsyncClient) -> None:
    await make_location(staff)
    product = await make_product(staff, stock=5)
    lines = [{"product": product["id"], "quantity": 2}, {"product": "sku:A-1", "quantity": 3}]
    moved = (await staff.post(TRANSFER, json=THERE | {"lines": lines})).json()
    assert [(line["quantity"], line["to_on_hand"]) for line in moved["lines"]] == [(5, 5)]
    assert len(await ledger_of(staff, moved["reference"])) == 2


async def test_what_lies_elsewhere_does_not_count(staff: httpx.AsyncClient) -> None:
    await make_location(staff)
    await make_location(staff, "store")
    product = await make_product(staff, stock=5)
    refused = await staff.post(TRANSFER, json=BACK | {"product": product["id"], "quantity": 1})
    assert (refused.status_code, refused.json()["items"][0]["available"]) == (409, 0)


async def test_there_and_back_at_once_neither_deadlocks_nor_loses(staff: httpx.AsyncClient) -> None:
    await make_location(staff)
    ids = [(await make_product(staff, f"P{number}", stock=40))["id"] for number in range(5)]
    for it in ids:
        await adjust(staff, it, quantity=40, location="shop")

    def move(number: int) -> Any:
        lines = [{"product": it, "quantity": 1} for it in (ids if number % 2 else ids[::-1])]
        return staff.post(TRANSFER, json=(THERE if number % 3 else BACK) | {"lines": lines})

    answers = await asyncio.gather(*(move(number) for number in range(30)))
    assert {answer.status_code for answer in answers} == {201}
    assert [await levels_of(staff, it) for it in ids] == [{"main": 30, "shop": 50}] * 5
    assert await find_differences() == []


async def test_the_last_unit_moves_once(staff: httpx.AsyncClient) -> None:
    await make_location(staff)
    product = await make_product(staff, stock=1)
    body = THERE | {"product": product["id"], "quantity": 1}
    answers = await asyncio.gather(*(staff.post(TRANSFER, json=body) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert (await levels_of(staff, product["id"]), await find_differences()) == ({"main": 0, "shop": 1}, [])


async def test_many_lines_are_as_many_statements_as_one(staff: httpx.AsyncClient) -> None:
    await make_location(staff)
    items = [{"sku": f"S{number}", "name": "Thing", "stock": 9} for number in range(200)]
    await staff.post("/api/products/bulk", json=items)
    lines = [{"product": f"sku:S{number}", "quantity": 1} for number in range(200)]
    counted = []
    for some in (lines[:1], lines):
        async with statements() as asked:
            assert (await staff.post(TRANSFER, json=THERE | {"lines": some})).status_code == 201
        counted.append(len(asked))
    assert counted[0] == counted[1]


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["product"]),
    ({"product": 1}, ["quantity"]),
    ({"product": 1, "quantity": 0}, ["quantity"]),
    ({"product": 1, "quantity": 1, "lines": [{"product": 1, "quantity": 1}]}, ["product"]),
    ({"product": 99, "quantity": 1}, ["product"]),
    ({"lines": [{"product": 1, "quantity": 1}, {"product": 99, "quantity": 1}]}, ["lines[1].product"]),
    ({"lines": [{"product": "sku:no", "quantity": 1}]}, ["lines[0].product"]),
    ({"product": 1, "quantity": 1, "from_location": "nowhere"}, ["from_location"]),
    ({"product": 1, "quantity": 1, "to_location": 999}, ["to_location"]),
    ({"product": 1, "quantity": 1, "to_location": "MAIN"}, ["to_location"]),
    ({"product": 1, "quantity": 1, "to_location": None}, ["to_location"]),
    ({"product": 1, "quantity": 1, "reason": "sale"}, ["reason"]),
    ({"lines": [{"product": 1, "quantity": LARGEST_INTEGER}, {"product": 1, "quantity": 1}]}, ["lines[0].quantity"]),
]


@pytest.mark.parametrize(("body", "fields"), WRONG)
async def test_what_is_wrong_is_named_and_nothing_moves(
    staff: httpx.AsyncClient, body: dict[str, Any], fields: list[str]
) -> None:
    await make_location(staff)
    assert (await make_product(staff, stock=5))["id"] == 1
    assert wrong_fields(await staff.post(TRANSFER, json=THERE | body)) == fields
    assert await levels_of(staff, 1) == {"main": 5}


async def test_a_key_moves_once(staff: httpx.AsyncClient) -> None:
    await make_location(staff)
    product = await make_product(staff, stock=5)
    body, headers = THERE | {"product": product["id"], "quantity": 1}, {"Idempotency-Key": "k-1"}
    first = await staff.post(TRANSFER, json=body, headers=headers)
    again = await staff.post(TRANSFER, json=body, headers=headers)
    assert (first.status_code, again.status_code, first.content) == (201, 201, again.content)
    assert await levels_of(staff, product["id"]) == {"main": 4, "shop": 1}


async def test_who_may(client: httpx.AsyncClient, customer: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    await make_location(admin)
    product = await make_product(admin, stock=5)
    body = THERE | {"product": product["id"], "quantity": 1}
    answers = [await somebody.post(TRANSFER, json=body) for somebody in (client, customer, admin)]
    assert [answer.status_code for answer in answers] == [401, 403, 201]
