"""The survey finds the same in every process: whoever takes an import over relies on it."""

import subprocess
import sys
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from domains.catalog import merge
from domains.imports import progress
from domains.imports.errors import RowError
from domains.imports.rows import Batch
from domains.imports.survey import Survey
from piccolo_conf import execute
from tests.imports.uploads import import_csv, make_csv, product, upload
from tests.imports.uploads import work as run

ROOT = Path(__file__).parents[2]
SCRIPT = """
from tests.imports.test_survey import survey_of
it = survey_of([[f"s{n % 700}", None if n % 3 else "x", "y" if n % 2 else None] for n in range(3000)])
print(it.superseded.bits.hex(), it.carried.bits.hex())
"""


def survey_of(rows: list[list[str | None]]) -> Survey:
    no_errors: list[RowError] = []
    cells = [[cell or "" for cell in row] for row in rows]
    return Survey().run([Batch(list(range(1, len(rows) + 1)), rows, no_errors, cells, len(rows))])


def test_the_same_in_another_process() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={"PYTHONHASHSEED": seed, "DEBUG": "true", "SECRET_KEY": "s" * 40, "PATH": ""},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_rows_whose_cells_are_all_filled_again_are_superseded() -> None:
    survey = survey_of([["a", "x", None], ["A", "y", "z"], ["b", "x", "y"], ["b", None, "z"]])
    assert [number in survey.superseded for number in range(1, 5)] == [True, False, False, False]
    assert [number in survey.carried for number in range(1, 5)] == [False, False, True, False]


async def test_a_product_renamed_meanwhile_is_not_written_under_its_old_sku(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await import_csv(staff, make_csv(["A", "Anvil", "1.00", 1]))
    original, renamed = merge.Merge._write, []

    async def rename_first(self: merge.Merge, connection: object) -> str:
        if not renamed:
            renamed.append(await execute("UPDATE product SET sku = 'Z' WHERE sku = 'A'"))
        return await original(self, connection)

    monkeypatch.setattr(merge.Merge, "_write", rename_first)
    job = await import_csv(staff, make_csv(["A", "Anvil", "99.00", 1]))
    assert (job["status"], (await product("A"))["price"]) == ("completed", "99.00")


async def test_an_import_that_ends_every_worker_is_given_up(staff: httpx.AsyncClient) -> None:
    job_id = (await upload(staff, make_csv(["A", "Anvil", "1.00", 1]))).json()["job_id"]
    await execute("UPDATE import_job SET attempt = $1", progress.MOST_ATTEMPTS - 1)
    assert await progress.claim(UUID(job_id)) is None
    assert (await staff.get(f"/api/jobs/{job_id}")).json()["failure_reason"] == "internal"
    await staff.post(f"/api/jobs/{job_id}/retry")
    assert (await run(staff, job_id))["status"] == "completed"
