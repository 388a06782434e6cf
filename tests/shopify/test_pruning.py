"""How long the inbox and the reconciliations are kept."""

import asyncio

import asyncpg
import pytest

from domains.shopify import pruning
from piccolo_conf import DB, execute, fetch
from queues.cleaning import Cleaning, clean_up

# Of each state three: of 31, of 91 days ago, and of 91 days ago that was worked on yesterday.
FILL = """
INSERT INTO inbound_webhook (topic, webhook_id, state, reason, received_at, processed_at)
    SELECT 'products/update', state || ' ' || name, state, CASE WHEN state NOT IN ('pending', 'processed')
        THEN 'internal' END, now() - received, CASE WHEN state <> 'pending' THEN now() - processed END
    FROM unnest(ARRAY['pending', 'processed', 'parked', 'ignored', 'failed']) AS state,
        (VALUES ('old', interval '31 days', interval '31 days'), ('older', '91 days', '91 days'),
            ('again', '91 days', '1 day')) AS age (name, received, processed)
"""
RECONCILIATIONS = """
INSERT INTO shopify_reconciliation (state, detail, started_at, finished_at)
    SELECT state, detail, now() - age, CASE WHEN state <> 'running' THEN now() END
    FROM (VALUES ('completed', 'old', interval '91 days'), ('failed', 'new', '89 days'), ('running', 'old', '91 days'))
        AS one (state, detail, age)
"""


@pytest.fixture
def in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MOST_AT_ONCE", 1)


async def kept() -> set[str]:
    return {row["webhook_id"] for row in await fetch("SELECT webhook_id FROM inbound_webhook")}


async def test_what_had_its_effect_goes_after_a_month_and_what_had_none_after_three(
    database: None, in_small_batches: None
):
    await execute(FILL)
    await clean_up(what=Cleaning.ATTEMPTS)
    waiting = {"pending old", "pending older", "pending again"}
    assert await kept() == waiting | {"processed again", "ignored again", "parked old", "failed old", "failed again"}


async def test_a_webhook_that_a_worker_has_is_left_to_it(database: None, in_small_batches: None):
    await execute(FILL)
    worker = await asyncpg.connect(**DB.config)
    async with worker.transaction():
        await worker.execute("SELECT FROM inbound_webhook WHERE webhook_id = 'parked older' FOR NO KEY UPDATE")
        async with asyncio.timeout(10):
            await pruning.forget_old_webhooks()
    await worker.close()
    assert {"parked older", "processed older"} & await kept() == {"parked older"}


async def test_reconciliations_go_after_three_months(database: None):
    await execute(RECONCILIATIONS)
    await clean_up(what=Cleaning.ATTEMPTS)
    rows = await fetch("SELECT state, detail FROM shopify_reconciliation ORDER BY id")
    assert [tuple(row) for row in rows] == [("failed", "new"), ("running", "old")]
