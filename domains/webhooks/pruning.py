"""Attempts and deliveries that have had their time. What they came to stays in the daily counts."""

from datetime import timedelta

from lib import clock
from piccolo_conf import execute

KEPT = timedelta(days=30)
MOST_AT_ONCE = 10_000

# Relies on webhook_attempt_started. Attempts of deliveries go with these too.
FORGET_ATTEMPTS = """
    DELETE FROM webhook_attempt WHERE id IN (SELECT id FROM webhook_attempt WHERE started_at < $1 LIMIT $2)
"""
# Relies on webhook_delivery_created. What is pending or paused is owed to somebody, also when somebody asks for it at
# this moment.
FORGET_DELIVERIES = """
    DELETE FROM webhook_delivery WHERE id IN (
        SELECT id FROM webhook_delivery
        WHERE created_at < $1 AND state IN ('delivered', 'failed') AND coalesce(delivered_at, next_attempt_at) < $1
        LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


async def forget_old_deliveries() -> None:
    """In batches, so that no statement holds many rows for long."""
    before = clock.now() - KEPT
    for statement in (FORGET_ATTEMPTS, FORGET_DELIVERIES):
        while await execute(statement, before, MOST_AT_ONCE) != "DELETE 0":
            pass
