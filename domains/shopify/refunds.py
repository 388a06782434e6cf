"""Refunds of a shop: money that went back, recorded once beside the order. What came back the shop's levels tell."""

from msgspec import structs

from domains.orders import shop_orders
from domains.shopify import forgetting, versions
from domains.shopify.order_mapping import map_refund
from domains.shopify.order_payloads import RefundPayload
from domains.shopify.outcomes import Became, Outcome, Result, failed, name_order, parked, stale
from domains.shopify.tables import InboundReason, Kind
from domains.shopify.webhooks import BadPayload, Told


async def take_refund(payload: RefundPayload, told: Told) -> Outcome:
    """Waits for its order. Of somebody who is forgotten it is recorded without what was noted."""
    await forgetting.respect_redactions()
    is_forgotten = await forgetting.is_forgotten(payload.order_id)
    outcome = await _take(structs.replace(payload, note=None) if is_forgotten else payload, told)
    return await forgetting.blank_own(told, outcome) if is_forgotten else outcome


async def _take(payload: RefundPayload, told: Told) -> Outcome:
    if not await versions.advance(Kind.REFUND, payload.id, told.version):
        return stale()
    order = await shop_orders.find(payload.order_id)
    if order is None:
        detail = "Its order is not known yet: it waits for it."
        return parked(InboundReason.UNKNOWN_ORDER, detail, awaits=name_order(payload.order_id))
    try:
        refund = map_refund(payload, told, order.currency)
    except BadPayload as error:
        return failed(str(error))
    is_new = await shop_orders.refund(order.id, refund)
    result = Result(Became.CREATED if is_new else Became.UNCHANGED, refund.shopify_id, order=order.id)
    return Outcome(results=(result,))
