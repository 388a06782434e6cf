"""Which worker sends to an endpoint: the one that holds its lock, so that limits hold across all workers.

The locks belong to a connection. They go with it when its worker dies, and the next worker goes on at once.
"""

import contextlib
from collections.abc import AsyncIterator, Collection

from piccolo_conf import Connection, connected

# Any number that no other lock of ours has.
LOCK_CLASS = 5_207_020

TRY_LOCKS = f"SELECT id FROM unnest($1::int[]) AS id WHERE pg_try_advisory_lock({LOCK_CLASS}, id)"
UNLOCK = f"SELECT pg_advisory_unlock({LOCK_CLASS}, id) FROM unnest($1::int[]) AS id"
UNLOCK_ALL = "SELECT pg_advisory_unlock_all()"


class Holder:
    """A connection and the endpoints that it has."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.held: set[int] = set()

    async def take(self, endpoint_ids: Collection[int]) -> None:
        """Those that nobody else has. Each once: PostgreSQL counts how often a lock was taken."""
        wanted = sorted(set(endpoint_ids) - self.held)
        if wanted:
            self.held |= {row["id"] for row in await self.connection.fetch(TRY_LOCKS, wanted)}

    async def release(self, endpoint_ids: Collection[int]) -> None:
        if endpoint_ids:
            self.held -= set(endpoint_ids)
            await self.connection.execute(UNLOCK, sorted(endpoint_ids))


@contextlib.asynccontextmanager
async def holding() -> AsyncIterator[Holder]:
    """Gives everything back at its end; a connection that died has nothing to give back."""
    async with connected() as connection:
        try:
            yield Holder(connection)
        finally:
            if not connection.is_closed():
                await connection.execute(UNLOCK_ALL)
