"""A key with products:write but without products:internal learns neither cost prices nor supplier numbers."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from domains.accounts import api_keys
from domains.catalog.jobs import run_bulk_change
from domains.imports.jobs import run_import
from piccolo_conf import execute, fetch_value
from tests.conftest import make_client

COST, SUPPLIER = "31.41", "SUP-2718"


@pytest.fixture
async def machine(admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """May write, import and delete, and there is one product of each kind: seen and not."""
    monkeypatch.setattr(api_keys, "memory", api_keys.Memory())
    await execute(
        "INSERT INTO product (sku, name, price, cost_price, supplier_number, is_active) "
        "VALUES ('A', 'Seen', 50, $1::text::numeric, $2, true), ('B', 'Unseen', 50, $1::text::numeric, $2, false)",
        COST,
        SUPPLIER,
    )
    wanted = ["products:read", "products:write", "products:delete", "imports:write"]
    made = (await admin.post("/auth/api-keys/", json={"name": "Feed", "scopes": wanted})).json()
    async with make_client(Authorization=f"Bearer {made['secret']}") as client:
        yield client


def tells(answer: httpx.Response) -> bool:
    return any(secret in answer.text for secret in (COST, SUPPLIER, "cost_price", "supplier_number"))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/products/", None),
        ("GET", "/api/products/1/", None),
        ("PATCH", "/api/products/1/", {"name": "Other"}),
        ("PUT", "/api/products/1/", {"sku": "A", "name": "Other", "cost_price": "1.00"}),
        ("POST", "/api/products/", {"sku": "C", "name": "New", "cost_price": COST, "supplier_number": SUPPLIER}),
        ("POST", "/api/products/bulk/", [{"sku": "A", "cost_price": "1.00", "supplier_number": "x"}]),
        ("POST", "/api/products/bulk-update/", {"all": True, "set": {"cost_price": "1.00"}}),
        ("POST", "/api/products/bulk-update/", {"all": True, "set": {"price": "9.00"}, "dry_run": True}),
        ("DELETE", "/api/products/bulk-delete/", {"all": True, "dry_run": True}),
    ],
)
async def test_no_answer_tells(machine: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    answer = await machine.request(method, path, json=body)
    assert answer.status_code < 300
    assert not tells(answer)


@pytest.mark.parametrize("path", ["/api/products/1/history/", "/api/products/export"])
async def test_history_and_export_need_the_scope(machine: httpx.AsyncClient, path: str) -> None:
    assert (await machine.get(path)).json()["code"] == "missing_scope"


@pytest.mark.parametrize("change", [{"set": {"cost_price": COST}}, {"percent": {"cost_price": "10"}}])
async def test_a_dry_run_compares_no_cost_prices(machine: httpx.AsyncClient, change: dict[str, Any]) -> None:
    answer = await machine.post("/api/products/bulk-update/", json={"all": True, "dry_run": True, **change})
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert COST not in answer.text.replace(str(change), "")


async def test_a_bulk_change_means_what_the_caller_sees(machine: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    chosen = {"ids": [1, 2], "set": {"price": "9.00"}}
    seen = (await machine.post("/api/products/bulk-update/", json={**chosen, "dry_run": True})).json()
    assert (seen["matched"], [row["sku"] for row in seen["preview"]]) == (1, ["A"])
    whole = (await admin.post("/api/products/bulk-update/", json={**chosen, "dry_run": True})).json()
    assert whole["matched"] == 2
    await machine.request("DELETE", "/api/products/bulk-delete/", json={"all": True, "confirm": "DELETE"})
    assert await fetch_value("SELECT sku FROM product") == "B"


async def test_a_bulk_change_in_the_background_too(machine: httpx.AsyncClient) -> None:
    await execute(
        "INSERT INTO product (sku, name, is_active) SELECT 'P' || n, 'x', n > 5 FROM generate_series(1, 5010) n"
    )
    answer = await machine.post("/api/products/bulk-update/", json={"all": True, "set": {"brand": "Forge"}})
    assert answer.status_code == 202
    await run_bulk_change(job_id=answer.json()["job_id"])
    assert await fetch_value("SELECT count(*) FROM product WHERE NOT is_active AND brand = 'Forge'") == 0


async def test_the_preview_of_an_import_hides_them(machine: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    file = "sku,name,price,cost_price,supplier_number\nA,Seen,51.00,1.00,other\n"
    upload = await machine.post(
        "/api/upload", files={"file": ("a.csv", file)}, data={"dry_run": "true", "policy": "upsert"}
    )
    job_id = upload.json()["job_id"]
    await run_import(import_id=job_id)
    seen = await machine.get(f"/api/jobs/{job_id}/preview")
    assert seen.json()["results"][0]["changes"].keys() == {"price"}
    whole = (await admin.get(f"/api/jobs/{job_id}/preview")).json()["results"][0]["changes"]
    assert whole["supplier_number"] == [SUPPLIER, "other"]
