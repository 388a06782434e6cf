"""Adjustments: by a delta or to a count, all lines or none, and never against a number that is stale."""

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from domains.catalog.proof import find_differences
from lib.integers import LARGEST_INTEGER
from piccolo_conf import fetch, fetch_value
from tests.catalog.making import make_product
from tests.inventory.shelves import ADJUST, adjust, default_location, ledger_of, levels_of, make_location, wrong_fields
from tests.statements import statements


async def test_a_delta_is_added_to_the_default_location(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, inventory_quantity=5)
    booked = await adjust(staff, product["id"], delta=3, note="found behind the shelf")
    assert booked["lines"] == [
        {
            "product_id": product["id"],
            "sku": "A-1",
            "location_id": await default_location(staff),
            "location": "main",
            "before": 5,
            "delta": 3,
            "on_hand": 8,
        }
    ]
    assert (booked["reason"], booked["note"]) == ("adjustment", "found behind the shelf")
    assert await ledger_of(staff, booked["reference"]) == [("main", 3, 8, "adjustment")]
    assert await find_differences() == []


async def test_a_count_sets_one_level_and_leaves_the_others(staff: httpx.AsyncClient) -> None:
    await make_location(staff)
    product = await make_product(staff, inventory_quantity=5)
    booked = await adjust(staff, "sku:a-1", quantity=2, location="SHOP")
    assert (booked["reason"], booked["lines"][0]["before"], booked["lines"][0]["on_hand"]) == ("count", 0, 2)
    await adjust(staff, product["id"], quantity=1)
    assert await levels_of(staff, product["id"]) == {"main": 1, "shop": 2}
    assert (await staff.get(f"/api/products/{product['id']}")).json()["inventory_quantity"] == 3
    assert await find_differences() == []


async def test_a_count_that_agrees_books_nothing(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, inventory_quantity=5)
    booked = await adjust(staff, product["id"], quantity=5)
    assert (booked["lines"][0]["delta"], await ledger_of(staff, booked["reference"])) == (0, [])
    assert (await staff.get(f"/api/products/{product['id']}")).json()["version"] == product["version"]


async def test_a_bare_negative_delta_is_taken_from_where_it_lies(staff: httpx.AsyncClient) -> None:
    await make_location(staff)
    product = await make_product(staff, inventory_quantity=2)
    await adjust(staff, product["id"], delta=3, location="shop")
    booked = await adjust(staff, product["id"], delta=-4)
    line = booked["lines"][0]
    assert (line["location"], line["before"], line["on_hand"]) == (None, 5, 1)
    assert await ledger_of(staff, booked["reference"]) == [("main", -2, 0, "adjustment"), ("shop", -2, 1, "adjustment")]
    assert await find_differences() == []


async def test_a_delta_at_a_location_takes_nothing_from_another(staff: httpx.AsyncClient) -> None:
    await make_location(staff)
    product = await make_product(staff, inventory_quantity=5)
    refused = await adjust(staff, product["id"], 409, delta=-1, location="shop")
    assert (refused["code"], refused["items"][0]["available"]) == ("out_of_stock", 0)
    assert await levels_of(staff, product["id"]) == {"main": 5}


async def test_an_expectation_speaks_of_one_level(staff: httpx.AsyncClient) -> None:
    shop = await make_location(staff)
    product = await make_product(staff, inventory_quantity=2)
    await adjust(staff, product["id"], delta=3, location="shop")
    stale = await adjust(staff, product["id"], 409, delta=-1, expected_quantity=2, location=shop)
    assert (stale["code"], stale["detail"]) == ("stale_quantity", "3 of A-1 lie at shop, 2 were expected.")
    assert stale["items"] == [
        {
            "product_id": product["id"],
            "sku": "A-1",
            "location_id": shop,
            "location": "shop",
            "expected_quantity": 2,
            "on_hand": 3,
        }
    ]
    assert (await adjust(staff, product["id"], delta=-1, expected_quantity=2))["lines"][0]["location"] == "main"
    assert (await adjust(staff, product["id"], quantity=0, expected_quantity=1))["lines"][0]["on_hand"] == 0
    assert await levels_of(staff, product["id"]) == {"main": 0, "shop": 3}


async def test_of_many_who_expect_the_same_one_is_right(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, inventory_quantity=5)
    body = {"product": product["id"], "delta": 1, "expected_quantity": 5}
    answers = await asyncio.gather(*(staff.post(ADJUST, json=body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"stale_quantity"}
    assert (await levels_of(staff, product["id"]), await find_differences()) == ({"main": 6}, [])


async def test_counts_and_deltas_at_once_keep_the_ledger_true(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, inventory_quantity=50)
    counts = (adjust(staff, product["id"], quantity=100 + number) for number in range(10))
    deltas = (adjust(staff, product["id"], delta=-1) for _ in range(10))
    booked = await asyncio.gather(*counts, *deltas)
    rows = await fetch("SELECT delta, on_hand_after FROM stock_movement ORDER BY id")
    assert [row["on_hand_after"] for row in rows] == list(itertools.accumulate(row["delta"] for row in rows))
    assert [it["lines"][0]["on_hand"] for it in booked[:10]] == list(range(100, 110))
    assert await find_differences() == []


async def test_lines_in_any_order_do_not_deadlock(staff: httpx.AsyncClient) -> None:
    ids = [(await make_product(staff, f"P{number}", inventory_quantity=50))["id"] for number in range(6)]

    async def take(order: list[int]) -> httpx.Response:
        return await staff.post(ADJUST, json={"lines": [{"product": it, "delta": -1} for it in order]})

    answers = await asyncio.gather(*(take(ids if number % 2 else ids[::-1]) for number in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert [await levels_of(staff, it) for it in ids] == [{"main": 30}] * 6
    assert await find_differences() == []


async def test_lines_are_booked_together_or_not_at_all(staff: httpx.AsyncClient) -> None:
    first, second = await make_product(staff, "A", stock=5), await make_product(staff, "B", stock=1)
    lines = [{"product": first["id"], "delta": -1}, {"product": "sku:B", "delta": -2, "location": "main"}]
    refused = await staff.post(ADJUST, json={"lines": lines})
    assert (refused.status_code, [item["sku"] for item in refused.json()["items"]]) == (409, ["B"])
    assert (await levels_of(staff, first["id"]), await levels_of(staff, second["id"])) == ({"main": 5}, {"main": 1})
    lines[1]["delta"] = -1
    booked = (await staff.post(ADJUST, json={"lines": lines, "reason": "return"})).json()
    assert [line["on_hand"] for line in booked["lines"]] == [4, 0]
    assert {row[3] for row in await ledger_of(staff, booked["reference"])} == {"return"}
    assert await find_differences() == []


async def test_five_hundred_lines_are_as_many_statements_as_one(staff: httpx.AsyncClient) -> None:
    await staff.post("/api/products/bulk", json=[{"sku": f"S{number}", "name": "Thing"} for number in range(500)])
    lines = [{"product": f"sku:s{number}", "quantity": number + 9} for number in range(500)]
    counted = []
    for some in (lines[:1], lines):
        async with statements() as asked:
            assert (await staff.post(ADJUST, json={"lines": some})).status_code == 201
        counted.append(len(asked))
    # BEGIN, who acts, SKUs, locations, locks, levels, moves, COMMIT, and the review of what was low.
    assert counted[0] == counted[1] <= 10
    assert await fetch_value("SELECT sum(on_hand) FROM stock_level") == sum(number + 9 for number in range(500))
    assert await find_differences() == []


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["product"]),
    ({"delta": 1}, ["product"]),
    ({"product": 1}, ["quantity"]),
    ({"product": 1, "delta": 1, "quantity": 1}, ["quantity"]),
    ({"product": 1, "delta": 1, "lines": [{"product": 1, "delta": 1}]}, ["product"]),
    ({"lines": []}, ["lines"]),
    ({"lines": [{"product": 1, "delta": 1}, {"product": 1}]}, ["lines[1].quantity"]),
    ({"lines": [{"product": 1, "delta": 1}, {"product": 99, "delta": 1}]}, ["lines[1].product"]),
    ({"lines": [{"product": 1, "delta": 1}, {"product": "sku:no", "delta": 1}]}, ["lines[1].product"]),
    ({"lines": [{"product": 1, "delta": 1}, {"product": 1, "quantity": 1}], "reason": "count"}, ["lines[1].product"]),
    ({"lines": [{"product": 1, "delta": -1}, {"product": "sku:a-1", "delta": 1}]}, ["lines[1].product"]),
    ({"lines": [{"product": 1, "delta": 1}, {"product": 2, "quantity": 1}]}, ["reason"]),
    ({"lines": [{"product": 1, "delta": 1, "location": "nowhere"}]}, ["lines[0].location"]),
    ({"product": 1, "delta": 1, "location": 999}, ["location"]),
    ({"product": 99, "delta": 1}, ["product"]),
    ({"product": "A-1", "delta": 1}, ["product"]),
    ({"product": 1, "delta": LARGEST_INTEGER}, ["delta"]),
    ({"product": 1, "delta": LARGEST_INTEGER + 1}, ["delta"]),
    ({"product": 1, "quantity": -1}, ["quantity"]),
    ({"product": 1, "delta": 1, "reason": "sale"}, ["reason"]),
    ({"product": 1, "delta": 1, "note": "x" * 1001}, ["note"]),
    ({"product": 1, "delta": 1, "note": "a\0b"}, ["note"]),
    ({"product": 1, "delta": 1, "on_hand": 7}, ["on_hand"]),
]


@pytest.mark.parametrize(("body", "fields"), WRONG)
async def test_what_is_wrong_is_named_and_nothing_is_booked(
    staff: httpx.AsyncClient, body: dict[str, Any], fields: list[str]
) -> None:
    first, _second = await make_product(staff, stock=5), await make_product(staff, "B")
    assert first["id"] == 1
    assert wrong_fields(await staff.post(ADJUST, json=body)) == fields
    assert (await levels_of(staff, 1), await find_differences()) == ({"main": 5}, [])


async def test_a_total_that_no_integer_holds_is_refused(staff: httpx.AsyncClient) -> None:
    await make_location(staff)
    product = await make_product(staff, stock=LARGEST_INTEGER)
    for booked in ({"delta": 1}, {"quantity": 1}):
        refused = await staff.post(ADJUST, json={"product": product["id"], "location": "shop", **booked})
        assert (refused.status_code, refused.json()["code"]) == (409, "too_much_stock")
    assert await find_differences() == []


async def test_a_key_books_once(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, stock=5)
    body, headers = {"product": product["id"], "delta": -1}, {"Idempotency-Key": "k-1"}
    answers = await asyncio.gather(*(staff.post(ADJUST, json=body, headers=headers) for _ in range(10)))
    done = {answer.content for answer in answers if answer.status_code == 201}
    assert len(done) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert (await staff.post(ADJUST, json=body, headers=headers)).content in done
    assert (await staff.post(ADJUST, json=body | {"delta": -2}, headers=headers)).status_code == 422
    assert (await levels_of(staff, product["id"]), await find_differences()) == ({"main": 4}, [])


async def test_the_ledger_and_the_event_name_who_and_what(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, stock=5)
    booked = await adjust(staff, product["id"], delta=1)
    who = (await staff.get("/auth/users/me")).json()["id"]
    moved = await fetch("SELECT actor_id, reference FROM stock_movement ORDER BY id DESC LIMIT 1")
    told = await fetch("SELECT actor_id, reference FROM event WHERE topic = 'product.updated' ORDER BY id DESC LIMIT 1")
    assert [tuple(row) for row in (*moved, *told)] == [(who, booked["reference"])] * 2


async def test_who_may(client: httpx.AsyncClient, customer: httpx.AsyncClient, staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, stock=5)
    for somebody, status in ((client, 401), (customer, 403)):
        assert (await somebody.post(ADJUST, json={"product": product["id"], "delta": 1})).status_code == status
    assert await levels_of(staff, product["id"]) == {"main": 5}
