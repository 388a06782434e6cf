"""Nothing is booked at a location that is not active, also by what was asked for while it still was."""

import asyncpg
import httpx
import pytest

from domains.catalog.merge import Merge
from domains.catalog.proof import find_differences
from piccolo_conf import DB, Connection, execute, fetch
from tests.catalog.making import make_product
from tests.imports.uploads import upload, work
from tests.inventory.shelves import LOCATIONS, TRANSFER, adjust, ledger_of, levels_of, make_location
from tests.orders.placing import ORDERS, place

CLOSED = "inventory_quantity cannot be booked: this location is not active"
STRANDED = "SELECT s.id FROM stock_level s JOIN location l ON l.id = s.location WHERE s.on_hand > 0 AND NOT l.is_active"


@pytest.fixture(autouse=True)
async def laws(database: None):
    yield
    assert await find_differences() == []
    assert await fetch(STRANDED) == []
    await execute("UPDATE location SET is_default = false WHERE code <> 'main'")
    await execute("UPDATE location SET is_default = true WHERE code = 'main'")


async def close(admin: httpx.AsyncClient, location_id: int) -> None:
    closed = await admin.patch(f"{LOCATIONS}{location_id}", json={"is_active": False})
    assert closed.status_code == 200, closed.text


async def test_what_is_cancelled_comes_back_to_the_default_location_when_its_own_was_closed(admin, customer):
    product = (await make_product(admin, "A"))["id"]
    shop, mall = await make_location(admin), await make_location(admin, "mall")
    for code in ("shop", "mall"):
        await adjust(admin, product, delta=5, location=code)
    order = await place(customer, (product, 8))
    await close(admin, shop)
    assert (await admin.post(f"{ORDERS}{order['id']}/cancellation")).status_code == 200
    assert await levels_of(admin, product) == {"main": 5, "shop": 0, "mall": 5}
    back = {row for row in await ledger_of(admin, f"order:{order['id']}") if row[3] == "cancellation"}
    assert back == {("main", 5, 5, "cancellation"), ("mall", 3, 5, "cancellation")}
    moved = {"product": product, "quantity": 5, "from_location": "main", "to_location": mall}
    assert (await admin.post(TRANSFER, json=moved)).status_code == 201


async def test_an_import_that_waited_books_nothing_at_a_location_that_was_closed(admin):
    await make_product(admin, "A", price="1.00")
    shop = await make_location(admin)
    rows = "sku,name,price,inventory_quantity\nA,Anvil,2.00,5\nB,Bolt,3.00,5\nC,Cog,4.00,0\nD,Drill,5.00,\n"
    accepted = await upload(admin, rows, location="shop")
    await close(admin, shop)
    job = await work(admin, accepted.json()["job_id"])
    assert (job["status"], job["created"], job["error_count"]) == ("completed", 2, 2)
    assert {error["message"] for error in job["errors"]} == {CLOSED}
    assert [row["sku"] for row in await fetch("SELECT sku FROM product WHERE price > 1 ORDER BY sku")] == ["C", "D"]


async def test_a_set_is_booked_at_one_location_while_the_default_one_changes(admin, monkeypatch):
    await make_product(admin, "A", inventory_quantity=5)
    shop, write = await make_location(admin), Merge._write

    async def write_late(self: Merge, connection: Connection) -> str:
        other = await asyncpg.connect(**DB.config)
        await other.execute("UPDATE location SET is_default = false WHERE is_default")
        await other.execute("UPDATE location SET is_default = true WHERE id = $1", shop)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await other.execute("SELECT FROM location WHERE code = 'main' FOR UPDATE NOWAIT")
        await other.close()
        return await write(self, connection)

    monkeypatch.setattr(Merge, "_write", write_late)
    answer = await admin.post("/api/products/bulk", json=[{"sku": "A", "inventory_quantity": 1}])
    assert (answer.status_code, answer.json()["updated"]) == (200, 1)
    assert await levels_of(admin, 1) == {"main": 1}
