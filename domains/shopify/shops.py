"""Shops that leave us."""

from domains.orders import shop_orders
from domains.shopify import forgetting, letters
from domains.shopify.order_payloads import ShopPayload
from domains.shopify.outcomes import Outcome, failed
from domains.shopify.webhooks import Told


async def take_redaction(payload: ShopPayload, told: Told) -> Outcome:
    """Everybody who bought there. The signed body says which shop: a header could be anybody's."""
    shop = (payload.shop_domain or told.shop).strip().lower()
    if not shop:
        return failed("Expected a shop: it names none.")
    await forgetting.begin_redaction()
    order_ids = await shop_orders.find_orders_at(shop)
    await forgetting.remember_forgotten(None, order_ids, told.version)
    await shop_orders.forget_people(order_ids)
    blanked = await forgetting.blank_bodies_at(shop, told)
    detail = f"Orders without their person now: {len(order_ids)}; webhooks without their body: {blanked}."
    return await forgetting.blank_own(told, Outcome(detail=detail))


async def take_uninstallation(_payload: ShopPayload, told: Told) -> Outcome:
    """From here on the shop tells us nothing: somebody has to know. What it told is kept."""
    written = await letters.write_uninstallation(told)
    return Outcome(letters=written, detail="" if written else letters.NOBODY_TO_MAIL)
