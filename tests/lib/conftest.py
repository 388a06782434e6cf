"""A Redis of a test's own, which it may kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from lib.redis_client import Line, line
from lib.servers.valkey import Valkey, valkey_url


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("redis")


@pytest.fixture
def valkey(folder: Path) -> Iterator[Valkey]:
    server = Valkey(folder, throwaway=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_line(valkey: Valkey) -> Line:
    """A line to that server."""
    return Line(Redis.from_url(valkey_url(valkey.data_dir), retry=line.client.get_retry(), socket_timeout=1))
