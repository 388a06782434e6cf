"""Trying an endpoint out: a signed request like any other, and how it was answered."""

import secrets

import asyncpg
import msgspec

from domains.accounts import limits
from domains.accounts.limits import Limit, Window
from domains.webhooks.health import EndpointNotFound
from domains.webhooks.payloads import render
from domains.webhooks.schemas import TestOut
from domains.webhooks.sending import REASONS, Outcome, Target, send
from domains.webhooks.signing import keys_of
from domains.webhooks.topics import TEST
from lib import clock
from lib.egress_errors import EgressError
from piccolo_conf import execute, fetch_row

# Whoever may press the button chooses whom it calls: not to be a cannon, it is slow.
PACE = Limit(name="webhook_test", account=Window(6, 60))
MESSAGE = "A test from Stockroom. If you can verify its signature, everything is ready."
SENTENCES = {kind.code.value: (kind.__doc__ or "").strip() for kind in EgressError.__subclasses__()} | REASONS

FIND = "SELECT url, secrets FROM webhook_endpoint WHERE id = $1"
LOG = """
    INSERT INTO webhook_attempt (endpoint, trigger, started_at, duration_ms, status_code, error_class, response_excerpt)
    VALUES ($1, 'test', $2, $3, $4, $5, $6)
"""


async def try_out(endpoint_id: int) -> TestOut:
    """Whether it is enabled or not, within the deadline of a request (15 s).

    Raises EndpointNotFound, and TooManyAttempts beyond six tests a minute.
    """
    row = await fetch_row(FIND, endpoint_id)
    if row is None:
        raise EndpointNotFound
    await limits.count(PACE, account=str(endpoint_id))
    started_at, webhook_id = clock.now(), f"msg_test_{secrets.token_hex(12)}"
    data = msgspec.json.encode({"message": MESSAGE, "endpoint": endpoint_id}).decode()
    target = Target(endpoint_id, row["url"], keys_of(row["secrets"], started_at))
    outcome = await send(target, webhook_id, render(TEST, started_at, data, None))
    told = outcome.milliseconds, outcome.status_code, outcome.error_class, outcome.excerpt
    try:
        await execute(LOG, endpoint_id, started_at, *told)
    except asyncpg.ForeignKeyViolationError:
        raise EndpointNotFound from None
    return _tell(webhook_id, outcome)


def _tell(webhook_id: str, outcome: Outcome) -> TestOut:
    return TestOut(
        webhook_id=webhook_id,
        is_success=outcome.is_success,
        status_code=outcome.status_code,
        milliseconds=outcome.milliseconds,
        response_excerpt=outcome.excerpt,
        error=outcome.error_class,
        error_detail=explain(outcome.status_code, outcome.error_class),
    )


def explain(status_code: int | None, error_class: str | None) -> str | None:
    """What went wrong with an attempt, in words; None when nothing did."""
    if error_class is not None:
        return SENTENCES[error_class]
    if status_code is None or 200 <= status_code < 300:
        return None
    if 300 <= status_code < 400:
        return f"The server answered {status_code}: redirects are not followed, give the address that they lead to."
    if status_code == 410:
        return "The server answered 410, it wants no more: a delivery that is answered so disables the endpoint."
    return f"The server answered {status_code}; only 200 to 299 counts as received."
