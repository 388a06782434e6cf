"""That a person is forgotten, and stays so: whatever the shop tells of them late or twice is recorded without them.

Whoever records an order shares a lock that a redaction has alone. So no order comes between the redaction's look at
what is here and its word that this is forgotten. It is taken before anything but the webhook's own row.
"""

from collections.abc import Collection
from datetime import datetime

import msgspec

from domains.catalog.races import Raced
from domains.shopify import versions
from domains.shopify.outcomes import Outcome
from domains.shopify.tables import InboundReason, InboundState, Kind
from domains.shopify.versions import Version
from domains.shopify.webhooks import Told
from lib import clock
from piccolo_conf import execute, fetch, fetch_value

DETAIL = "The shop asked us to forget whom it is about."

SHARE = "SELECT pg_advisory_xact_lock_shared(5207015)"
ALONE = "SELECT pg_advisory_xact_lock(5207015)"

# Somebody who bought again after they were forgotten is not. Relies on shopify_version_key.
IS_FORGOTTEN = """
    SELECT EXISTS (SELECT FROM shopify_version WHERE shopify_id = $1 AND kind = 'redacted_order')
        OR EXISTS (SELECT FROM shopify_version WHERE shopify_id = $2 AND kind = 'redacted_customer'
                   AND ($3::timestamptz IS NULL OR triggered_at >= $3))
"""
# What another worker has just then waits for our lock, and finds on its own that its person is forgotten; so nobody has
# to wait for it. (Of a shop it finds nothing: `STILL_AT_WORK`.) What is pending or parked could do nothing without its
# body.
BLANK = """
    WITH whose AS MATERIALIZED (
        SELECT id FROM inbound_webhook WHERE {whose} AND body <> '' AND id <> $1 FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE inbound_webhook w
    SET body = '', customer_id = NULL, reason = 'redacted', detail = $2, awaits = NULL,
        subject = CASE WHEN w.subject LIKE 'customer:%' THEN '' ELSE w.subject END,
        state = CASE WHEN w.state IN ('pending', 'parked') THEN 'ignored' ELSE w.state END,
        processed_at = coalesce(w.processed_at, $3)
    FROM whose WHERE w.id = whose.id
"""
# Rely on inbound_webhook_customer and inbound_webhook_order; that of a shop reads all of them, once in its life.
OF_CUSTOMER = "(customer_id = $4 OR order_id = ANY($5::bigint[]))"
OF_SHOP = "shop = $4"
# Relies on inbound_webhook_customer.
TOLD_ORDERS = "SELECT DISTINCT order_id FROM inbound_webhook WHERE customer_id = $1 AND order_id IS NOT NULL"
# Relies on inbound_webhook_unsettled.
STILL_AT_WORK = """
    SELECT EXISTS (SELECT FROM inbound_webhook
                   WHERE state IN ('pending', 'parked') AND shop = $1 AND body <> '' AND id <> $2)
"""
BLANK_OWN = """
    UPDATE inbound_webhook
    SET body = '', customer_id = NULL, subject = CASE WHEN subject LIKE 'customer:%' THEN '' ELSE subject END
    WHERE id = $1
"""


async def respect_redactions() -> None:
    """For whoever is about to record somebody: until the open transaction ends, nobody is forgotten."""
    await execute(SHARE)


async def begin_redaction() -> None:
    """Waits for whoever is recording, and keeps others from it until the open transaction ends."""
    await execute(ALONE)


async def remember_forgotten(customer_id: int | None, order_ids: Collection[int], version: Version) -> None:
    """By the shop's ids: who is not to be recorded any more."""
    if customer_id is not None:
        await versions.advance(Kind.REDACTED_CUSTOMER, customer_id, version, is_removed=True)
    news = [(order_id, 0, version) for order_id in sorted(set(order_ids))]
    await versions.advance_all(Kind.REDACTED_ORDER, news, is_removed=True)


async def is_forgotten(
    order_id: int | None, customer_id: int | None = None, created_at: datetime | None = None
) -> bool:
    """Whose order this is, or who wrote to us; `created_at` is when. All are the shop's."""
    return bool(await fetch_value(IS_FORGOTTEN, order_id, customer_id, created_at))


async def find_told_orders(customer_id: int) -> list[int]:
    """Orders of theirs that webhooks told of, also those that are not here: others tell of such an order alone."""
    return [row["order_id"] for row in await fetch(TOLD_ORDERS, customer_id)]


async def blank_bodies_of(customer_id: int | None, order_ids: Collection[int], told: Told) -> int:
    """How many webhooks about them lost their body."""
    return await _blank(OF_CUSTOMER, told, customer_id, sorted(set(order_ids)))


async def blank_bodies_at(shop: str, told: Told) -> int:
    """As above. Raises Raced when a worker has one of them, and waits to record its person."""
    blanked = await _blank(OF_SHOP, told, shop)
    if await fetch_value(STILL_AT_WORK, shop, told.webhook_id or 0):
        raise Raced
    return blanked


async def blank_own(told: Told, outcome: Outcome) -> Outcome:
    """What is to become of a webhook of somebody who is forgotten. One that is parked still needs its body."""
    if outcome.state is InboundState.PARKED:
        return outcome
    await execute(BLANK_OWN, told.webhook_id)
    detail = f"{outcome.detail} {DETAIL}".strip()
    return msgspec.structs.replace(outcome, reason=InboundReason.REDACTED, detail=detail)


async def _blank(whose: str, told: Told, *values: object) -> int:
    tag = await execute(BLANK.format(whose=whose), told.webhook_id or 0, DETAIL, clock.now(), *values)
    return int(tag.rpartition(" ")[2])
