"""What a product may hold: each refusal names its field, and none is a server error."""

import httpx
import pytest

from tests.catalog.making import make_product


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sku", ""),
        ("sku", "   "),
        ("sku", "x" * 101),
        ("sku", "a\tb"),
        ("sku", "a\u0000b"),
        ("sku", None),
        ("sku", 5),
        ("name", ""),
        ("name", " "),
        ("name", "x" * 501),
        ("price", -1),
        ("price", "-0.01"),
        ("price", "NaN"),
        ("price", "Infinity"),
        ("price", "1e3"),
        ("price", "1_000"),
        ("price", "\uff11\uff12"),
        ("price", 1.005),
        ("price", 10_000_000_000),
        ("price", 1e300),
        ("price", True),
        ("price", None),
        ("price", ""),
        ("compare_at_price", "abc"),
        ("currency", "usd"),
        ("currency", "US"),
        ("is_active", "yes"),
        ("is_active", 1),
        ("stock", -1),
        ("stock", 2**31),
        ("stock", 1.5),
        ("stock", "5"),
        ("inventory_quantity", None),
        ("low_stock_threshold", -1),
        ("brand", "x" * 256),
        ("link", "ftp://example.com"),
        ("link", "javascript:alert(1)"),
        ("image_link", "https://"),
        ("link", "https://example.com/" + "x" * 2000),
        ("expiry_on", "31.01.2030"),
        ("expiry_on", "2030-02-30"),
        ("options", {"Size": 5}),
        ("options", [1]),
        ("attributes", [1]),
        ("attributes", {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}),
        ("attributes", {"a": "x" * 70_000}),
        ("id", 5),
        ("slug", "mine"),
        ("version", 7),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("updated_at", "2020-01-01T00:00:00Z"),
        ("shopify_product_id", 1),
        ("role", "admin"),
    ],
)
async def test_a_wrong_field_is_refused_by_its_name(staff: httpx.AsyncClient, field: str, value: object) -> None:
    response = await staff.post("/api/products/", json={"sku": "A-1", "name": "Lamp", field: value})
    assert response.status_code == 400, response.text
    assert response.json()["errors"][0]["field"].startswith(field)
    created = await make_product(staff, "B-1")
    assert (await staff.patch(f"/api/products/{created['id']}/", json={field: value})).status_code == 400


async def test_all_wrong_fields_are_named_at_once(staff: httpx.AsyncClient) -> None:
    response = await staff.post("/api/products/", json={"sku": "A-1", "price": "x", "stock": -1})
    assert {error["field"] for error in response.json()["errors"]} == {"name", "price", "stock"}


async def test_a_body_nested_too_deeply_is_refused(staff: httpx.AsyncClient) -> None:
    deep = b'{"sku": "A-1", "name": "Lamp", "attributes": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}"
    response = await staff.post("/api/products/", content=deep, headers={"content-type": "application/json"})
    assert response.status_code == 400


async def test_blank_texts_become_null(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, brand="  ", link="", color=" blue ")
    assert (product["brand"], product["link"], product["color"]) == (None, None, "blue")
