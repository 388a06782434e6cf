"""What a shop asks of people rather than of us, as letters to those who read our reports. No letter holds what the shop
told of anybody: it names the webhook, and the inbox shows it to those who may see it."""

from collections.abc import Sequence

from domains.inventory.readers import find_readers
from domains.mail import services as mail
from domains.mail.services import Fact, Template
from domains.orders.shop_orders import Numbered
from domains.shopify.webhooks import Told

MOST_SHOWN = 200
NOBODY_TO_MAIL = "Nobody to mail: no administrator has confirmed an address, and REPORT_RECIPIENTS is empty."


async def write_data_request(orders: Sequence[Numbered], told: Told) -> int:
    """How many letters were written, in the open transaction."""
    facts: dict[str, Fact] = {
        "rows": [{"number": order.number} for order in orders[:MOST_SHOWN]],
        "more": str(len(orders) - MOST_SHOWN) if len(orders) > MOST_SHOWN else "",
    }
    return await _write(Template.SHOPIFY_DATA_REQUEST, told, facts)


async def write_uninstallation(told: Told) -> int:
    """The same."""
    return await _write(Template.SHOPIFY_UNINSTALLED, told, {})


async def _write(template: Template, told: Told, facts: dict[str, Fact]) -> int:
    common = {"shop": told.shop or "(not named)", "webhook": str(told.webhook_id or "")}
    readers = await find_readers()
    for reader in readers:
        await mail.write(reader.email, template, {**common, **facts, "name": reader.name})
    return len(readers)
