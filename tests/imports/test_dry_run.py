"""A dry run does everything and keeps nothing but its preview."""

import httpx

from tests.imports.uploads import count, import_csv, make_csv, product, upload

FILE = make_csv(
    ["A", "Anvil", "2.00", 5], ["B", "Bellows", "1.00", 1], ["C", "Crucible", "abc", 1], ["D", "Die", "4.00", ""]
)


async def rehearse(client: httpx.AsyncClient) -> dict:
    await import_csv(client, make_csv(["A", "Anvil", "1.00", 3], ["B", "Bellows", "1.00", 1]))
    return await import_csv(client, FILE, dry_run="true")


async def test_nothing_is_changed(staff: httpx.AsyncClient) -> None:
    job = await rehearse(staff)
    assert (job["status"], job["created"], job["updated"], job["unchanged"]) == ("completed", 1, 1, 1)
    assert (await count("product"), (await product("A"))["price"], (await product("A"))["version"]) == (2, "1.00", 1)
    assert (await count("event", "topic LIKE 'product.%'"), await count("stock_movement")) == (2, 2)
    assert await count("event", "topic = 'import.completed'") == 1


async def test_the_preview_tells_old_and_new_by_row(staff: httpx.AsyncClient) -> None:
    job = await rehearse(staff)
    rows = (await staff.get(f"/api/jobs/{job['job_id']}/preview")).json()["results"]
    assert [(row["row_number"], row["action"]) for row in rows] == [
        (1, "update"),
        (2, "unchanged"),
        (3, "error"),
        (4, "create"),
    ]
    assert rows[0]["changes"] == {"price": ["1.00", "2.00"], "inventory_quantity": [3, 5]}
    assert rows[2]["message"] == "price is not a number"
    assert rows[3]["changes"]["name"] == [None, "Die"]


async def test_a_preview_is_read_in_parts(staff: httpx.AsyncClient) -> None:
    address = f"/api/jobs/{(await rehearse(staff))['job_id']}/preview"
    first = (await staff.get(address, params={"limit": 3})).json()
    rest = (await staff.get(address, params={"limit": 3, "after": first["next_after"]})).json()
    assert ([row["row_number"] for row in rest["results"]], rest["next_after"]) == ([4], None)


async def test_a_real_import_of_the_same_bytes_is_another_one(staff: httpx.AsyncClient) -> None:
    dry, real = await upload(staff, FILE, dry_run="true"), await upload(staff, FILE)
    assert dry.json()["job_id"] != real.json()["job_id"]


async def test_a_real_import_has_no_preview(staff: httpx.AsyncClient) -> None:
    job = await import_csv(staff, FILE)
    assert (await staff.get(f"/api/jobs/{job['job_id']}/preview")).status_code == 409


async def test_a_strange_wish_is_refused(staff: httpx.AsyncClient) -> None:
    assert (await upload(staff, FILE, dry_run="maybe")).json()["errors"][0]["field"] == "dry_run"
