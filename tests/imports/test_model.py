"""Any file, in chunks of any size, interrupted anywhere: the catalogue is what a plain reading of the rows gives."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.imports import work
from domains.imports.jobs import run_import
from piccolo_conf import execute, fetch
from tests.imports.uploads import assert_stock_is_true, import_csv, make_csv, upload

SKUS = ["a", "A", "b", "B ", "c", "ß", "SS", ""]
ROWS = st.lists(
    st.tuples(
        st.sampled_from(SKUS),
        st.sampled_from(["", "Anvil", "Bellows"]),
        st.sampled_from(["", "1.00", "2.50", "bad"]),
        st.sampled_from(["", "0", "3", "7", "-1"]),
    ),
    max_size=25,
)


@given(rows=ROWS, chunk=st.integers(1, 8), broken_at=st.integers(0, 6))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_an_import_is_its_rows_applied_in_turn(
    staff: httpx.AsyncClient, rows: list[tuple[str, str, str, str]], chunk: int, broken_at: int
) -> None:
    await execute(
        "TRUNCATE product, stock_level, stock_movement, event, import_job, import_row_error, import_preview_row CASCADE"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "CHUNK_ROWS", chunk)
        patch.setattr("domains.imports.rows.BATCH_ROWS", 1)
        accepted = await upload(staff, make_csv(*rows))
        patch.setattr(work, "_merge_chunk", _breaking(work._merge_chunk, broken_at))
        await run_import(import_id=accepted.json()["job_id"])
        patch.undo()
    await execute("UPDATE import_job SET status = 'pending' WHERE status <> 'completed'")
    await run_import(import_id=accepted.json()["job_id"])
    assert await _catalogue() == _model(rows)
    await assert_stock_is_true()
    again = await import_csv(staff, make_csv(*rows))
    assert (again["created"], again["updated"]) == (0, 0)


def _breaking(merge: Callable[..., Any], at: int) -> Callable[..., Any]:
    calls = []

    async def merge_or_break(*args: object) -> None:
        calls.append(args)
        if len(calls) == at:
            raise ConnectionResetError
        await merge(*args)

    return merge_or_break


async def _catalogue() -> dict[str, tuple[str, str, int]]:
    rows = await fetch("SELECT lower(sku) AS sku, name, price::text, inventory_quantity FROM product")
    return {row["sku"]: (row["name"], row["price"], row["inventory_quantity"]) for row in rows}


def _model(rows: list[tuple[str, str, str, str]]) -> dict[str, tuple[str, str, int]]:
    """What the rules of imports say, without chunks, staging or a survey: good rows of a SKU are one, cell by cell."""
    merged: dict[str, dict[str, str]] = {}
    for sku, name, price, quantity in rows:
        key = sku.strip().lower()
        if key and price != "bad" and quantity != "-1":
            given = {"name": name, "price": price, "quantity": quantity}
            merged.setdefault(key, {}).update({column: cell for column, cell in given.items() if cell})
    return {
        key: (row["name"], row.get("price", "0.00"), int(row.get("quantity", "0")))
        for key, row in merged.items()
        if "name" in row
    }
