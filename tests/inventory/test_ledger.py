"""The ledger over HTTP: what, where, why and who."""

from typing import Any

import httpx
import pytest

from piccolo_conf import execute, fetch_value
from tests.catalog.making import make_product
from tests.inventory.shelves import LEDGER, TRANSFER, adjust, make_location
from tests.orders.placing import user_id


async def deltas(client: httpx.AsyncClient, **query: Any) -> list[int]:
    answer = await client.get(LEDGER, params=query)
    assert answer.status_code == 200, answer.text
    return [row["delta"] for row in answer.json()["results"]]


@pytest.fixture
async def booked(admin: httpx.AsyncClient, staff: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Movements 5 (by ada), then 1, -2 and a transfer of 3 (by stan), of A-1 and B-1."""
    await make_location(admin)
    first, second = await make_product(admin), await make_product(admin, "B-1")
    made = [await adjust(admin, first["id"], quantity=5, note="opening")]
    made.append(await adjust(staff, second["id"], delta=1, location="shop"))
    made.append(await adjust(staff, first["id"], delta=-2, reason="return"))
    body = {"product": first["id"], "quantity": 3, "from_location": "main", "to_location": "shop"}
    made.append((await staff.post(TRANSFER, json=body)).json())
    return made


async def test_a_movement_tells_what_where_why_and_who(admin: httpx.AsyncClient, booked: list[dict[str, Any]]) -> None:
    row = (await admin.get(LEDGER)).json()["results"][-1]
    who = (await admin.get("/auth/users/me")).json()
    assert row.pop("occurred_at") > "2026"
    assert row == {
        "id": row["id"],
        "product_id": booked[0]["lines"][0]["product_id"],
        "sku": "A-1",
        "location_id": booked[0]["lines"][0]["location_id"],
        "location": "main",
        "delta": 5,
        "on_hand_after": 5,
        "reason": "count",
        "reference": booked[0]["reference"],
        "note": "opening",
        "actor_id": who["id"],
        "actor": who["username"],
    }


async def test_filters_leave_what_they_say(admin: httpx.AsyncClient, booked: list[dict[str, Any]]) -> None:
    assert sorted(await deltas(admin)) == [-3, -2, 1, 3, 5]
    assert (await deltas(admin))[2:] == [-2, 1, 5]
    assert await deltas(admin, sku="b-1") == await deltas(admin, product=2) == [1]
    assert sorted(await deltas(admin, location="SHOP")) == [1, 3]
    assert (await deltas(admin, reason="return"), await deltas(admin, reason="sale")) == ([-2], [])
    assert await deltas(admin, reference=booked[1]["reference"]) == [1]
    assert await deltas(admin, reference="") == []
    assert await deltas(admin, actor_id=await user_id(admin)) == [5]
    assert sorted(await deltas(admin, delta__gte=2)) == [3, 5]
    assert sorted(await deltas(admin, delta__lte=-1, product__in="1,2")) == [-3, -2]


async def test_a_range_of_time_has_both_ends(admin: httpx.AsyncClient, booked: list[dict[str, Any]]) -> None:
    times = [row["occurred_at"] for row in (await admin.get(LEDGER)).json()["results"]]
    assert await deltas(admin, occurred_at__gte=times[3], occurred_at__lte=times[2]) == [-2, 1]


async def test_a_deleted_product_is_found_by_its_last_sku(
    admin: httpx.AsyncClient, booked: list[dict[str, Any]]
) -> None:
    await admin.patch("/api/products/sku:B-1", json={"sku": "B-2"})
    assert (await deltas(admin, sku="B-1"), await deltas(admin, sku="b-2")) == ([], [1])
    await admin.delete("/api/products/sku:B-2")
    assert (await deltas(admin, sku="b-2"), await deltas(admin, product=2)) == ([1], [1])


@pytest.mark.parametrize("ordering", ["-occurred_at", "occurred_at", "id", "-id"])
async def test_every_order_walks_through_all_of_it(
    admin: httpx.AsyncClient, booked: list[dict[str, Any]], ordering: str
) -> None:
    everything, found = await deltas(admin, ordering=ordering), []
    url = str(httpx.URL(LEDGER, params={"ordering": ordering, "page_size": 2, "after": ""}))
    while url:
        page = (await admin.get(url)).json()
        found += [row["delta"] for row in page["results"]]
        url = page["next"]
    assert (found, len(found)) == (everything, 5)


@pytest.mark.parametrize(
    "query", [{"note": "x"}, {"reason": "theft"}, {"ordering": "delta"}, {"occurred_at__gte": "x"}]
)
async def test_what_the_list_does_not_know_is_refused(admin: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await admin.get(LEDGER, params=query)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, next(iter(query)))


async def test_each_filter_that_names_its_index_uses_it(admin: httpx.AsyncClient) -> None:
    await make_product(admin)
    await execute(
        """INSERT INTO stock_movement (product_id, sku, location, delta, on_hand_after, reason, reference, occurred_at)
           SELECT 1 + i % 2000, 'P', l.id, 1, 1, 'sale', 'order:' || i / 2, timestamptz '2026-01-01' + i * interval '1s'
           FROM generate_series(1, 20000) AS i, location l"""
    )
    await execute("ANALYZE stock_movement")
    assert len(await deltas(admin, reference="order:4000")) == 2
    assert len(await deltas(admin, product=5)) == 10
    for clause, index in (
        ("m.reference = 'order:4000' AND m.reference <> ''", "stock_movement_reference"),
        ("m.product_id = 5", "stock_movement_product"),
        ("m.occurred_at <= '2026-01-01 01:00'", "stock_movement_time"),
    ):
        query = f"SELECT * FROM stock_movement m WHERE {clause} ORDER BY m.occurred_at DESC, m.id DESC LIMIT 51"
        assert index in await fetch_value(f"EXPLAIN (FORMAT JSON) {query}")


async def test_who_may(client: httpx.AsyncClient, customer: httpx.AsyncClient, staff: httpx.AsyncClient) -> None:
    answers = [await somebody.get(LEDGER) for somebody in (client, customer, staff)]
    assert [answer.status_code for answer in answers] == [401, 403, 200]
