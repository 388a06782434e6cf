"""What the doctor finds of webhooks, out and in."""

import msgspec
import pytest

from domains.webhooks import signing
from lib.findings import Finding
from piccolo_conf import execute
from queues.doctor import examine

EVENT = (
    "INSERT INTO event (topic, subject, source, occurred_at) VALUES ('a.b', 'a:1', 'sql', now() - $1::text::interval)"
)


async def webhook_finding() -> Finding:
    return next(finding for finding in await examine() if finding.name == "Webhooks")


async def make_endpoint(secrets: object) -> None:
    await execute(
        "INSERT INTO webhook_endpoint (url, event_types, secrets) VALUES ('https://example.com/', '{*}', $1)",
        msgspec.json.encode(secrets).decode(),
    )


async def test_webhooks_that_can_be_signed_and_events_of_just_now_are_well(database: None):
    await make_endpoint([signing.seal(signing.new_secret())])
    await execute(EVENT, "4 minutes")
    assert (await webhook_finding()).ok


async def test_secrets_of_another_secret_key_are_told(database: None):
    await make_endpoint([{"sealed": "gAAAAABm"}])
    await make_endpoint([])
    finding = await webhook_finding()
    assert (finding.ok, finding.detail[:45]) == (False, "2 endpoints whose secrets cannot be read, 0 e")


async def test_events_that_nobody_passes_on_are_told(database: None):
    await execute(EVENT, "6 minutes")
    finding = await webhook_finding()
    assert (finding.ok, "1 events not passed on" in finding.detail) == (False, True)


INBOUND = """
    INSERT INTO inbound_webhook (topic, webhook_id, state, reason, received_at, next_attempt_at, processed_at)
    VALUES ('products/update', 'w-1', $1::text, 'internal', now() - $2::text::interval, now() - $3::text::interval,
        CASE WHEN $1 <> 'pending' THEN now() - $3::text::interval END)
"""


@pytest.mark.parametrize(
    ("state", "received", "since", "told"),
    [
        ("processed", "1 hour", "1 hour", ""),
        ("ignored", "1 hour", "1 hour", ""),
        ("failed", "2 days", "23 hours", "1 failed within a day"),
        ("failed", "2 days", "25 hours", ""),
        ("parked", "25 hours", "-6 hours", "1 parked for longer than a day"),
        ("parked", "23 hours", "-6 hours", ""),
        ("pending", "6 minutes", "6 minutes", "1 due for five minutes"),
        ("pending", "6 minutes", "4 minutes", ""),
    ],
)
async def test_what_shopify_told_in_vain_is_told(database: None, state: str, received: str, since: str, told: str):
    await execute(INBOUND, state, received, since)
    finding = next(finding for finding in await examine() if finding.name == "Shopify")
    assert (finding.ok, told in finding.detail) == (not told, True)


async def test_a_webhook_that_failed_and_lost_its_body_is_nobodys_to_mend(database: None):
    await execute(INBOUND, "failed", "1 hour", "1 hour")
    await execute("UPDATE inbound_webhook SET reason = 'redacted'")
    assert next(finding for finding in await examine() if finding.name == "Shopify").ok
