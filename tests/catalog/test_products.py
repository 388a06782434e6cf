"""One product through the API: create, read, replace, change, delete."""

import asyncio

import httpx
import pytest

from piccolo_conf import execute, fetch, fetch_value
from tests.catalog.making import make_product

OUT_FIELDS = {
    *("id", "sku", "name", "slug", "description", "price", "compare_at_price", "currency", "is_active"),
    *("inventory_quantity", "low_stock_threshold", "brand", "product_type", "condition", "gender", "age_group"),
    *("color", "size", "gtin", "link", "image_link", "handle", "options", "expiry_on", "attributes", "external_id"),
    *("shopify_product_id", "shopify_variant_id", "shopify_inventory_item_id", "shopify_updated_at"),
    *("version", "created_at", "updated_at"),
}
EVERYTHING = {
    "sku": "Full-1",
    "name": "Everything",
    "description": "With <b>markup</b>\nand lines",
    "price": "19.90",
    "compare_at_price": 25,
    "cost_price": "7.5",
    "currency": "AED",
    "is_active": False,
    "inventory_quantity": 12,
    "low_stock_threshold": 3,
    "brand": "Acme",
    "product_type": "Tools > Hammers",
    "condition": "new",
    "gender": "unisex",
    "age_group": "adult",
    "color": "blue",
    "size": "M",
    "gtin": "4006381333931",
    "link": "https://example.com/p/1",
    "image_link": "http://example.com/p/1.jpg",
    "handle": "everything",
    "options": {"Size": "M"},
    "expiry_on": "2030-01-31",
    "supplier_number": "S-7",
    "attributes": {"custom_label_0": "x", "shipping": [{"country": "AE", "price": 1.5}]},
    "external_id": "feed-1",
}


async def test_a_product_needs_only_sku_and_name(staff: httpx.AsyncClient) -> None:
    response = await staff.post("/api/products/", json={"sku": " A-1\u3000", "name": "Lamp"})
    assert response.status_code == 201
    product = response.json()
    assert product["sku"] == "A-1"
    assert (product["price"], product["currency"], product["inventory_quantity"]) == ("0.00", "USD", 0)
    assert (product["is_active"], product["version"], product["options"]) == (True, 1, {})
    assert product["slug"] == f"lamp-{product['id']}"
    assert response.headers["etag"] == '"1"'
    assert response.headers["location"] == f"/api/products/{product['id']}"


async def test_every_field_is_stored_and_given_back(staff: httpx.AsyncClient) -> None:
    created = await make_product(staff, **EVERYTHING)
    read = (await staff.get(f"/api/products/{created['id']}/")).json()
    assert read == created
    expected = EVERYTHING | {"compare_at_price": "25.00", "cost_price": "7.50"}
    assert {name: read[name] for name in expected} == expected
    assert set(read) == OUT_FIELDS | {"cost_price", "supplier_number"}


async def test_a_client_of_the_older_kind_sends_stock_and_a_number_as_price(staff: httpx.AsyncClient) -> None:
    older = {"sku": "12345678", "name": "Product A", "description": "This is product A", "price": 50, "stock": 100}
    product = await make_product(staff, **older)
    assert (product["price"], product["inventory_quantity"]) == ("50.00", 100)
    assert "stock" not in product


async def test_stock_of_a_new_product_is_booked_and_one_event_tells_of_it(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, stock=5)
    moves = await fetch("SELECT delta, on_hand_after, reason FROM stock_movement WHERE product_id = $1", product["id"])
    assert [tuple(move) for move in moves] == [(5, 5, "adjustment")]
    assert await topics(product["id"]) == ["product.created"]


async def test_stock_in_a_change_is_one_version_one_event_and_one_entry_in_the_ledger(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, stock=50)
    changed = await staff.patch(f"/api/products/{product['id']}/", json={"stock": 20, "price": "3"})
    assert (changed.json()["inventory_quantity"], changed.json()["version"]) == (20, 2)
    assert await topics(product["id"]) == ["product.created", "product.updated"]
    assert await fetch_value("SELECT sum(delta) FROM stock_movement WHERE product_id = $1", product["id"]) == 20


async def test_stock_and_inventory_quantity_must_not_differ(staff: httpx.AsyncClient) -> None:
    both = {"sku": "A-1", "name": "Lamp", "stock": 1, "inventory_quantity": 2}
    response = await staff.post("/api/products/", json=both)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "stock"
    assert (await staff.post("/api/products/", json=both | {"stock": 2})).status_code == 201


async def test_what_the_default_location_lacks_is_taken_from_the_others(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, stock=5)
    other = await fetch_value("INSERT INTO location (code, name) VALUES ('east', 'East') RETURNING id")
    await execute("UPDATE stock_level SET location = $1", other)
    response = await staff.patch(f"/api/products/{product['id']}/", json={"stock": 1, "name": "New"})
    assert (response.status_code, response.json()["inventory_quantity"]) == (200, 1)
    assert await fetch_value("SELECT on_hand FROM stock_level WHERE location = $1", other) == 1


async def test_a_sku_is_taken_whatever_its_case(staff: httpx.AsyncClient) -> None:
    await make_product(staff, "Ab-1")
    response = await staff.post("/api/products/", json={"sku": " aB-1 ", "name": "Other"})
    assert (response.status_code, response.json()["code"]) == (409, "sku_taken")
    assert response.json()["errors"][0]["field"] == "sku"
    other = await make_product(staff, "B-1")
    assert (await staff.patch(f"/api/products/{other['id']}/", json={"sku": "AB-1"})).status_code == 409


async def test_an_external_id_is_taken_once(staff: httpx.AsyncClient) -> None:
    await make_product(staff, "A-1", external_id="feed-1")
    response = await staff.post("/api/products/", json={"sku": "B-1", "name": "Other", "external_id": "feed-1"})
    assert (response.status_code, response.json()["code"]) == (409, "external_id_taken")


async def test_of_two_creations_of_one_sku_at_once_one_wins(staff: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(staff.post("/api/products/", json={"sku": sku, "name": "Lamp", "stock": 3}) for sku in ("rAce-1", "RaCe-1"))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert await fetch_value("SELECT count(*) FROM product") == 1
    assert await fetch_value("SELECT sum(delta) FROM stock_movement") == 3


@pytest.mark.parametrize("key", ["{id}", "sku:full-1", "sku: FULL-1 ", "slug:{slug}", "external:feed-1"])
async def test_a_product_is_found_by_each_of_its_keys(staff: httpx.AsyncClient, key: str) -> None:
    product = await make_product(staff, **EVERYTHING)
    found = await staff.get(f"/api/products/{key.format(**product)}/")
    assert found.status_code == 200
    assert found.json()["id"] == product["id"]


@pytest.mark.parametrize(
    "key", ["999", "0", "-1", "2147483648", "99999999999999999999", "abc", "sku:", "slug:x", "\uff11"]
)
async def test_a_key_that_means_no_product_is_not_found(staff: httpx.AsyncClient, key: str) -> None:
    for answer in (
        await staff.get(f"/api/products/{key}/"),
        await staff.patch(f"/api/products/{key}/", json={"name": "x"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "product_not_found")


async def test_replacing_sets_what_is_left_out_to_its_default_but_keeps_the_stock(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, **EVERYTHING)
    response = await staff.put(f"/api/products/{product['id']}/", json={"sku": "Full-1", "name": "Bare"})
    replaced = response.json()
    assert (replaced["name"], replaced["brand"], replaced["price"], replaced["options"]) == ("Bare", None, "0.00", {})
    assert (replaced["inventory_quantity"], replaced["is_active"], replaced["version"]) == (12, True, 2)
    assert replaced["slug"] == product["slug"]


async def test_a_change_that_changes_nothing_writes_nothing(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, **EVERYTHING)
    same = {name: value for name, value in EVERYTHING.items() if name not in {"sku", "name"}}
    response = await staff.patch(f"/api/products/{product['id']}/", json=same)
    assert response.json() == product
    assert await topics(product["id"]) == ["product.created"]


async def test_a_change_sets_null_and_leaves_the_rest(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff, **EVERYTHING)
    changed = (await staff.patch(f"/api/products/{product['id']}/", json={"brand": None, "expiry_on": None})).json()
    assert changed == product | {
        "brand": None,
        "expiry_on": None,
        "version": 2,
        "updated_at": changed["updated_at"],
    }


async def test_a_stale_if_match_is_refused_and_tells_the_present_version(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff)
    path = f"/api/products/{product['id']}/"
    assert (await staff.patch(path, json={"name": "B"}, headers={"If-Match": '"1"'})).status_code == 200
    stale = await staff.patch(path, json={"name": "C"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.headers["etag"]) == (412, '"2"')
    assert (
        await staff.put(path, json={"sku": "A-1", "name": "C"}, headers={"If-Match": 'W/"1", "9"'})
    ).status_code == 412
    assert (await staff.patch(path, json={"name": "C"}, headers={"If-Match": 'W/"2"'})).status_code == 200
    assert (await staff.patch(path, json={"name": "D"}, headers={"If-Match": "*"})).status_code == 200
    assert (await staff.patch(path, json={"name": "E"}, headers={"If-Match": "4"})).status_code == 400


async def test_of_two_changes_of_one_version_at_once_one_is_stale(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff)
    answers = await asyncio.gather(
        *(
            staff.patch(f"/api/products/{product['id']}/", json={"name": name}, headers={"If-Match": '"1"'})
            for name in ("B", "C")
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_only_admins_delete_and_the_stock_levels_leave_with_the_product(
    admin: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    product = await make_product(staff, stock=30)
    path = f"/api/products/{product['id']}/"
    assert (await staff.delete(path)).status_code == 403
    assert (await admin.delete(path, headers={"If-Match": '"7"'})).status_code == 412
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.delete(path)).status_code == 404
    assert await fetch_value("SELECT count(*) FROM stock_level") == 0
    assert await topics(product["id"]) == ["product.created", "product.deleted"]


async def test_customers_see_active_products_without_what_is_internal(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    shown = await make_product(staff, "A-1", cost_price="1.00", supplier_number="S")
    hidden = await make_product(staff, "B-1", is_active=False)
    seen = (await customer.get(f"/api/products/{shown['id']}/")).json()
    assert set(seen) == OUT_FIELDS
    assert (await customer.get(f"/api/products/{hidden['id']}/")).status_code == 404
    listed = (await customer.get("/api/products/?is_active=false")).json()
    assert (listed["count"], listed["results"]) == (0, [])
    assert [set(row) for row in (await customer.get("/api/products/")).json()["results"]] == [OUT_FIELDS]


async def test_who_may_not_is_refused(client: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    body = {"sku": "A-1", "name": "Lamp"}
    assert (await client.get("/api/products/")).status_code == 401
    assert (await client.post("/api/products/", json=body)).status_code == 401
    assert (await customer.post("/api/products/", json=body)).status_code == 403
    assert (await customer.patch("/api/products/1/", json={})).status_code == 403
    assert (await customer.get("/api/products/1/history/")).status_code == 403


async def topics(product_id: int) -> list[str]:
    rows = await fetch("SELECT topic FROM event WHERE product_id = $1 ORDER BY id", product_id)
    return [row["topic"] for row in rows]
