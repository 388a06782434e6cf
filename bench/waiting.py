"""What keeps an answer waiting: how busy the web process and PostgreSQL are, and whom PostgreSQL lets wait for what."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg

from bench import cores
from bench.servers import Place, connect

EVERY_SECONDS = 0.03
WAITS = """
    SELECT wait_event_type FROM pg_stat_activity
    WHERE application_name = 'stockroom' AND wait_event_type IN ('Lock', 'LWLock', 'IO')
"""


class Watch:
    """Filled when the block of `watching` ends: `web` and `postgres` are shares of a core in `busy_seconds`, which the
    block tells: starting a client is not part of them."""

    def __init__(self) -> None:
        self.busy_seconds = 0.0
        self.seconds = 0.0
        self.web = 0.0
        self.postgres = 0.0
        self.samples = 0
        self.waits: Counter[str] = Counter()

    def waiting_for(self, *kinds: str) -> float:
        """Connections that wait, on average."""
        waiting = sum(self.waits[kind] for kind in kinds) / max(self.samples, 1)
        return waiting * self.seconds / self.busy_seconds


@contextlib.asynccontextmanager
async def watching(place: Place, web: int) -> AsyncIterator[Watch]:
    """While the block runs, watch the web process of this pid and the backends that PostgreSQL has."""
    watch = Watch()
    connection = await connect(place)
    sampling = asyncio.create_task(_sample(connection, watch))
    began, used, backends = time.perf_counter(), cores.cpu_seconds(web), cores.postgres_seconds(place)
    try:
        yield watch
    finally:
        watch.seconds = time.perf_counter() - began
        watch.busy_seconds = watch.busy_seconds or watch.seconds
        watch.web = (cores.cpu_seconds(web) - used) / watch.busy_seconds
        watch.postgres = (cores.postgres_seconds(place) - backends) / watch.busy_seconds
        sampling.cancel()
        await asyncio.wait([sampling])
        await connection.close()


async def _sample(connection: "asyncpg.Connection[asyncpg.Record]", watch: Watch) -> None:
    while True:
        watch.waits.update(row["wait_event_type"] for row in await connection.fetch(WAITS))
        watch.samples += 1
        await asyncio.sleep(EVERY_SECONDS)
