"""Purchase orders in pages."""

from typing import Any

import httpx
import pytest

from tests.catalog.making import make_product
from tests.orders.buying import PATH, buy, fields, receive


@pytest.fixture
async def purchases(staff: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Three orders: A of Zeta, A of acme, and of both A and B of Acme 100%, which was received."""
    await make_product(staff, "A")
    await make_product(staff, "B")
    first = await buy(staff, product="sku:A", quantity=1, unit_cost="5", supplier_name="Zeta", purchase_on="2030-01-03")
    second = await buy(staff, product="sku:A", quantity=2, supplier_name="acme", purchase_on="2030-01-01")
    lines = [{"product": "sku:A", "quantity": 3, "unit_cost": "2"}, {"product": "sku:B", "quantity": 1}]
    third = await buy(staff, lines=lines, supplier_name="Acme 100%", purchase_on="2030-01-02")
    await receive(staff, third, lines=[{"product": "sku:A", "quantity": 1}])
    return [first, second, third]


async def listed(client: httpx.AsyncClient, query: str) -> list[int]:
    answer = await client.get(f"{PATH}/?{query}")
    assert answer.status_code == 200, answer.text
    return [purchase["id"] for purchase in answer.json()["results"]]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [3, 2, 1]),
        ("ordering=purchase_on", [2, 3, 1]),
        ("ordering=-purchase_on", [1, 3, 2]),
        ("ordering=supplier_name", [2, 3, 1]),
        ("sort_by=number&order=asc", [1, 2, 3]),
        ("status=ordered", [2, 1]),
        ("status__in=received,partly_received", [3]),
        ("supplier_name=ACME", [2]),
        ("supplier_name__icontains=ACM", [3, 2]),
        ("supplier_name__icontains=0%25", [3]),
        ("number=po-000002", [2]),
        ("product=2", [3]),
        ("sku=a&supplier_name=zeta", [1]),
        ("sku=b", [3]),
        ("purchase_on__gte=2030-01-02", [3, 1]),
        ("purchase_on__lte=2030-01-02", [3, 2]),
        ("total__gte=5.01", [3]),
        ("total__lte=4.99", [2]),
        ("created_at__gte=2999-01-01", []),
        ("created_by=987654321", []),
    ],
)
async def test_a_word_of_the_query_chooses(staff: httpx.AsyncClient, purchases: Any, query: str, ids: list[int]):
    assert await listed(staff, query) == ids


async def test_the_list_shows_what_each_of_them_shows(staff: httpx.AsyncClient, purchases: list[dict[str, Any]]):
    page = (await staff.get(f"{PATH}/")).json()
    each = [(await staff.get(f"{PATH}/{purchase['id']}/")).json() for purchase in reversed(purchases)]
    assert (page["count"], page["results"]) == (3, each)


@pytest.mark.parametrize("ordering", ["-id", "purchase_on", "-supplier_name", "-purchase_on,supplier_name"])
async def test_a_cursor_walks_to_the_end(staff: httpx.AsyncClient, purchases: Any, ordering: str):
    await buy(staff, product="sku:A", quantity=1, supplier_name="ACME", purchase_on="2030-01-01")
    whole = await listed(staff, f"ordering={ordering}")
    found, url = [], f"{PATH}/?ordering={ordering}&after=&page_size=1"
    while url:
        page = (await staff.get(url)).json()
        found += [purchase["id"] for purchase in page["results"]]
        url = page["next"]
    assert (found, len(found)) == (whole, 4)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("status=lost", "status"),
        ("status__in=ordered,lost", "status__in"),
        ("supplier=Acme", "supplier"),
        ("product=x", "product"),
        ("purchase_on__gte=soon", "purchase_on__gte"),
        ("ordering=total", "ordering"),
        ("after=x", "after"),
    ],
)
async def test_what_the_list_does_not_understand_is_named(staff: httpx.AsyncClient, query: str, named: str):
    assert set(fields(await staff.get(f"{PATH}/?{query}"))) == {named}
