"""What can be chosen in filters."""

import httpx

from piccolo_conf import execute
from tests.catalog.making import make_product

EMPTY = {"brand": [], "condition": [], "gender": [], "product_type": [], "age_group": [], "color": []}


async def test_without_products_there_is_nothing_to_choose(staff: httpx.AsyncClient):
    assert (await staff.get("/api/filter-options/")).json() == EMPTY


async def test_values_are_distinct_sorted_and_not_blank(staff: httpx.AsyncClient):
    for number, brand in enumerate(["Zeta", "Acme", "Acme", None, ""]):
        await make_product(staff, f"A-{number}", brand=brand, condition="new")
    await execute("UPDATE product SET gender = '' WHERE sku = 'A-1'")
    options = (await staff.get("/api/filter-options/")).json()
    assert options == EMPTY | {"brand": ["Acme", "Zeta"], "condition": ["new"]}


async def test_customers_choose_from_what_active_products_have(staff: httpx.AsyncClient, customer: httpx.AsyncClient):
    await make_product(staff, "A-1", brand="Shown")
    await make_product(staff, "A-2", brand="Hidden", is_active=False)
    assert (await staff.get("/api/filter-options/")).json()["brand"] == ["Hidden", "Shown"]
    assert (await customer.get("/api/filter-options/")).json()["brand"] == ["Shown"]


async def test_at_most_a_thousand_of_each(staff: httpx.AsyncClient):
    await execute("INSERT INTO product (sku, name, color) SELECT i, 'x', 'c' || i FROM generate_series(1, 1200) AS i")
    assert len((await staff.get("/api/filter-options/")).json()["color"]) == 1000


async def test_strangers_are_refused(client: httpx.AsyncClient):
    assert (await client.get("/api/filter-options/")).status_code == 401
