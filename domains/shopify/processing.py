"""Which verb takes a webhook of which topic, and how it is told what came."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from domains.shopify import customers, forgetting, items, levels, orders, products, refunds, removal, shops
from domains.shopify.order_payloads import CustomerPayload, OrderPayload, RefundPayload, ShopPayload
from domains.shopify.outcomes import Outcome, failed, unhandled
from domains.shopify.payloads import GonePayload, ItemPayload, LevelPayload, ProductPayload
from domains.shopify.webhooks import BadPayload, Told, Webhook
from lib import clock

T = TypeVar("T")


class Topic(msgspec.Struct, Generic[T], frozen=True):
    """What a body is read as, and the verb that takes it in the open transaction."""

    payload: type[T]
    verb: Callable[[T, Told], Awaitable[Outcome]]


HANDLED: dict[str, Topic[Any]] = {
    "products/create": Topic(ProductPayload, products.take_product),
    "products/update": Topic(ProductPayload, products.take_product),
    "products/delete": Topic(GonePayload, removal.take_product_removal),
    "inventory_items/create": Topic(ItemPayload, items.take_new_item),
    "inventory_items/update": Topic(ItemPayload, items.take_item),
    "inventory_levels/update": Topic(LevelPayload, levels.take_level),
    "inventory_levels/connect": Topic(LevelPayload, levels.take_level),
    "inventory_levels/disconnect": Topic(LevelPayload, levels.take_level_removal),
    "orders/create": Topic(OrderPayload, orders.take_order),
    "orders/cancelled": Topic(OrderPayload, orders.take_cancellation),
    "refunds/create": Topic(RefundPayload, refunds.take_refund),
    "customers/data_request": Topic(CustomerPayload, customers.take_data_request),
    "customers/redact": Topic(CustomerPayload, customers.take_redaction),
    "shop/redact": Topic(ShopPayload, shops.take_redaction),
    "app/uninstalled": Topic(ShopPayload, shops.take_uninstallation),
}


async def process(webhook: Webhook) -> Outcome:
    """Have its effect, in the open transaction; running twice changes nothing."""
    topic = HANDLED.get(webhook.topic)
    if topic is None:
        return await _empty_of_forgotten(webhook, unhandled())
    try:
        payload = webhook.read(topic.payload)
    except BadPayload as error:
        return await _empty_of_forgotten(webhook, failed(str(error)))
    return await topic.verb(payload, webhook.tell(_updated_at(payload)))


async def _empty_of_forgotten(webhook: Webhook, outcome: Outcome) -> Outcome:
    """What has no effect here may be of somebody who is forgotten all the same."""
    if webhook.customer_id is None and webhook.order_id is None:
        return outcome
    told = webhook.tell(None)
    await forgetting.respect_redactions()
    is_forgotten = await forgetting.is_forgotten(webhook.order_id, webhook.customer_id, told.version.triggered_at)
    return await forgetting.blank_own(told, outcome) if is_forgotten else outcome


def _updated_at(payload: object) -> datetime | None:
    time = getattr(payload, "updated_at", None)
    return clock.to_utc(time) if isinstance(time, datetime) else None
