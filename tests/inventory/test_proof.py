"""The laws of stock are proved over the whole database, by the doctor and at night."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from domains.catalog.proof import Law, find_differences
from domains.catalog.stock import Move, move_stock
from domains.catalog.tables import Reason
from domains.inventory.jobs import StockDiffers, prove_stock
from lib.embedded import Urls
from piccolo_conf import execute, fetch_value
from tests.catalog.making import make_product
from tests.mail.letters import row, rows

REPOSITORY = Path(__file__).parents[2]
FORGE = "ALTER TABLE stock_movement DISABLE TRIGGER stock_movement_append_only"
GUARD = "ALTER TABLE stock_movement ENABLE TRIGGER stock_movement_append_only"


async def found() -> list[tuple[str, str, int, int]]:
    return [(it.law, it.sku, it.on_hand, it.expected) for it in await find_differences()]


@pytest.fixture
async def mug(staff: httpx.AsyncClient) -> int:
    """Five mugs came and two were sold."""
    product = await make_product(staff, "MUG", inventory_quantity=5)
    await move_stock([Move(product["id"], -2)], reason=Reason.SALE)
    assert await find_differences() == []
    return int(product["id"])


async def test_a_level_that_is_not_the_sum_of_its_movements_is_found(mug: int):
    await execute("UPDATE stock_level SET on_hand = 4")
    await execute("UPDATE product SET inventory_quantity = 4")
    assert await found() == [(Law.LEVEL, "MUG", 4, 3)]


async def test_a_level_that_is_missing_is_found(mug: int):
    await execute("DELETE FROM stock_level")
    await execute("UPDATE product SET inventory_quantity = 0")
    assert await found() == [(Law.LEVEL, "MUG", 0, 3)]


async def test_a_level_without_a_movement_is_found(staff: httpx.AsyncClient):
    await make_product(staff, "CUP")
    await execute(
        "INSERT INTO stock_level (product, location, on_hand) SELECT p.id, l.id, 3 FROM product p, location l"
    )
    await execute("UPDATE product SET inventory_quantity = 3")
    assert await found() == [(Law.LEVEL, "CUP", 3, 0)]


async def test_a_total_that_is_not_the_sum_of_its_levels_is_found(mug: int):
    await execute("UPDATE product SET inventory_quantity = 7")
    assert await found() == [(Law.TOTAL, "MUG", 7, 3)]


async def test_a_line_of_the_ledger_that_does_not_follow_from_the_one_before_is_found(mug: int):
    await execute(FORGE)
    await execute("UPDATE stock_movement SET on_hand_after = 9 WHERE delta = 5")
    await execute(GUARD)
    assert await found() == [(Law.LEDGER, "MUG", 9, 5), (Law.LEDGER, "MUG", 3, 7)]
    told = str((await find_differences())[0])
    movement = await fetch_value("SELECT min(id) FROM stock_movement")
    location = await fetch_value("SELECT id FROM location")
    assert told == f"Product {mug} (MUG) at location {location}: movement {movement} says 9 instead of 5."


async def test_what_was_deleted_with_stock_on_hand_is_no_difference(admin: httpx.AsyncClient, mug: int):
    assert (await admin.delete(f"/api/products/{mug}")).status_code == 204
    assert await fetch_value("SELECT sum(delta) FROM stock_movement") == 3
    assert await find_differences() == []


async def test_every_law_tells_of_the_first_hundred(staff: httpx.AsyncClient):
    items = [{"sku": f"P{number}", "name": "Thing", "inventory_quantity": 7} for number in range(120)]
    await staff.post("/api/products/bulk", json=items)
    await execute("UPDATE stock_level SET on_hand = 8")
    laws = [it.law for it in await find_differences()]
    assert (laws.count(Law.LEVEL), laws.count(Law.TOTAL), laws.count(Law.LEDGER)) == (100, 100, 0)


async def test_the_nightly_job_is_content_when_all_adds_up(mug: int):
    assert await prove_stock() == "Every level, every total and every line of the ledger adds up."
    assert await rows() == []


async def test_the_nightly_job_mails_what_does_not_add_up_and_fails(admin: httpx.AsyncClient, mug: int):
    await execute("UPDATE product SET inventory_quantity = 7")
    sentence = f"Product {mug} (MUG): the total says 7 instead of 3."
    with pytest.raises(StockDiffers) as failed:
        await prove_stock()
    assert str(failed.value) == f"1 difference. {sentence}"
    letter = await row()
    assert (letter["to"], letter["subject"]) == ("ada@example.com", "Stock does not add up")
    assert f"\n* {sentence}\n" in letter["text"]
    assert sentence in letter["html"]


async def test_the_doctor_exits_with_one_when_stock_does_not_add_up(servers: Urls, mug: int):
    healthy = await doctor(servers)
    assert healthy["Stock"] == (True, "Every level, every total and every line of the ledger adds up.")
    await execute("UPDATE product SET inventory_quantity = 7")
    ill = await doctor(servers, expected=1)
    assert ill["Stock"] == (False, f"1 difference. Product {mug} (MUG): the total says 7 instead of 3.")
    assert {name for name, (ok, _detail) in ill.items() if not ok} == {"Stock"}


async def doctor(servers: Urls, expected: int = 0) -> dict[str, tuple[bool, str]]:
    """Run as an operator runs it, in a process of its own."""
    command = [sys.executable, "-m", "litestar", "doctor", "--json"]
    addresses = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
    run = await asyncio.to_thread(
        subprocess.run, command, cwd=REPOSITORY, env={**os.environ, **addresses}, capture_output=True, check=False
    )
    assert run.returncode == expected, run.stderr.decode()
    findings = json.loads(run.stdout)
    return {finding["name"]: (finding["ok"], finding["detail"]) for finding in findings}


async def test_what_the_guide_says_mends_levels_and_totals(mug: int):
    await execute("UPDATE stock_level SET on_hand = 4")
    await execute("UPDATE product SET inventory_quantity = 7")
    (script,) = re.findall("```sql\n(.*?)```", (REPOSITORY / "docs/low-stock.md").read_text(), re.DOTALL)
    await execute(script.replace("12", str(mug)))
    assert await find_differences() == []
    assert await fetch_value("SELECT inventory_quantity FROM product") == 3
