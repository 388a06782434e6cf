"""The list of products through the API: pages, filters, order, counts, cursors."""

import re
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from domains.catalog.queries import SORTS
from piccolo_conf import execute
from tests.catalog.making import make_product

LIST = "/api/products/"


async def make_many(number: int) -> None:
    """Products p-001 … with what filters look at, in a pattern that the tests know."""
    await execute(
        """
        INSERT INTO product (sku, name, description, price, inventory_quantity, is_active, brand, color, created_at)
        SELECT 'P-' || lpad(i::text, 3, '0'),
               CASE WHEN i % 2 = 0 THEN 'Blue Lamp ' ELSE 'red chair ' END || (1000 - i),
               CASE WHEN i % 5 = 0 THEN 'With 100% wool' ELSE 'Plain' END,
               i % 10, i % 4, i % 7 <> 0, CASE WHEN i % 3 = 0 THEN 'Acme' END,
               (ARRAY['red', 'green'])[1 + i % 2], timestamptz '2026-01-01' + i * interval '1 hour'
        FROM generate_series(1, $1::int) AS i
        """,
        number,
    )


async def skus(client: httpx.AsyncClient, **query: Any) -> list[str]:
    response = await client.get(LIST, params={"page_size": 100} | query)
    assert response.status_code == 200, response.text
    return [row["sku"] for row in response.json()["results"]]


def numbers(which: Any, total: int = 40) -> list[str]:
    """SKUs of the numbers that a condition leaves, newest first."""
    return [f"P-{i:03}" for i in range(total, 0, -1) if which(i)]


async def test_an_empty_list_has_no_neighbours(staff: httpx.AsyncClient) -> None:
    assert (await staff.get(LIST)).json() == {
        "count": 0,
        "count_is_exact": True,
        "next": None,
        "previous": None,
        "total_pages": 0,
        "results": [],
    }


async def test_pages_are_fifty_rows_newest_first(staff: httpx.AsyncClient) -> None:
    await make_many(120)
    first = (await staff.get(LIST)).json()
    assert [row["sku"] for row in first["results"]] == numbers(lambda _: True, 120)[:50]
    assert (first["count"], first["count_is_exact"], first["total_pages"]) == (120, True, 3)
    assert first["next"] == "http://testserver/api/products/?page=2&page_size=50"
    last = (await staff.get(LIST, params={"page": 3})).json()
    assert (len(last["results"]), last["next"], last["count"]) == (20, None, 120)
    assert last["previous"] == "http://testserver/api/products/?page=2&page_size=50"
    beyond = (await staff.get(LIST, params={"page": 9})).json()
    assert (beyond["results"], beyond["count"], beyond["next"]) == ([], 120, None)


async def test_next_keeps_the_callers_way_of_paging_and_the_other_parameters(staff: httpx.AsyncClient) -> None:
    await make_many(10)
    by_page = (await staff.get(LIST, params={"page_size": 2, "brand": "Acme", "count": "exact"})).json()
    assert by_page["next"] == "http://testserver/api/products/?brand=Acme&count=exact&page=2&page_size=2"
    by_offset = (await staff.get(LIST, params={"limit": 2, "offset": 3})).json()
    assert by_offset["next"] == "http://testserver/api/products/?limit=2&offset=5"
    assert by_offset["previous"] == "http://testserver/api/products/?limit=2&offset=1"
    by_cursor = (await staff.get(LIST, params={"page_size": 2, "after": ""})).json()
    assert re.fullmatch(r"http://testserver/api/products/\?page_size=2&after=[\w-]+", by_cursor["next"])
    assert by_cursor["previous"] is None


async def follow(client: httpx.AsyncClient, url: str) -> list[int]:
    """The ids of all pages."""
    ids: list[int] = []
    while url:
        page = (await client.get(url)).json()
        ids += [row["id"] for row in page["results"]]
        url = page["next"]
    return ids


ORDERINGS = [*SORTS, *(f"-{name}" for name in SORTS), "-price,name", "price,-inventory_quantity,name", "stock,-sku"]


@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_a_cursor_walks_every_order_like_pages_do(staff: httpx.AsyncClient, ordering: str) -> None:
    await make_many(40)
    by_page = await follow(staff, f"{LIST}?ordering={ordering}&page_size=7")
    by_cursor = await follow(staff, f"{LIST}?ordering={ordering}&page_size=7&after=")
    assert len(set(by_page)) == 40
    assert by_cursor == by_page


async def test_names_and_skus_are_sorted_whatever_their_case(staff: httpx.AsyncClient) -> None:
    for sku, name in (("b", "Zebra"), ("A", "apple"), ("C", "Banana")):
        await make_product(staff, sku, name=name)
    assert await skus(staff, ordering="name") == ["A", "C", "b"]
    assert await skus(staff, ordering="-sku") == ["C", "b", "A"]
    assert await skus(staff, sort_by="name", order="desc") == ["b", "C", "A"]
    assert await skus(staff, sort_by="-name") == ["b", "C", "A"]


@pytest.mark.parametrize(
    ("query", "which"),
    [
        ({"is_active": "true"}, lambda i: i % 7),
        ({"is_active": "False"}, lambda i: i % 7 == 0),
        ({"brand": "Acme"}, lambda i: i % 3 == 0),
        ({"brand": "acme"}, lambda i: False),
        ({"brand__in": "Acme,Other"}, lambda i: i % 3 == 0),
        ({"brand": "Acme", "color": "red"}, lambda i: i % 6 == 0),
        ({"sku": "p-007"}, lambda i: i == 7),
        ({"sku__in": "p-007,P-008,x"}, lambda i: i in {7, 8}),
        ({"id__in": "1,2,3"}, lambda i: i <= 3),
        ({"name": "BLUE LAMP 998"}, lambda i: i == 2),
        ({"name__icontains": "LAMP"}, lambda i: i % 2 == 0),
        ({"name__icontains": "lamp 96"}, lambda i: i % 2 == 0 and i in range(31, 41)),
        ({"name__icontains": "99"}, lambda i: i < 11),
        ({"sku__icontains": "p-01"}, lambda i: 10 <= i < 20),
        ({"description__icontains": "100% w"}, lambda i: i % 5 == 0),
        ({"description__icontains": "100_ w"}, lambda i: False),
        ({"price": "5"}, lambda i: i % 10 == 5),
        ({"price__gte": "7.00", "price__lte": "8"}, lambda i: i % 10 in {7, 8}),
        ({"stock": "0"}, lambda i: i % 4 == 0),
        ({"stock__gte": "3"}, lambda i: i % 4 == 3),
        ({"inventory_quantity__lte": "-1"}, lambda i: False),
        ({"created_at__gte": "2026-01-02T00:00:00Z"}, lambda i: i >= 24),
        ({"created_at__lte": "2026-01-01T05:00:00+02:00"}, lambda i: i <= 3),
        ({"created_at__lte": "2026-01-01T05:00:00"}, lambda i: i <= 5),
        ({"created_at__gte": "2026-01-02"}, lambda i: i >= 24),
        ({"search": "lamp"}, lambda i: i % 2 == 0),
        ({"search": "LAMP p-01"}, lambda i: i % 2 == 0 and 10 <= i < 20),
        ({"search": "lamp chair"}, lambda i: False),
        ({"search": "p-"}, lambda i: True),
        ({"search": "-0"}, lambda i: False),
        ({"search": "%%%"}, lambda i: False),
        ({"search": "  "}, lambda i: True),
        ({"search": ""}, lambda i: True),
    ],
)
async def test_filters(staff: httpx.AsyncClient, query: dict[str, str], which: Any) -> None:
    await make_many(40)
    assert await skus(staff, **query) == numbers(which)


async def test_a_plus_that_nobody_escaped_is_still_a_zone(staff: httpx.AsyncClient) -> None:
    await make_many(5)
    listed = await staff.get(f"{LIST}?created_at__lte=2026-01-01T05:00:00+02:00")
    assert listed.json()["count"] == 3


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"page": "0"}, "page"),
        ({"page": "x"}, "page"),
        ({"page": "-1"}, "page"),
        ({"page": "1" * 50}, "page"),
        ({"page": "\uff11"}, "page"),
        ({"page_size": "0"}, "page_size"),
        ({"page_size": "101"}, "page_size"),
        ({"limit": "101"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "99999999999"}, "offset"),
        ({"count": "maybe"}, "count"),
        ({"after": "x"}, "after"),
        ({"after": "é"}, "after"),
        ({"after": "eyJ4IjoxfQeyJ4IjoxfQ"}, "after"),
        ({"price__gte": "cheap"}, "price__gte"),
        ({"price__gte": "NaN"}, "price__gte"),
        ({"stock": "1_0"}, "stock"),
        ({"stock": "99999999999"}, "stock"),
        ({"id": "99999999999"}, "id"),
        ({"created_at__gte": "yesterday"}, "created_at__gte"),
        ({"created_at__gte": "0001-01-01T00:00:00+14:00"}, "created_at__gte"),
        ({"expiry_on__lte": "2030-02-30"}, "expiry_on__lte"),
        ({"is_active": "maybe"}, "is_active"),
        ({"brand": "x" * 501}, "brand"),
        ({"id__in": ",".join(map(str, range(101)))}, "id__in"),
        ({"search": " ".join("abcdefghijkl")}, "search"),
        ({"ordering": "shoe_size"}, "ordering"),
        ({"ordering": "-"}, "ordering"),
        ({"sort_by": "cost_price"}, "sort_by"),
        ({"sort_by": "price", "order": "up"}, "order"),
        ({"cost_price__gte": "1"}, "cost_price__gte"),
        ({"brnad": "Acme"}, "brnad"),
    ],
)
async def test_a_bad_parameter_is_refused_by_its_name(
    staff: httpx.AsyncClient, query: dict[str, str], field: str
) -> None:
    response = await staff.get(LIST, params=query)
    assert response.status_code == 400, response.text
    assert response.json()["errors"][0]["field"] == field


async def test_an_unknown_filter_or_order_is_told_the_known_ones(staff: httpx.AsyncClient) -> None:
    assert "brand__in" in (await staff.get(LIST, params={"colour": "x"})).json()["detail"]
    assert "inventory_quantity" in (await staff.get(LIST, params={"ordering": "x"})).json()["detail"]


async def test_a_parameter_given_twice_is_refused(staff: httpx.AsyncClient) -> None:
    response = await staff.get(f"{LIST}?brand=a&brand=b")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "brand")


async def test_a_cursor_belongs_to_its_order_and_cannot_be_forged(staff: httpx.AsyncClient) -> None:
    await make_many(10)
    page = (await staff.get(f"{LIST}?ordering=price&page_size=2&after=")).json()
    cursor = urlsplit(page["next"]).query.partition("after=")[2]
    other = await staff.get(LIST, params={"ordering": "-price", "after": cursor})
    assert (other.status_code, other.json()["errors"][0]["field"]) == (400, "after")
    forged = cursor[:20] + ("A" if cursor[20] != "A" else "B") + cursor[21:]
    assert (await staff.get(LIST, params={"ordering": "price", "after": forged})).status_code == 400


async def test_a_count_can_be_left_out(staff: httpx.AsyncClient) -> None:
    await make_many(10)
    page = (await staff.get(LIST, params={"count": "none", "page_size": 3})).json()
    assert (page["count"], page["count_is_exact"], page["total_pages"]) == (None, False, None)
    assert page["next"] is not None


async def test_far_from_the_beginning_a_header_points_to_the_cursor(staff: httpx.AsyncClient) -> None:
    await execute("INSERT INTO product (sku, name) SELECT i, 'x' FROM generate_series(1, 5020) AS i")
    page = await staff.get(LIST, params={"offset": 5001, "limit": 5})
    found = re.fullmatch(
        r'<(http://testserver/api/products/\?page_size=5&after=[\w-]+)>; rel="next"; title="cursor"',
        page.headers["link"],
    )
    assert found
    following = (await staff.get(found.group(1))).json()["results"]
    assert following[0]["id"] == page.json()["results"][-1]["id"] - 1
