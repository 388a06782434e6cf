"""What a test asks of PostgreSQL, statement by statement."""

import contextlib
from collections.abc import AsyncIterator
from contextvars import ContextVar

from asyncpg.connection import LoggedQuery

from piccolo_conf import DB, connected, fetch

# asyncpg asks about types that it has not met on a connection, without its compiler: how often is up to the pool.
INTROSPECTION = ("typeinfo_tree", "'jit'")

_mine: ContextVar[list[str] | None] = ContextVar("mine", default=None)


def _note(record: LoggedQuery) -> None:
    """asyncpg calls this in the context of the one that asked."""
    asked = _mine.get()
    if asked is not None and not any(part in record.query for part in INTROSPECTION):
        asked.append(record.query)


@contextlib.asynccontextmanager
async def statements() -> AsyncIterator[list[str]]:
    """What this task asks meanwhile, on whichever connection, and nothing of what the app asks on its own."""
    async with contextlib.AsyncExitStack() as borrowed:
        connections = [await borrowed.enter_async_context(connected()) for _ in range(DB.pool.get_max_size())]
        for connection in connections:
            connection.add_query_logger(_note)
    asked: list[str] = []
    token = _mine.set(asked)
    try:
        yield asked
    finally:
        _mine.reset(token)


async def someone_waits() -> bool:
    """For a lock that another transaction holds."""
    return bool(await fetch("SELECT FROM pg_locks WHERE NOT granted"))
