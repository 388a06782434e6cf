"""What the inbox and the reconciliations keep, and for how long.

Versions stay for good: by them a webhook that comes late is known to be late, and what was forgotten stays forgotten.
"""

from datetime import timedelta

from lib import clock
from piccolo_conf import execute

SETTLED_KEPT = timedelta(days=30)
UNSETTLED_KEPT = timedelta(days=90)
MOST_AT_ONCE = 5_000

# Relies on inbound_webhook_received. What was asked for again has a later end; a parked one has a new end with every
# attempt, and goes by when it came. What somebody works on at this moment is left.
FORGET_WEBHOOKS = """
    DELETE FROM inbound_webhook WHERE id IN (
        SELECT id FROM inbound_webhook
        WHERE received_at < $1 AND state = ANY($2::text[]) AND (state = 'parked' OR processed_at < $1)
        LIMIT $3 FOR UPDATE SKIP LOCKED)
"""
FORGET_RECONCILIATIONS = """
    DELETE FROM shopify_reconciliation WHERE started_at < $1 AND state <> 'running'
"""
KEPT = ((SETTLED_KEPT, ["processed", "ignored"]), (UNSETTLED_KEPT, ["parked", "failed"]))


async def forget_old_webhooks() -> None:
    """Those that had their effect, or none, after 30 days; parked and failed ones after 90. In batches, so that no
    statement holds many rows for long."""
    now = clock.now()
    for kept, states in KEPT:
        while await execute(FORGET_WEBHOOKS, now - kept, states, MOST_AT_ONCE) != "DELETE 0":
            pass


async def forget_old_reconciliations() -> None:
    """After 90 days."""
    await execute(FORGET_RECONCILIATIONS, clock.now() - UNSETTLED_KEPT)
