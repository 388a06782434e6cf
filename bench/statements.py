"""The SQL behind an answer, taken from PostgreSQL's log: what asyncpg alone would have to ask."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import msgspec

from bench.client import percentile
from bench.servers import Place, connect

ENTRY = re.compile(r"^\d{4}-\d\d-\d\d \S+ \S+ (?=\[\d+\] )", re.MULTILINE)
STATEMENT = re.compile(r"\[(\d+)\] LOG:  (execute \S+|statement): (.*)", re.DOTALL)
PARAMETERS = re.compile(r"\[\d+\] DETAIL:  [Pp]arameters: (.*)", re.DOTALL)
VALUE = re.compile(r"(\$\d+) = ('(?:[^']|'')*'|NULL)")
PRODUCTS = re.compile(r"\bproduct\b")
# What every web process asks each second on whichever connection is free.
BESIDE = re.compile(r"\buser_session\b")
SETTLE_SECONDS = 0.3


class Statement(msgspec.Struct, frozen=True):
    """`is_script`: sent as text, without parameters and an answer, and perhaps several at once."""

    backend: str
    is_script: bool
    sql: str


async def capture(
    place: Place, act: Callable[[], Awaitable[object]], *, about: re.Pattern[str] = PRODUCTS
) -> list[Statement]:
    """What `act` makes PostgreSQL run on the connections that are used for that, with the values written in."""
    log = place.directory / "postgres.log"
    async with _logging(place):
        before = log.stat().st_size
        await act()
        await asyncio.sleep(SETTLE_SECONDS)
        with log.open("rb") as file:
            file.seek(before)
            written = file.read().decode(errors="replace")
    found = _statements(written)
    ours = {statement.backend for statement in found if about.search(statement.sql)}
    return [statement for statement in found if statement.backend in ours and not BESIDE.search(statement.sql)]


@contextlib.asynccontextmanager
async def _logging(place: Place) -> AsyncIterator[None]:
    connection = await connect(place)
    try:
        await connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        await connection.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(SETTLE_SECONDS)
        yield
        await connection.execute("ALTER SYSTEM RESET log_statement")
        await connection.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(SETTLE_SECONDS)
    finally:
        await connection.close()


def _statements(written: str) -> list[Statement]:
    """In the order in which they ran."""
    found: list[Statement] = []
    for entry in ENTRY.split(written):
        if line := STATEMENT.match(entry):
            found.append(Statement(line[1], line[2] == "statement", line[3].strip()))
        elif (parameters := PARAMETERS.match(entry)) and found:
            found[-1] = msgspec.structs.replace(found[-1], sql=_with_values(found[-1].sql, parameters[1]))
    return found


def _with_values(statement: str, parameters: str) -> str:
    values = dict(VALUE.findall(parameters))
    return re.sub(r"\$\d+", lambda found: values.get(found[0], found[0]), statement)


async def time_statements(place: Place, statements: list[Statement], count: int, seconds: float) -> tuple[float, float]:
    """p50 and p95, in milliseconds, of running them all one after the other, `count` times or for so many seconds."""
    connection = await connect(place)
    deadline = time.perf_counter() + seconds
    times: list[float] = []
    try:
        while len(times) < count and (not times or time.perf_counter() < deadline):
            times.append(await _time(connection, statements))
    finally:
        await connection.close()
    return percentile(sorted(times), 0.5), percentile(sorted(times), 0.95)


async def _time(connection: "asyncpg.Connection[Any]", statements: list[Statement]) -> float:
    started = time.perf_counter()
    for statement in statements:
        await (connection.execute if statement.is_script else connection.fetch)(statement.sql)
    return (time.perf_counter() - started) * 1000
