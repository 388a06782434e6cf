"""What lies where: now, and as the ledger says it was."""

import asyncio
from datetime import datetime
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from domains.inventory import levels
from piccolo_conf import DB, execute, fetch, fetch_value
from tests.catalog.making import make_product
from tests.faults.harness import until
from tests.inventory.shelves import STOCK, adjust, default_location, levels_of, make_location
from tests.statements import someone_waits

Row = tuple[str, str, int]


async def rows(client: httpx.AsyncClient, **query: Any) -> list[Row]:
    """(sku, location, on_hand) of a page."""
    answer = await client.get(STOCK, params=query)
    assert answer.status_code == 200, answer.text
    return [(row["sku"], row["location"], row["on_hand"]) for row in answer.json()["results"]]


async def walk(client: httpx.AsyncClient, **query: Any) -> list[Row]:
    """All pages, by the addresses that they give."""
    found: list[Row] = []
    url: str | None = str(httpx.URL(STOCK, params=query))
    while url:
        page = (await client.get(url)).json()
        found += [(row["sku"], row["location"], row["on_hand"]) for row in page["results"]]
        url = page["next"]
    return found


async def now() -> str:
    """Between what was booked before and what follows, by the clock of the database."""
    time: datetime = await fetch_value("SELECT clock_timestamp()")
    await asyncio.sleep(0.002)
    return time.isoformat()


@pytest.fixture
async def stocked(staff: httpx.AsyncClient) -> list[int]:
    """A and B at two locations, C at none; the ids."""
    await make_location(staff)
    ids = [(await make_product(staff, sku))["id"] for sku in ("A", "B", "C")]
    for number, it in enumerate(ids[:2], 1):
        await adjust(staff, it, delta=number)
        await adjust(staff, it, delta=10 * number, location="shop")
    return ids


async def test_levels_are_listed_by_product(staff: httpx.AsyncClient, stocked: list[int]) -> None:
    page = (await staff.get(STOCK)).json()
    assert page["results"][0] == {
        "product_id": stocked[0],
        "sku": "A",
        "name": "Product A",
        "location_id": await default_location(staff),
        "location": "main",
        "on_hand": 1,
    }
    assert (page["count"], page["next"]) == (4, None)
    assert await rows(staff) == [("A", "main", 1), ("A", "shop", 10), ("B", "main", 2), ("B", "shop", 20)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"product": 1}, [("A", "main", 1), ("A", "shop", 10)]),
        ({"product__in": "2,3"}, [("B", "main", 2), ("B", "shop", 20)]),
        ({"sku": "b", "location": "SHOP"}, [("B", "shop", 20)]),
        ({"location": "shop", "on_hand__gte": 11}, [("B", "shop", 20)]),
        ({"on_hand": 2}, [("B", "main", 2)]),
        ({"on_hand__lte": 2, "on_hand__gte": 2}, [("B", "main", 2)]),
        ({"sku": "no"}, []),
        ({"location": "nowhere"}, []),
        ({"product": -1}, []),
    ],
)
async def test_filters_leave_what_they_say_now_and_then(
    staff: httpx.AsyncClient, stocked: list[int], query: dict[str, Any], expected: list[Row]
) -> None:
    assert stocked == [1, 2, 3]
    assert await rows(staff, **query) == expected
    assert await rows(staff, **query, as_of=await now()) == expected


async def test_a_location_may_be_named_by_its_id(staff: httpx.AsyncClient, stocked: list[int]) -> None:
    main = await default_location(staff)
    assert await rows(staff, location=main, product=stocked[0]) == [("A", "main", 1)]


@pytest.mark.parametrize("query", [{"color": "red"}, {"ordering": "on_hand"}, {"product": "x"}, {"as_of": "soon"}])
async def test_what_the_list_does_not_know_is_refused(staff: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await staff.get(STOCK, params=query)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, next(iter(query)))


@pytest.mark.parametrize("ordering", ["product_id", "-product_id", "sku", "-sku", "id", "-id"])
async def test_every_order_walks_through_all_of_them(
    staff: httpx.AsyncClient, stocked: list[int], ordering: str
) -> None:
    everything = await rows(staff, ordering=ordering)
    assert await walk(staff, ordering=ordering, page_size=1, after="") == everything
    assert await walk(staff, ordering=ordering, page_size=3) == everything
    assert sorted(everything) == await rows(staff)


async def test_stock_as_of_a_time_is_what_the_list_said_then(staff: httpx.AsyncClient, stocked: list[int]) -> None:
    said = []
    for it in (stocked[0], stocked[2], stocked[1]):
        said.append((await now(), await rows(staff)))
        await adjust(staff, it, delta=5, location="shop")
        await adjust(staff, stocked[0], delta=-1)
        await adjust(staff, stocked[0], delta=2)
    said.append((await now(), await rows(staff)))
    assert [await rows(staff, as_of=time) for time, _then in said] == [then for _time, then in said]
    assert [await walk(staff, as_of=time, page_size=1) for time, _then in said] == [then for _time, then in said]


async def test_before_everything_there_was_nothing(staff: httpx.AsyncClient, stocked: list[int]) -> None:
    page = (await staff.get(STOCK, params={"as_of": "2001-01-01"})).json()
    assert (page["results"], page["next"], page["count"]) == ([], None, None)
    assert await rows(staff, as_of="2999-12-31T23:59:59+00:00") == await rows(staff)


async def test_deleted_products_are_there_as_long_as_they_were(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await make_location(staff)
    _kept, gone, _other = [await make_product(staff, sku, stock=3) for sku in ("A", "B", "C")]
    await adjust(staff, gone["id"], delta=4, location="shop")
    before, then = await now(), await rows(staff)
    assert (await admin.delete(f"/api/products/{gone['id']}")).status_code == 204
    after = await now()
    assert await rows(staff) == [("A", "main", 3), ("C", "main", 3)]
    assert await rows(staff, as_of=before) == then == await walk(staff, as_of=before, page_size=1)
    assert await rows(staff, as_of=before, sku="b") == [("B", "main", 3), ("B", "shop", 4)]
    assert await rows(staff, as_of=before, location="shop") == [("B", "shop", 4)]
    assert await rows(staff, as_of=after) == await rows(staff)
    named = (await staff.get(STOCK, params={"as_of": before, "product": gone["id"]})).json()["results"]
    assert {row["name"] for row in named} == {"Product B"}


async def test_a_product_is_there_as_long_as_its_deletion_waits(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    product = await make_product(staff, "A", stock=3)
    other = await asyncpg.connect(**DB.config)
    async with other.transaction():
        await other.execute("SELECT FROM product FOR UPDATE")
        deleting = asyncio.create_task(admin.delete(f"/api/products/{product['id']}"))
        await until(someone_waits, 10)
        meanwhile = await now()
    await other.close()
    assert (await deleting).status_code == 204
    assert (await rows(staff), await rows(staff, as_of=meanwhile)) == ([], [("A", "main", 3)])


async def test_the_past_is_walked_by_cursor_only(staff: httpx.AsyncClient, stocked: list[int]) -> None:
    time = await now()
    for query in ({"page": "2"}, {"offset": "5"}, {"ordering": "sku"}, {"ordering": "-product_id"}, {"ordering": "id"}):
        refused = await staff.get(STOCK, params={"as_of": time, **query})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, next(iter(query)))
    present = (await staff.get(STOCK, params={"page_size": 1, "after": ""})).json()["next"]
    mixed = await staff.get(present, params={**httpx.URL(present).params, "as_of": time})
    assert mixed.status_code == 400


async def test_a_page_that_looked_at_enough_goes_on_behind(
    staff: httpx.AsyncClient, stocked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(levels, "MOST_EXAMINED", 2)
    time = await now()
    first = (await staff.get(STOCK, params={"as_of": time, "on_hand__gte": 20})).json()
    assert (first["results"], first["next"] is None) == ([], False)
    assert await walk(staff, as_of=time, on_hand__gte=20) == [("B", "shop", 20)]
    assert await walk(staff, as_of=time) == await rows(staff)
    assert await walk(staff, as_of="2001-01-01") == []


async def test_a_page_of_the_past_reads_as_little_of_many_as_of_few(staff: httpx.AsyncClient) -> None:
    await make_many(20_000)
    query, as_of = levels.read_levels_query(b"as_of=2026-06-01&page_size=50")
    assert len((await levels.list_levels(query, as_of)).rows) == 50
    for place in ("", "&product__in=19000", "&location=main", "&sku=P-777"):
        assert await blocks_read(b"as_of=2026-06-01&page_size=50" + place.encode()) < 1_000


async def make_many(number: int) -> None:
    """Products with ten movements each at the default location."""
    await execute("INSERT INTO product (sku, name) SELECT 'P-' || i, 'P' FROM generate_series(1, $1::int) AS i", number)
    await execute(
        """INSERT INTO stock_movement (product_id, sku, location, delta, on_hand_after, reason, occurred_at)
           SELECT p.id, p.sku, l.id, 1, i, 'purchase', timestamptz '2026-01-01' + i * interval '20 days'
           FROM product p CROSS JOIN location l CROSS JOIN generate_series(1, 10) AS i"""
    )
    await execute(
        "INSERT INTO stock_level (product, location, on_hand) SELECT p.id, l.id, 10 FROM product p, location l"
    )
    for table in ("product", "stock_level", "stock_movement"):
        await execute(f"ANALYZE {table}")


async def blocks_read(query_string: bytes) -> int:
    """By the statements of one page, as PostgreSQL counts them."""
    asked: list[tuple[str, tuple[object, ...]]] = []

    async def note(sql: str, *values: object) -> Any:
        asked.append((sql, values))
        return await fetch(sql, *values)

    query, as_of = levels.read_levels_query(query_string)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(levels, "fetch", note)
        await levels.list_levels(query, as_of)
    plans = [await fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *values) for sql, values in asked]
    found = [msgspec.json.decode(plan[0][0])[0]["Plan"] for plan in plans]
    return sum(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in found)


async def test_who_may(client: httpx.AsyncClient, customer: httpx.AsyncClient, staff: httpx.AsyncClient) -> None:
    answers = [await somebody.get(STOCK) for somebody in (client, customer, staff)]
    assert [answer.status_code for answer in answers] == [401, 403, 200]
    product = await make_product(staff, stock=2)
    assert await levels_of(staff, product["id"]) == {"main": 2}
