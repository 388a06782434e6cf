"""One change for many products: by ids, by filter or all, at once or as a job."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from domains.catalog import bulk_jobs, changes
from domains.catalog.jobs import ring_waiting_changes, run_bulk_change
from domains.catalog.proof import find_differences
from piccolo_conf import execute, fetch, fetch_value
from queues.job import QUEUES

UPDATE, DELETE = "/api/products/bulk-update/", "/api/products/bulk-delete/"


@pytest.fixture
async def products(database: None) -> None:
    """P1 … P40 at 1.00 … 40.00, every other one of the brand Forge."""
    await execute(
        "INSERT INTO product (sku, name, price, brand) "
        "SELECT 'P' || n, 'Thing', n, CASE n % 2 WHEN 0 THEN 'Forge' END FROM generate_series(1, 40) AS n"
    )


async def post(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post(UPDATE, json=body)


async def remove(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.request("DELETE", DELETE, json=body)


async def prices() -> list[str]:
    return [row["price"] for row in await fetch("SELECT price::text FROM product ORDER BY id")]


@pytest.mark.usefixtures("products")
class TestUpdate:
    async def test_a_value_is_set_where_a_filter_matches(self, staff: httpx.AsyncClient) -> None:
        answer = (await post(staff, filter={"brand": "Forge", "price__lte": 10}, set={"is_active": False})).json()
        assert (answer["matched"], answer["changed"], answer["unchanged"]) == (5, 5, 0)
        assert await fetch_value("SELECT count(*) FROM product WHERE NOT is_active") == 5

    async def test_percent_is_exact_and_rounds_half_up(self, staff: httpx.AsyncClient) -> None:
        await execute("UPDATE product SET price = 0.05 * id")
        await post(staff, all=True, percent={"price": "10"})
        assert (await prices())[:5] == ["0.06", "0.11", "0.17", "0.22", "0.28"]

    async def test_ids_choose_too(self, staff: httpx.AsyncClient) -> None:
        ids = [row["id"] for row in await fetch("SELECT id FROM product ORDER BY id LIMIT 3")]
        answer = (await post(staff, ids=[*ids, 999_999], set={"price": "7.00"})).json()
        assert (answer["matched"], answer["changed"]) == (3, 3)

    async def test_what_is_so_already_is_no_change(self, staff: httpx.AsyncClient) -> None:
        await post(staff, all=True, set={"price": "7.00", "color": "red"})
        events = await fetch_value("SELECT count(*) FROM event WHERE topic = 'product.updated'")
        answer = (await post(staff, all=True, set={"price": "7.00", "color": "red"})).json()
        assert (answer["changed"], answer["unchanged"]) == (0, 40)
        assert await fetch_value("SELECT count(*) FROM event WHERE topic = 'product.updated'") == events

    async def test_a_dry_run_shows_old_and_new_and_changes_nothing(self, staff: httpx.AsyncClient) -> None:
        before = await prices()
        answer = (await post(staff, filter={"brand": "Forge"}, percent={"price": "-50"}, dry_run=True)).json()
        assert (answer["matched"], answer["changed"], answer["dry_run"]) == (20, 20, True)
        assert answer["preview"][0]["changes"] == {"price": ["2.00", "1.00"]}
        assert await prices() == before

    async def test_the_log_has_each_change_and_the_summary(self, staff: httpx.AsyncClient) -> None:
        await post(staff, filter={"brand": "Forge"}, set={"gender": "unisex"})
        rows = await fetch("SELECT topic, actor, bulk FROM event WHERE topic NOT LIKE '%created' ORDER BY id")
        assert {tuple(row) for row in rows[:-1]} == {("product.updated", "stan", True)}
        assert (rows[-1]["topic"], len(rows)) == ("products.bulk_updated", 21)

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"set": {"price": "1"}}, "filter"),
            ({"set": {"price": "1"}, "all": True, "ids": [1]}, "filter"),
            ({"set": {"price": "1"}, "filter": {}}, "filter"),
            ({"set": {"price": "1"}, "filter": {"weather": "rain"}}, "weather"),
            ({"set": {"price": "1"}, "filter": {"brand": {"a": 1}}}, "filter.brand"),
            ({"all": True}, "set"),
            ({"all": True, "set": {"price": "-1"}}, "set.price"),
            ({"all": True, "set": {"sku": "X"}}, "set.sku"),
            ({"all": True, "set": {"inventory_quantity": 1}}, "set.inventory_quantity"),
            ({"all": True, "percent": {"price": "1001"}}, "percent.price"),
            ({"all": True, "percent": {"price": "5"}, "set": {"price": "1"}}, "percent"),
        ],
    )
    async def test_an_unclear_wish_is_refused(self, staff: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
        answer = await post(staff, **body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
        assert (await prices())[0] == "1.00"

    async def test_a_price_beyond_the_largest_is_refused_as_a_whole(self, staff: httpx.AsyncClient) -> None:
        await execute("UPDATE product SET price = 9999999999 WHERE sku = 'P40'")
        answer = await post(staff, all=True, percent={"price": "10"})
        assert (answer.status_code, (await prices())[0]) == (400, "1.00")

    async def test_who_may(self, client: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
        assert (await post(client, all=True, set={"price": "1"})).status_code == 401
        assert (await post(customer, all=True, set={"price": "1"})).status_code == 403


@pytest.mark.usefixtures("products")
class TestDelete:
    async def test_a_filter_chooses(self, admin: httpx.AsyncClient) -> None:
        answer = (await remove(admin, filter={"brand": "Forge"}, confirm="DELETE")).json()
        assert (answer["changed"], await fetch_value("SELECT count(*) FROM product")) == (20, 20)
        assert await fetch_value("SELECT count(*) FROM event WHERE topic = 'products.bulk_deleted'") == 1

    async def test_all_means_all_and_keeps_the_ledger(self, admin: httpx.AsyncClient) -> None:
        await admin.patch("/api/products/sku:P1", json={"stock": 5})
        assert (await remove(admin, all=True, confirm="DELETE")).json()["changed"] == 40
        assert await fetch_value("SELECT count(*) FROM stock_movement WHERE sku = 'P1'") == 1

    @pytest.mark.parametrize("confirm", ["", "delete", "yes"])
    async def test_without_the_word_nothing_goes(self, admin: httpx.AsyncClient, confirm: str) -> None:
        answer = await remove(admin, all=True, confirm=confirm)
        assert (answer.status_code, answer.json()["code"]) == (400, "not_confirmed")
        assert await fetch_value("SELECT count(*) FROM product") == 40

    async def test_a_dry_run_counts(self, admin: httpx.AsyncClient) -> None:
        answer = (await remove(admin, filter={"brand": "Forge"}, dry_run=True)).json()
        assert (answer["matched"], await fetch_value("SELECT count(*) FROM product")) == (20, 40)

    async def test_staff_may_not(self, staff: httpx.AsyncClient) -> None:
        assert (await remove(staff, all=True, confirm="DELETE")).status_code == 403


@pytest.mark.usefixtures("products")
class TestJob:
    @pytest.fixture(autouse=True)
    def small_pieces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(changes, "PIECE", 10)
        monkeypatch.setattr(bulk_jobs, "PIECE", 10)

    async def test_a_large_change_goes_on_in_the_background(self, staff: httpx.AsyncClient) -> None:
        answer = await post(staff, all=True, percent={"price": "100"})
        job_id = answer.json()["job_id"]
        assert (answer.status_code, answer.json()["status"], (await prices())[0]) == (202, "pending", "1.00")
        await run_bulk_change(job_id=job_id)
        job = (await staff.get(f"/api/products/bulk-jobs/{job_id}")).json()
        assert (job["status"], job["matched"], job["changed"]) == ("completed", 40, 40)
        assert await prices() == [f"{2 * number}.00" for number in range(1, 41)]
        event = (await fetch("SELECT actor, reference, bulk FROM event WHERE topic = 'product.updated' LIMIT 1"))[0]
        assert tuple(event) == ("stan", f"bulk:{job_id}", True)

    async def test_run_twice_and_at_once_it_changes_each_product_once(self, staff: httpx.AsyncClient) -> None:
        job_id = (await post(staff, all=True, percent={"price": "100"})).json()["job_id"]
        await asyncio.gather(*(run_bulk_change(job_id=job_id) for _ in range(4)))
        await run_bulk_change(job_id=job_id)
        assert (await prices())[:2] == ["2.00", "4.00"]
        assert await fetch_value("SELECT count(*) FROM event WHERE topic = 'products.bulk_updated'") == 1

    async def test_taken_over_it_goes_on_from_where_it_stood(
        self, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = (await post(staff, all=True, percent={"price": "100"})).json()["job_id"]
        original, pieces = bulk_jobs._next_piece, []

        async def break_after_two(*args: Any) -> bool:
            if len(pieces) == 2:
                raise ConnectionResetError
            pieces.append(args)
            return await original(*args)

        monkeypatch.setattr(bulk_jobs, "_next_piece", break_after_two)
        await run_bulk_change(job_id=job_id)
        monkeypatch.setattr(bulk_jobs, "_next_piece", original)
        assert (await prices())[19:21] == ["40.00", "21.00"]
        await execute("UPDATE bulk_job SET lease_until = now() - interval '1 second'")
        await run_bulk_change(job_id=job_id)
        assert await prices() == [f"{2 * number}.00" for number in range(1, 41)]

    async def test_deleting_all_ends_with_a_summary(self, admin: httpx.AsyncClient) -> None:
        job_id = (await remove(admin, all=True, confirm="DELETE")).json()["job_id"]
        await run_bulk_change(job_id=job_id)
        job = (await admin.get(f"/api/products/bulk-jobs/{job_id}")).json()
        assert (job["changed"], await fetch_value("SELECT count(*) FROM product")) == (40, 0)
        assert await find_differences() == []

    async def test_a_price_beyond_the_largest_ends_it_with_a_reason(self, staff: httpx.AsyncClient) -> None:
        await execute("UPDATE product SET price = 9999999999 WHERE sku = 'P40'")
        job_id = (await post(staff, all=True, percent={"price": "10"})).json()["job_id"]
        await run_bulk_change(job_id=job_id)
        job = (await staff.get(f"/api/products/bulk-jobs/{job_id}")).json()
        assert (job["status"], job["failure_reason"], job["changed"]) == ("failed", "price_too_large", 30)

    async def test_the_sweep_rings_for_what_waits(self, staff: httpx.AsyncClient) -> None:
        job_id = (await post(staff, all=True, percent={"price": "10"})).json()["job_id"]
        await QUEUES["default"].redis.flushall()
        await ring_waiting_changes()
        assert {"job_id": job_id} in [job.kwargs async for job in QUEUES["default"].iter_jobs()]

    async def test_an_unknown_job_is_not_found(self, staff: httpx.AsyncClient) -> None:
        assert (await staff.get(f"/api/products/bulk-jobs/{UUID(int=1)}")).status_code == 404
