"""The rows of the inbox: stored as they come, claimed by a lock that dies with its worker, and settled in the
transaction of their effect. Killed anywhere, a webhook has its whole effect and its state, or neither."""

from collections.abc import Collection
from datetime import timedelta

import msgspec

from domains.shopify.intake import Sent
from domains.shopify.outcomes import Outcome, read_items, unhandled
from domains.shopify.processing import HANDLED
from domains.shopify.tables import InboundReason, InboundState
from domains.shopify.webhooks import Webhook
from lib import clock
from lib.errors import Conflict, NotFound
from piccolo_conf import execute, fetch_row, fetch_value

# What parked a webhook may be mended by something that nobody tells us of, like a SKU that is free again.
PARKED_AGAIN = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180))
PARKED_AT_MOST_AGAIN = timedelta(hours=6)
FIRST_PAUSE = timedelta(seconds=2)
# Whom somebody else came between so often waits like the others: it may be no race at all.
MOST_RACES = 5
# The last pause is a quarter of an hour: most of what fails for a while does so for less.
MOST_ATTEMPTS = 10

# Relies on inbound_webhook_key.
STORE = """
    INSERT INTO inbound_webhook (shop, topic, webhook_id, event_id, api_version, triggered_at, subject, customer_id,
        order_id, body, state, reason, detail, next_attempt_at, received_at, processed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15)
    ON CONFLICT (webhook_id, topic, shop) DO NOTHING RETURNING id
"""
# Relies on inbound_webhook_due.
DUE = "state IN ('pending', 'parked') AND next_attempt_at <= $1"
IS_DUE = f"SELECT EXISTS (SELECT FROM inbound_webhook WHERE {DUE})"
CLAIM = f"""
    SELECT id, shop, topic, customer_id, order_id, body, triggered_at, received_at, state, attempts
    FROM inbound_webhook WHERE {DUE}
    ORDER BY next_attempt_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""
SETTLE = """
    UPDATE inbound_webhook SET state = $2, reason = $3, detail = $4, results = $5, awaits = $6,
        attempts = attempts + 1, processed_at = $7, next_attempt_at = $8
    WHERE id = $1
"""
# The lock went with the transaction: whoever has settled it since, or put it off, has the last word.
IS_AS_CLAIMED = "id = $1 AND state = $2 AND attempts = $3"
PUT_OFF = f"""
    UPDATE inbound_webhook SET state = 'pending', reason = NULL, detail = '', awaits = NULL, processed_at = NULL,
        attempts = $4, next_attempt_at = $5
    WHERE {IS_AS_CLAIMED}
"""
GIVE_UP = f"""
    UPDATE inbound_webhook SET state = 'failed', reason = 'internal', detail = $4, attempts = attempts + 1,
        processed_at = $5
    WHERE {IS_AS_CLAIMED}
"""
# Relies on inbound_webhook_awaits.
WAKE = """
    UPDATE inbound_webhook SET next_attempt_at = $2 WHERE state = 'parked' AND awaits = ANY($1::text[])
"""
# The newest levels of what stands here anew, told when something else stood here. Relies on shopify_version_key and
# inbound_webhook_subject.
TELL_AGAIN = """
    UPDATE inbound_webhook w SET state = 'pending', reason = NULL, detail = '', attempts = 0, next_attempt_at = $2,
        processed_at = NULL
    FROM shopify_version v
    WHERE v.kind = 'level' AND v.shopify_id = ANY($1::bigint[])
        AND w.subject = 'level:' || v.shopify_id || '@' || v.location_id AND w.subject <> ''
        AND w.triggered_at = v.triggered_at AND w.body <> ''
        AND (w.state = 'processed' OR w.state = 'ignored' AND w.reason = 'removed')
"""
# What became known by other ways, or before a worker died that was to wake them. Relies on inbound_webhook_awaits,
# product_shopify_item_key, product_sku_key and sales_order_shopify_key.
WAKE_KNOWN = """
    UPDATE inbound_webhook w SET next_attempt_at = $1
    WHERE w.state = 'parked' AND w.awaits IS NOT NULL AND w.next_attempt_at > $1 AND ($2::bigint IS NULL OR w.id = $2)
    AND CASE split_part(w.awaits, ':', 1)
        WHEN 'item' THEN EXISTS (
            SELECT FROM product p WHERE p.shopify_inventory_item_id = split_part(w.awaits, ':', 2)::bigint)
        WHEN 'sku' THEN NOT EXISTS (SELECT FROM product p WHERE lower(p.sku) = substr(w.awaits, 5))
        ELSE EXISTS (SELECT FROM sales_order o WHERE o.shopify_order_id = split_part(w.awaits, ':', 2)::bigint) END
"""
ASK_AGAIN = """
    UPDATE inbound_webhook SET state = 'pending', reason = NULL, detail = '', awaits = NULL, attempts = 0,
        next_attempt_at = $2, processed_at = NULL
    WHERE id = ANY($1::bigint[]) AND state <> 'pending' AND reason IS DISTINCT FROM 'redacted' RETURNING id
"""
REASON_OF = "SELECT coalesce(reason, '') FROM inbound_webhook WHERE id = $1"


class WebhookNotFound(NotFound):
    """There is no such webhook in the inbox."""


class BodyIsGone(Conflict):
    """The shop asked us to forget a person whom this webhook named: its body is gone."""


async def store(sent: Sent) -> int | None:
    """Its id; None for one that is here already. What nobody handles is settled at once, unless it tells of somebody:
    they may be forgotten."""
    now = clock.now()
    is_work = sent.topic in HANDLED or sent.customer_id is not None or sent.order_id is not None
    state = InboundState.PENDING if is_work else InboundState.IGNORED
    reason = None if is_work else InboundReason.UNHANDLED_TOPIC
    detail = "" if is_work else unhandled().detail
    given = (sent.shop, sent.topic, sent.webhook_id, sent.event_id, sent.api_version, sent.triggered_at, sent.subject)
    told = (sent.customer_id, sent.order_id, sent.body, state, reason, detail, now, None if is_work else now)
    stored: int | None = await fetch_value(STORE, *given, *told)
    return stored


async def is_any_due() -> bool:
    return bool(await fetch_value(IS_DUE, clock.now()))


async def claim() -> Webhook | None:
    """The one that is longest due and that nobody has; the caller's until the open transaction ends."""
    row = await fetch_row(CLAIM, clock.now())
    return None if row is None else msgspec.convert(dict(row), Webhook)


async def settle(webhook: Webhook, outcome: Outcome) -> None:
    """In the transaction of its effect."""
    now = clock.now()
    await execute(
        SETTLE,
        webhook.id,
        outcome.state,
        outcome.reason,
        outcome.detail,
        msgspec.json.encode(outcome.results).decode(),
        outcome.awaits,
        now,
        now + _park_for(webhook.attempts),
    )
    await tell_again(outcome.known)


async def tell_again(known: Collection[str]) -> None:
    """In the transaction that made items known: what was told of their levels before is processed again."""
    if items := read_items(known):
        await execute(TELL_AGAIN, items, clock.now())


async def note_failure(webhook: Webhook, error: Exception, *, is_race: bool) -> None:
    """The transaction of its effect is lost: it is tried again later, at once where somebody else only came between,
    and given up after ten attempts. How often it was parked before is none of its failures."""
    now, claimed = clock.now(), (webhook.id, webhook.state, webhook.attempts)
    failures = 0 if webhook.state is InboundState.PARKED else webhook.attempts
    if failures + 1 >= MOST_ATTEMPTS:
        await execute(GIVE_UP, *claimed, f"Stockroom failed ({type(error).__name__}).", now)
    else:
        is_soon = is_race and failures < MOST_RACES
        await execute(PUT_OFF, *claimed, failures + 1, now if is_soon else now + FIRST_PAUSE * 2**failures)


async def wake(awaited: Collection[str]) -> None:
    """Behind the commit that made something known. Who parks one at this moment looks again: `wake_known`."""
    if awaited:
        await execute(WAKE, list(awaited), clock.now())


async def wake_known(webhook_id: int | None = None) -> None:
    """Those that wait for what is known by now; with an id that one alone, behind the commit that parked it."""
    await execute(WAKE_KNOWN, clock.now(), webhook_id)


async def ask_again(webhook_id: int) -> None:
    """Process it again, whatever has become of it. Raises WebhookNotFound and BodyIsGone."""
    if await ask_all_again([webhook_id]):
        return
    reason = await fetch_value(REASON_OF, webhook_id)
    if reason is None:
        raise WebhookNotFound
    if reason == InboundReason.REDACTED:
        raise BodyIsGone


async def ask_all_again(webhook_ids: Collection[int]) -> int:
    """How many of these will be processed again; those that wait anyway and those without a body are left."""
    tag = await execute(ASK_AGAIN, list(webhook_ids), clock.now())
    return int(tag.rpartition(" ")[2])


def _park_for(attempts: int) -> timedelta:
    return PARKED_AGAIN[attempts] if attempts < len(PARKED_AGAIN) else PARKED_AT_MOST_AGAIN
