"""The catalogue as CSV: what an import reads, harmless in a spreadsheet."""

import csv
import io

import httpx

from domains.catalog import export
from piccolo_conf import execute
from tests.imports.uploads import import_csv

EXPORT = "/api/products/export"
PRODUCT = {
    "sku": "A",
    "name": "=cmd|calc",
    "description": "two\nlines, +1",
    "price": "2.50",
    "brand": "'quoted",
    "color": "-red",
    "stock": 4,
    "is_active": False,
    "options": {"Size": "M"},
    "attributes": {"x": [1, 2]},
    "expiry_on": "2030-01-31",
}


async def exported(client: httpx.AsyncClient, query: str = "") -> list[dict[str, str]]:
    answer = await client.get(EXPORT + query)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_formulas_are_made_harmless(staff: httpx.AsyncClient) -> None:
    await staff.post("/api/products/", json=PRODUCT)
    row = (await exported(staff))[0]
    assert (row["name"], row["color"], row["brand"]) == ("'=cmd|calc", "'-red", "'quoted")
    assert (row["price"], row["inventory_quantity"], row["is_active"], row["gtin"]) == ("2.50", "4", "false", "")


async def test_what_was_exported_imports_as_unchanged_and_restores_everything(staff: httpx.AsyncClient) -> None:
    created = (await staff.post("/api/products/", json=PRODUCT)).json()
    text = (await staff.get(EXPORT)).text
    assert (await import_csv(staff, text))["unchanged"] == 1
    await execute("DELETE FROM product")
    assert (await import_csv(staff, text))["created"] == 1
    restored = (await staff.get("/api/products/sku:A")).json()
    changing = {"id", "slug", "created_at", "updated_at"}
    assert {k: v for k, v in restored.items() if k not in changing} == {
        k: v for k, v in created.items() if k not in changing
    }


async def test_filters_of_the_list_hold_here_too(staff: httpx.AsyncClient) -> None:
    for sku, brand in (("A", "Forge"), ("B", "Kiln")):
        await staff.post("/api/products/", json={"sku": sku, "name": "Thing", "brand": brand})
    assert [row["sku"] for row in await exported(staff, "?brand=Kiln")] == ["B"]
    assert (await staff.get(f"{EXPORT}?weather=rain")).status_code == 400


async def test_every_product_comes_once_whatever_the_number(staff: httpx.AsyncClient) -> None:
    await execute("INSERT INTO product (sku, name) SELECT 'S' || n, 'Thing' FROM generate_series(1, 2500) AS n")
    assert len({row["sku"] for row in await exported(staff)}) == 2500
    assert export.ROWS_AT_ONCE < 2500


async def test_who_may(client: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    assert (await client.get(EXPORT)).status_code == 401
    assert (await customer.get(EXPORT)).status_code == 403
