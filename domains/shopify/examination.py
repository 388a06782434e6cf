"""Is everything between the shop and us as it should be: settings, address, signature, access and subscriptions.

It sends itself webhooks through PUBLIC_URL, as the shop would, and looks for them in the inbox of this database.
"""

import secrets
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec

from domains.shopify import shop_examination
from domains.shopify.intake import OWN_DOMAIN
from domains.shopify.signing import sign
from lib import clock, egress
from lib.dialling import Rules
from lib.egress import Reply
from lib.egress_errors import EgressError
from lib.findings import Finding
from piccolo_conf import fetch_row, fetch_value
from settings import settings

PATH = "/api/shopify-webhook/"
# Nobody handles it: it is stored, and ignored.
TOPIC = "stockroom/doctor"
# Shopify waits for five seconds.
LONGEST_ANSWER_MS = 5_000
SLOW_ANSWER_MS = 1_000
DEADLINE_SECONDS = 10
OLDEST_RECONCILIATION_HOURS = 48
# Whoever runs Stockroom chose this address; that it is a public one and speaks TLS is a finding of its own.
RULES = Rules(allow_http=True, allow_private=True)

# Relies on inbound_webhook_key.
HAS_COME = "SELECT EXISTS (SELECT FROM inbound_webhook WHERE webhook_id = $1 AND topic = $2)"
LAST_RECONCILIATION = """
    SELECT state, detail, extract(epoch FROM $1 - started_at)::float8 / 3600 AS hours
    FROM shopify_reconciliation WHERE state <> 'running' AND NOT dry_run ORDER BY id DESC LIMIT 1
"""


async def examine() -> list[Finding]:
    """Every finding, good and bad. Inside `lib.egress.opened()`; raises what asyncpg raises without PostgreSQL."""
    return [
        _secrets(),
        _shop(),
        _public_url(),
        *await _address(),
        *await shop_examination.examine(_find_address()),
        await _reconciliation(),
    ]


def _secrets() -> Finding:
    known = settings.shopify_webhook_secret
    if not known:
        return _wrong("Secret", "SHOPIFY_WEBHOOK_SECRET is not set: no webhook is taken")
    if any(character.isspace() for secret in known for character in secret):
        return _wrong("Secret", "SHOPIFY_WEBHOOK_SECRET has a blank inside: a comma parts two secrets")
    if len(known) > 1:
        return _good("Secret", f"{len(known)} of them; Shopify needs the old one for an hour after a rotation")
    return _good("Secret", "set")


def _shop() -> Finding:
    shop = settings.shopify_shop
    if not shop:
        return _wrong("Shop", "SHOPIFY_SHOP is not set: what webhooks miss is never noticed")
    if not shop.endswith(OWN_DOMAIN):
        return _wrong("Shop", f"SHOPIFY_SHOP is {shop}; the shop's own domain ends in {OWN_DOMAIN}")
    return _good("Shop", shop)


def _public_url() -> Finding:
    url = urlsplit(settings.public_url)
    if not url.netloc:
        return _wrong("PUBLIC_URL", "is not set: it is where Shopify finds Stockroom")
    if url.scheme != "https":
        return _wrong("PUBLIC_URL", f"is {settings.public_url}; Shopify sends webhooks by https alone")
    return _good("PUBLIC_URL", settings.public_url)


async def _address() -> list[Finding]:
    """A webhook signed with each secret, and a forged one."""
    known = settings.shopify_webhook_secret
    if not known or not settings.public_url:
        return []
    signed = [await _signed(number, secret) for number, secret in enumerate(known, 1)]
    return [*signed, await _forged()]


async def _signed(number: int, secret: str) -> Finding:
    name = f"Webhook signed with secret {number}"
    webhook_id = f"doctor-{secrets.token_hex(8)}"
    try:
        reply = await _send(webhook_id, secret)
    except EgressError as error:
        return _wrong(name, f"{settings.public_url} cannot be reached from here: {error}")
    if reply.status != HTTPStatus.OK:
        return _wrong(name, _explain(reply))
    if not await fetch_value(HAS_COME, webhook_id, TOPIC):
        return _wrong(name, f"{settings.public_url} took it, but not into this database: it is another Stockroom's")
    if reply.milliseconds > LONGEST_ANSWER_MS:
        return _wrong(name, f"was taken after {reply.milliseconds} ms; Shopify gives up after {LONGEST_ANSWER_MS}")
    slow = ": slow" if reply.milliseconds > SLOW_ANSWER_MS else ""
    return _good(name, f"was taken within {reply.milliseconds} ms{slow}")


async def _forged() -> Finding:
    name = "Webhook with a wrong signature"
    try:
        reply = await _send(f"forged-{secrets.token_hex(8)}", secrets.token_hex(16))
    except EgressError as error:
        return _wrong(name, f"{settings.public_url} cannot be reached from here: {error}")
    if reply.status != HTTPStatus.UNAUTHORIZED:
        return _wrong(name, f"was answered with {reply.status} instead of 401")
    return _good(name, "was refused")


async def _send(webhook_id: str, secret: str) -> Reply:
    body = msgspec.json.encode({"id": webhook_id})
    headers = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": TOPIC,
        "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-Hmac-Sha256": sign(body, secret),
        "X-Shopify-Shop-Domain": settings.shopify_shop,
    }
    return await egress.post(_find_address(), body, headers, rules=RULES, deadline=DEADLINE_SECONDS)


def _find_address() -> str:
    """Where the shop's webhooks should go."""
    return settings.public_url.rstrip("/") + PATH


def _explain(reply: Reply) -> str:
    """Why a right webhook was not answered with 200."""
    if reply.status == HTTPStatus.BAD_REQUEST:
        return "was answered with 400: is the name in PUBLIC_URL one of ALLOWED_HOSTS?"
    if reply.status == HTTPStatus.UNAUTHORIZED:
        return "was refused: the web process has another secret, or something on the way changes the body"
    if reply.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return "was answered with 503: the web process has no secret, or no database"
    if HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST:
        return f"was led elsewhere ({reply.status}), which Shopify counts as a failure"
    return f"was answered with {reply.status}"


async def _reconciliation() -> Finding:
    name = "Reconciliation"
    last = await fetch_row(LAST_RECONCILIATION, clock.now())
    if last is None:
        return _wrong(name, "never: litestar shopify reconcile")
    if last["state"] != "completed":
        return _wrong(name, f"the last one {last['state']}: {last['detail']}")
    told = f"the last one was {last['hours']:.0f} hours ago"
    return Finding(name, last["hours"] <= OLDEST_RECONCILIATION_HOURS, told)


def _good(name: str, detail: str) -> Finding:
    return Finding(name, ok=True, detail=detail)


def _wrong(name: str, detail: str) -> Finding:
    return Finding(name, ok=False, detail=detail)
