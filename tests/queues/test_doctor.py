"""What the doctor finds of webhooks."""

import msgspec

from domains.webhooks import signing
from piccolo_conf import execute
from queues.doctor import Finding, examine

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
