"""`litestar import FILE --json` as a child process, watched: its time, its memory, its progress."""

import asyncio
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from bench.cores import peak_mb
from bench.servers import PYTHON, ROOT, BenchFailed, Place, connect, die_with_parent, last_lines

# Looking costs the product a little of its two cores, and the limit nothing.
LOOK_SECONDS = 0.1
PROGRESS = """
    SELECT processed_rows FROM import_job
    WHERE created_at > $1 AND phase IN ('importing', 'complete') ORDER BY created_at DESC LIMIT 1
"""


class Step(msgspec.Struct, frozen=True):
    """So many rows were done after so many seconds."""

    at: float
    rows: int


class Imported(msgspec.Struct, frozen=True):
    """`job` is what the command printed.

    `seconds` run from the moment when the job was claimed to the end of the process, so they hold everything that a
    worker would do, tidying up included, and not the start of Python; `whole_seconds` hold that too.
    """

    seconds: float
    whole_seconds: float
    peak_mb: float
    job: dict[str, Any]
    steps: list[Step]

    @property
    def rows_per_second(self) -> float:
        """From the claim to the last row."""
        started, completed = (datetime.fromisoformat(self.job[name]) for name in ("started_at", "completed_at"))
        rows: int = self.job["processed_rows"]
        return rows / max((completed - started).total_seconds(), 0.001)

    @property
    def has_tenths(self) -> bool:
        """A tenth needs at least two chunks to be measured."""
        return len({step.rows for step in self.steps}) > 20

    def between(self, first: float, last: float) -> float:
        """Rows per second between two shares of the file."""
        total: int = self.job["processed_rows"]
        begin = next(step for step in self.steps if step.rows >= first * total)
        end = next((step for step in self.steps if step.rows >= last * total), self.steps[-1])
        return (end.rows - begin.rows) / max(end.at - begin.at, 0.001)


async def import_file(place: Place, path: Path) -> Imported:
    """Raises BenchFailed unless the import completes."""
    connection = await connect(place)
    try:
        await connection.execute("CHECKPOINT")
        before = await connection.fetchval("SELECT now()")
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(PYTHON, "-m", "litestar", "import", str(path), "--json"),
            cwd=ROOT,
            env=place.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=place.log("import").open("ab"),
            preexec_fn=die_with_parent,
        )
        printing = asyncio.create_task(process.communicate())
        peak, steps = 0.0, []
        while not printing.done():
            peak = max(peak, peak_mb(process.pid))
            # The survey before the first phase that is looked for counts no rows.
            if (rows := await connection.fetchval(PROGRESS, before)) is not None:
                steps.append(Step(time.perf_counter() - started, rows))
            await asyncio.wait([printing], timeout=LOOK_SECONDS)
        seconds, ended_at = time.perf_counter() - started, time.time()
    finally:
        await connection.close()
    printed, _ = printing.result()
    if process.returncode != 0:
        raise BenchFailed(f"The import of {path.name} failed: {last_lines(place.log('import'))}")
    job = msgspec.json.decode(printed)
    working = ended_at - datetime.fromisoformat(job["started_at"]).timestamp()
    return Imported(working, seconds, peak, job, steps)
