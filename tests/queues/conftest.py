"""Schedules of a test's own: those that every installation begins with are put away, and back."""

from collections.abc import AsyncIterator

import pytest

from piccolo_conf import execute
from queues.piccolo_migrations.queues_0002_rules import SEEDS
from queues.piccolo_migrations.queues_0003_shopify import SEED


@pytest.fixture(autouse=True)
async def no_schedules(database: None) -> AsyncIterator[None]:
    await execute("TRUNCATE schedule, schedule_run RESTART IDENTITY")
    yield
    await execute("TRUNCATE schedule, schedule_run RESTART IDENTITY")
    await execute(SEEDS)
    await execute(SEED)
