"""Orders of a shop: recorded once, cancelled when the shop says so. What they do to stock its levels tell."""

from datetime import datetime

from msgspec import structs

from domains.orders import shop_orders
from domains.orders.shop_orders import NOBODY, ShopOrder
from domains.orders.tables import SaleStatus
from domains.shopify import forgetting, versions
from domains.shopify.order_mapping import count_unsold, find_cancellation, map_order, read_moment
from domains.shopify.order_payloads import OrderPayload
from domains.shopify.outcomes import Became, Outcome, Result, failed, ignored, name_order, stale
from domains.shopify.tables import InboundReason, Kind
from domains.shopify.webhooks import BadPayload, Told

LEFT_OUT = "Lines that sell nothing, left out: {}."


async def take_order(payload: OrderPayload, told: Told) -> Outcome:
    """orders/create. Of somebody who is forgotten it is recorded without them."""
    return await _respect(payload, told, is_cancelled=False)


async def take_cancellation(payload: OrderPayload, told: Told) -> Outcome:
    """orders/cancelled, also of one that was not heard of before."""
    return await _respect(payload, told, is_cancelled=True)


async def _respect(payload: OrderPayload, told: Told, *, is_cancelled: bool) -> Outcome:
    await forgetting.respect_redactions()
    created_at = read_moment(payload.created_at)
    is_forgotten = await forgetting.is_forgotten(payload.id, payload.customer_id, created_at)
    outcome = await _take(payload, told, is_cancelled=is_cancelled, is_forgotten=is_forgotten)
    return await forgetting.blank_own(told, outcome) if is_forgotten else outcome


async def _take(payload: OrderPayload, told: Told, *, is_cancelled: bool, is_forgotten: bool) -> Outcome:
    try:
        order = map_order(payload, told)
    except BadPayload as error:
        return failed(str(error))
    if not await versions.advance(Kind.ORDER, order.shopify_id, told.version):
        return stale()
    if is_forgotten:
        order = structs.replace(order, person=NOBODY)
    outcome = await _save(order, find_cancellation(payload, told, is_cancelled=is_cancelled))
    unsold = count_unsold(payload)
    return structs.replace(outcome, detail=f"{outcome.detail} {LEFT_OUT.format(unsold)}".strip()) if unsold else outcome


async def _save(order: ShopOrder, cancellation: tuple[datetime, str] | None) -> Outcome:
    """`cancellation` is when and why."""
    known = await shop_orders.find(order.shopify_id)
    became = Became.CREATED if known is None else Became.UNCHANGED
    known = known or await shop_orders.record(order)
    if cancellation and known.status in {SaleStatus.SHIPPED, SaleStatus.DELIVERED}:
        kept = ignored(InboundReason.NOT_CANCELLABLE, f"The order is {known.status} here: it cannot be cancelled.")
        return structs.replace(kept, results=(Result(Became.KEPT, order.shopify_id, order=known.id),))
    if cancellation and await shop_orders.cancel(known.id, cancellation[0], order.updated_at, cancellation[1]):
        became = Became.UPDATED if became is Became.UNCHANGED else became
    result = Result(became, order.shopify_id, order=known.id)
    return Outcome(results=(result,), known=(name_order(order.shopify_id),))
