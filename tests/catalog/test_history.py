"""What happened to a product: who, when, from where, old → new."""

import httpx

from piccolo_conf import execute
from tests.catalog.making import make_product


async def test_history_tells_who_changed_what_newest_first(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    product = await make_product(staff, price="19.99", stock=5)
    path = f"/api/products/{product['id']}/"
    await admin.patch(path, json={"price": "24.99", "stock": 7})
    page = (await staff.get(f"{path}history/")).json()
    changed, created = page["results"]
    assert changed["changes"] == {"price": ["19.99", "24.99"], "inventory_quantity": [5, 7]}
    assert (changed["topic"], changed["actor"], changed["source"]) == ("product.updated", "ada", "api")
    assert (created["topic"], created["actor"], created["changes"]) == ("product.created", "stan", None)
    assert created["data"]["sku"] == "A-1"
    assert (page["count"], page["next"]) == (2, None)


async def test_a_deleted_product_keeps_its_history_under_its_id(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    product = await make_product(staff, brand="Acme")
    await admin.delete(f"/api/products/{product['id']}/")
    page = (await staff.get(f"/api/products/{product['id']}/history/")).json()
    assert [event["topic"] for event in page["results"]] == ["product.deleted", "product.created"]
    assert page["results"][0]["data"]["brand"] == "Acme"
    assert (await staff.get("/api/products/sku:A-1/history/")).status_code == 404


async def test_history_is_found_by_any_key_and_only_for_products_that_there_were(staff: httpx.AsyncClient):
    await make_product(staff, external_id="feed-1")
    for key in ("sku:a-1", "external:feed-1", "1"):
        assert (await staff.get(f"/api/products/{key}/history/")).json()["count"] == 1
    for key in ("999", "sku:nope", "99999999999"):
        assert (await staff.get(f"/api/products/{key}/history/")).status_code == 404


async def test_history_is_walked_by_page_and_by_cursor(staff: httpx.AsyncClient):
    product = await make_product(staff)
    await execute("UPDATE product SET price = price + 1")
    await execute("UPDATE product SET price = price + 1")
    path = f"/api/products/{product['id']}/history/"
    everything = [event["id"] for event in (await staff.get(path)).json()["results"]]
    for start in (f"{path}?page_size=2", f"{path}?limit=2&offset=0", f"{path}?page_size=2&after="):
        first = (await staff.get(start)).json()
        second = (await staff.get(first["next"])).json()
        assert [event["id"] for event in first["results"] + second["results"]] == everything
        assert second["next"] is None


async def test_a_cursor_belongs_to_the_history_of_its_product(staff: httpx.AsyncClient):
    for sku in ("A-1", "B-1"):
        await make_product(staff, sku)
    await execute("UPDATE product SET price = price + 1")
    page = (await staff.get("/api/products/1/history/?page_size=1&after=")).json()
    other = page["next"].replace("/products/1/", "/products/2/")
    assert (await staff.get(other)).status_code == 400


async def test_plain_sql_is_told_from_the_api(staff: httpx.AsyncClient):
    await make_product(staff)
    await execute("UPDATE product SET name = 'By hand'")
    newest = (await staff.get("/api/products/1/history/")).json()["results"][0]
    assert (newest["source"], newest["actor"], newest["actor_id"]) == ("sql", "", None)
