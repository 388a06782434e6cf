"""R1 and R2: workers killed with -9 in the middle of an import, also the one that recovers."""

import random
import signal
from pathlib import Path
from uuid import UUID

import pytest

from tests.faults.harness import House, kill, make_seed, until

LEASE_AND_SWEEP = 60


def make_catalogue(rows: int) -> str:
    """Each tenth row is overwritten by a later one in another case."""
    lines = [f"S-{number},Thing {number},{number % 90}.50,{number % 7}\n" for number in range(rows)]
    again = [f"s-{number},Thing {number} again,5.00,9\n" for number in range(0, rows, 10)]
    return "sku,name,price,inventory_quantity\n" + "".join(lines + again)


async def check_exact(house: House, import_id: UUID, rows: int) -> None:
    """Rows, stock, ledger, events and counters are those of an import that nobody disturbed."""
    stock = sum(number % 7 if number % 10 else 9 for number in range(rows))
    assert await house.ask("SELECT count(*) FROM product") == rows
    assert await house.ask("SELECT count(DISTINCT lower(sku)) FROM product") == rows
    assert await house.ask("SELECT sum(inventory_quantity) FROM product") == stock
    assert await house.ask("SELECT sum(on_hand) FROM stock_level") == stock
    assert await house.ask("SELECT sum(delta) FROM stock_movement") == stock
    assert await house.ask("SELECT count(*) FROM event WHERE topic = 'product.created'") == rows
    assert await house.ask("SELECT sum(version) FROM product") == rows
    assert await house.ask("SELECT count(*) FROM event WHERE topic = 'product.updated'") == 0
    assert await house.ask("SELECT count(*) FROM event WHERE topic = 'import.completed'") == 1
    job = await house.ask(
        "SELECT (created, updated, unchanged, duplicates, error_count, processed_rows, total_rows)::text "
        "FROM import_job WHERE id = $1",
        import_id,
    )
    assert job == f"({rows},0,0,{rows // 10},0,{rows + rows // 10},{rows + rows // 10})"


async def interrupt(house: House, import_id: UUID, rng: random.Random, kills: int, rows: int) -> None:
    """Kill the worker at random points of the file, `kills` times; each restart resumes within a minute."""
    points = sorted(rng.randrange(rows) for _ in range(kills))
    worker = house.start_worker()
    for number, point in enumerate(points, start=1):
        await until(lambda at=point: _is_past(house, import_id, at), 120)
        # It goes no further while nobody looks: only a chunk that PostgreSQL has got may still be committed.
        worker.send_signal(signal.SIGSTOP)
        before = await _cursor(house, import_id)
        kill(worker)
        assert await _cursor(house, import_id) - before <= 10_000
        worker = house.start_worker()
        resumed = await until(lambda turn=number: _is_attempt(house, import_id, turn + 1), LEASE_AND_SWEEP)
        print(f"killed at row {before}, taken over after {resumed:.1f} s")
    await until(lambda: _has_ended(house, import_id), 300)


async def _cursor(house: House, import_id: UUID) -> int:
    return int(str(await house.ask("SELECT cursor FROM import_job WHERE id = $1", import_id)))


async def _is_past(house: House, import_id: UUID, row: int) -> bool:
    started = await house.ask("SELECT status <> 'pending' FROM import_job WHERE id = $1", import_id)
    return bool(started) and await _cursor(house, import_id) >= row


async def _is_attempt(house: House, import_id: UUID, number: int) -> bool:
    return bool(
        await house.ask("SELECT attempt >= $2 OR status = 'completed' FROM import_job WHERE id = $1", import_id, number)
    )


async def _has_ended(house: House, import_id: UUID) -> bool:
    return await house.ask("SELECT status FROM import_job WHERE id = $1", import_id) == "completed"


async def run_once(directory: Path, rng: random.Random, rows: int, kills: int) -> None:
    with House(directory, IMPORT_CHUNK_ROWS="2000").running() as house:
        import_id = await house.order_import(make_catalogue(rows))
        await interrupt(house, import_id, rng, kills, rows)
        await check_exact(house, import_id, rows)


@pytest.mark.timeout(240)
async def test_a_worker_killed_three_times_leaves_an_exact_import(tmp_path: Path) -> None:
    await run_once(tmp_path, make_seed(), rows=20_000, kills=3)


@pytest.mark.faults
@pytest.mark.parametrize("turn", range(20))
async def test_r1_one_kill_at_a_random_point(tmp_path: Path, turn: int) -> None:
    await run_once(tmp_path, make_seed(), rows=100_000, kills=1)


@pytest.mark.faults
@pytest.mark.parametrize("turn", range(10))
async def test_r2_the_recovering_worker_is_killed_too(tmp_path: Path, turn: int) -> None:
    await run_once(tmp_path, make_seed(), rows=40_000, kills=2)
