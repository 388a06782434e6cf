"""A request to the inbox: proved, read and named, before anything is stored. Headers come with and without `X-`."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from domains.shopify.signing import is_genuine
from lib import filters, log
from lib.errors import AppError, BadInput, NotSignedIn, field_error
from lib.integers import LARGEST_BIGINT
from settings import settings

logger = log.get("shopify")

TOPIC = re.compile(r"[a-z0-9_./-]{1,100}")
SHOP = re.compile(r"[A-Za-z0-9.:-]{0,255}")
WHOLE = re.compile("[0-9]{1,19}")
LONGEST_KEY = 100
LONGEST_API_VERSION = 20
OWN_DOMAIN = ".myshopify.com"
# Which kind of thing a topic tells of.
SUBJECTS = {
    "products": "product",
    "inventory_items": "item",
    "inventory_levels": "level",
    "orders": "order",
    "refunds": "refund",
    "fulfillments": "fulfillment",
    "locations": "location",
    "customers": "customer",
}


class ShopifyNotConfigured(AppError):
    """No secret for Shopify's webhooks is set here: nothing can be verified, and nothing is taken."""

    status = 503
    title = "Not configured"


class BadSignature(NotSignedIn):
    """The signature is missing or wrong: the body is not what Shopify signed with the secret of this app."""


class Sent(msgspec.Struct, frozen=True):
    """A verified webhook, ready to be stored. Ids are the shop's."""

    shop: str
    topic: str
    webhook_id: str
    event_id: str
    api_version: str
    triggered_at: datetime | None
    subject: str
    customer_id: int | None
    order_id: int | None
    body: str


def read_request(headers: Mapping[str, str], body: bytes, shop: str | None = None) -> Sent:
    """`headers` are looked up in any case; `shop` is the one that the path names.

    Raises ShopifyNotConfigured, BadSignature, and BadInput that names the header, or says what is wrong with the body.
    """
    if not settings.shopify_webhook_secret:
        logger.error("shopify_not_configured", missing="SHOPIFY_WEBHOOK_SECRET")
        raise ShopifyNotConfigured
    if not is_genuine(body, _header(headers, "Hmac-Sha256"), settings.shopify_webhook_secret):
        logger.warning("shopify_signature_refused", bytes=len(body))
        raise BadSignature
    topic = _header(headers, "Topic").strip().lower()
    if not TOPIC.fullmatch(topic):
        raise field_error("X-Shopify-Topic", "is missing, or no topic like products/update")
    payload = _read_payload(body)
    triggered = _header(headers, "Triggered-At")
    from_shop = _find_shop(_header(headers, "Shop-Domain").strip().lower(), shop)
    key = _header(headers, "Webhook-Id").strip() or _digest(
        from_shop.encode(), topic.encode(), triggered.encode(), body
    )
    return Sent(
        shop=from_shop,
        topic=topic,
        webhook_id=key if _is_storable(key) else _digest(key.encode("utf-8", "replace")),
        event_id=_plain(_header(headers, "Event-Id"), LONGEST_KEY),
        api_version=_plain(_header(headers, "API-Version"), LONGEST_API_VERSION),
        triggered_at=read_time(triggered),
        subject=name_subject(topic, payload),
        customer_id=_find_customer(topic, payload),
        order_id=_find_order(topic, payload),
        body=body.decode(),
    )


def read_time(text: str) -> datetime | None:
    """ISO 8601, also with nanoseconds; None for what is no time. Without a zone it is UTC."""
    try:
        return filters.read_time(text.strip())
    except ValueError:
        return None


def name_subject(topic: str, payload: Mapping[str, Any]) -> str:
    """What a webhook tells of: "product:12", "level:7@3" (item 7 at location 3); "" where that cannot be told."""
    kind = SUBJECTS.get(topic.partition("/")[0], "")
    if kind == "level":
        item, location = _id(payload, "inventory_item_id"), _id(payload, "location_id")
        return "" if item is None or location is None else f"level:{item}@{location}"
    found = {"order": _find_order, "customer": _find_customer}.get(kind, _own_id)(topic, payload)
    return f"{kind}:{found}" if kind and found is not None else ""


def _header(headers: Mapping[str, str], name: str) -> str:
    """As Shopify names them today, and as it will."""
    return headers.get(f"x-shopify-{name.lower()}") or headers.get(f"shopify-{name.lower()}") or ""


def _find_shop(told: str, in_path: str | None) -> str:
    """The header's, or the path's, which may leave out .myshopify.com."""
    named = (in_path or "").strip().lower()
    if named and "." not in named:
        named += OWN_DOMAIN
    if named and told and named != told:
        raise field_error("X-Shopify-Shop-Domain", f"is {told[:100]}, and the address is that of {named[:100]}")
    shop = told or named or settings.shopify_shop
    if not SHOP.fullmatch(shop):
        raise field_error("X-Shopify-Shop-Domain", "is no domain of a shop")
    return shop


def _read_payload(body: bytes) -> dict[str, Any]:
    try:
        payload = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"The body is not valid JSON: {str(error)[:200]}") from None
    if not isinstance(payload, dict):
        raise BadInput("The body is JSON, but no object.")
    return payload


def _find_customer(topic: str, payload: Mapping[str, Any]) -> int | None:
    customer = payload.get("customer")
    if isinstance(customer, dict):
        return _id(customer, "id")
    return _id(payload, "id") if topic.startswith("customers/") else _id(payload, "customer_id")


def _find_order(topic: str, payload: Mapping[str, Any]) -> int | None:
    edit, order = payload.get("order_edit"), payload.get("order")
    if isinstance(edit, dict):
        return _id(edit, "order_id")
    if isinstance(order, dict):
        return _id(order, "id")
    return _id(payload, "id") if topic.startswith("orders/") else _id(payload, "order_id")


def _own_id(_topic: str, payload: Mapping[str, Any]) -> int | None:
    return _id(payload, "id")


def _id(payload: Mapping[str, Any], name: str) -> int | None:
    """A number in quotes is read as one, as `Webhook.read` does. Booleans are whole numbers to Python."""
    value = payload.get(name)
    value = int(value) if isinstance(value, str) and WHOLE.fullmatch(value) else value
    return value if type(value) is int and 0 <= value <= LARGEST_BIGINT else None


def _digest(*parts: bytes) -> str:
    """For what came without an id: the same again is the same, wherever one part ends and the next begins."""
    return "sha256:" + hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _is_storable(key: str) -> bool:
    return len(key) <= LONGEST_KEY and key.isprintable()


def _plain(text: str, most: int) -> str:
    return "".join(filter(str.isprintable, text.strip()))[:most]
