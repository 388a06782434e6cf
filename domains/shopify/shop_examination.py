"""What the shop itself says of us: whether our token is good, what it allows, and where the shop sends webhooks.

Source: shopify.dev, "GraphQL Admin API", version 2026-04: currentAppInstallation and webhookSubscriptions.
"""

import asyncio
from collections.abc import Collection

import msgspec

from domains.shopify.admin_api import AdminApi
from domains.shopify.processing import HANDLED
from lib.errors import Unavailable
from lib.findings import Finding
from piccolo_conf import fetch
from settings import settings

LONGEST_ANSWER_SECONDS = 30
# What we are told of, and what a reconciliation reads.
NEEDED_SCOPES = ("read_products", "read_inventory", "read_locations", "read_orders")
# Subscribed to in the app's configuration alone; the API knows them not.
COMPLIANCE = {"customers/data_request", "customers/redact", "shop/redact"}
NAME = "Admin API"

QUERY = """
query Doctor {
  shop { myshopifyDomain currencyCode }
  currentAppInstallation { accessScopes { handle } }
  webhookSubscriptions(first: 250) { nodes { topic uri } }
}
"""
# Relies on inbound_webhook_topic.
HAVE_COME = """
    SELECT topic FROM unnest($1::text[]) AS topic
    WHERE EXISTS (SELECT FROM inbound_webhook w WHERE w.topic = topic.topic)
"""


class Shop(msgspec.Struct, frozen=True, rename="camel"):
    myshopify_domain: str
    currency_code: str


class Handle(msgspec.Struct, frozen=True):
    handle: str


class Installation(msgspec.Struct, frozen=True, rename="camel"):
    access_scopes: list[Handle]


class Subscription(msgspec.Struct, frozen=True):
    topic: str
    uri: str


class Subscriptions(msgspec.Struct, frozen=True):
    nodes: list[Subscription]


class Told(msgspec.Struct, frozen=True, rename="camel"):
    """What the shop answers."""

    shop: Shop
    current_app_installation: Installation
    webhook_subscriptions: Subscriptions


async def examine(address: str) -> list[Finding]:
    """`address` is where the shop's webhooks should go."""
    try:
        told = await _ask()
    except Unavailable as error:
        return [Finding(NAME, ok=False, detail=str(error))]
    except TimeoutError:
        return [Finding(NAME, ok=False, detail=f"no answer within {LONGEST_ANSWER_SECONDS} s")]
    except msgspec.ValidationError as error:
        return [Finding(NAME, ok=False, detail=f"the answer has another shape: {str(error)[:200]}")]
    scopes = {scope.handle for scope in told.current_app_installation.access_scopes}
    come = {row["topic"] for row in await fetch(HAVE_COME, sorted(HANDLED))}
    return [
        _domain(told.shop.myshopify_domain),
        _currency(told.shop.currency_code),
        judge_scopes(scopes),
        judge_subscriptions(told.webhook_subscriptions.nodes, address, come),
    ]


async def _ask() -> Told:
    """Raises Unavailable, TimeoutError, and msgspec's ValidationError for what is no such answer."""
    async with asyncio.timeout(LONGEST_ANSWER_SECONDS):
        return msgspec.convert(await AdminApi().ask(QUERY), Told)


def _domain(domain: str) -> Finding:
    if settings.shopify_shop and domain != settings.shopify_shop:
        return Finding(NAME, ok=False, detail=f"the token is for {domain}, and SHOPIFY_SHOP is {settings.shopify_shop}")
    return Finding(NAME, ok=True, detail=f"{domain} answers")


def _currency(code: str) -> Finding:
    """Webhooks tell prices without one."""
    if code != settings.default_currency:
        detail = f"the shop's prices are in {code}, and DEFAULT_CURRENCY is {settings.default_currency}"
        return Finding("Currency", ok=False, detail=detail)
    return Finding("Currency", ok=True, detail=code)


def judge_scopes(granted: Collection[str]) -> Finding:
    """To write means to read."""
    missing = [scope for scope in NEEDED_SCOPES if not {scope, scope.replace("read_", "write_")} & set(granted)]
    detail = f"missing: {', '.join(missing)}" if missing else f"{', '.join(NEEDED_SCOPES)} are granted"
    return Finding("Scopes", not missing, detail)


def judge_subscriptions(found: Collection[Subscription], address: str, come: Collection[str]) -> Finding:
    """`come` are the topics of which a webhook has ever come: the API does not tell the subscriptions that stand in
    shopify.app.toml, so that only what comes shows them."""
    here = {one.topic for one in found if _is_ours(one.uri, address)}
    topics = sorted({*HANDLED} - COMPLIANCE)
    unknown = [topic for topic in topics if topic not in come and _enum(topic) not in here]
    others = {one.topic: one.uri for one in found}
    astray = [f"{topic} goes to {others[_enum(topic)]}" for topic in unknown if _enum(topic) in others]
    silent = [topic for topic in unknown if _enum(topic) not in others]
    told = [f"{len(topics) - len(unknown)} of {len(topics)} topics come here", *astray]
    if silent:
        told.append(f"nothing is known of {', '.join(silent)}")
    # Subscribed to through the API, a topic that it does not tell is missing. Else it may stand in the file.
    is_missing = bool(silent) and (bool(here) or len(unknown) == len(topics))
    return Finding("Subscriptions", not astray and not is_missing, "; ".join(told))


def _enum(topic: str) -> str:
    """products/create → PRODUCTS_CREATE."""
    return topic.replace("/", "_").upper()


def _is_ours(uri: str, address: str) -> bool:
    """Also that of one shop, below the address."""
    base = address.rstrip("/")
    return uri.rstrip("/") == base or uri.startswith(f"{base}/")
