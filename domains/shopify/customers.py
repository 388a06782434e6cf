"""People whom a shop asks us to tell of, or to forget."""

from domains.orders import shop_orders
from domains.shopify import forgetting, letters
from domains.shopify.order_payloads import CustomerPayload
from domains.shopify.outcomes import Became, Outcome, Result, failed
from domains.shopify.webhooks import Told

NAMES_NOBODY = "Expected a customer or orders: it names neither."


async def take_data_request(payload: CustomerPayload, told: Told) -> Outcome:
    """What we hold of a customer are their orders: a letter lists those, and somebody answers. Of somebody who was
    forgotten since there is nothing to tell."""
    await forgetting.respect_redactions()
    order_ids = await _find_orders(payload, payload.orders_requested)
    if order_ids is None:
        return failed(NAMES_NOBODY)
    if await forgetting.is_forgotten(None, payload.customer_id, told.version.triggered_at):
        return await forgetting.blank_own(told, Outcome())
    orders = await shop_orders.find_numbers(order_ids)
    written = await letters.write_data_request(orders, told)
    results = tuple(Result(Became.UNCHANGED, order.shopify_id, order=order.id) for order in orders)
    return Outcome(results=results, letters=written, detail="" if written else letters.NOBODY_TO_MAIL)


async def take_redaction(payload: CustomerPayload, told: Told) -> Outcome:
    """Orders keep number, lines and amounts. Webhooks about them lose their bodies, this one too."""
    await forgetting.begin_redaction()
    order_ids = await _find_orders(payload, payload.orders_to_redact)
    if order_ids is None:
        return failed(NAMES_NOBODY)
    await forgetting.remember_forgotten(payload.customer_id, order_ids, told.version)
    await shop_orders.forget_people(order_ids)
    blanked = await forgetting.blank_bodies_of(payload.customer_id, order_ids, told)
    orders = await shop_orders.find_numbers(order_ids)
    results = tuple(Result(Became.UPDATED, order.shopify_id, order=order.id) for order in orders)
    detail = f"Orders without their person now: {len(orders)}; webhooks without their body: {blanked}."
    return await forgetting.blank_own(told, Outcome(results=results, detail=detail))


async def _find_orders(payload: CustomerPayload, named: list[int] | None) -> set[int] | None:
    """The shop's ids of those that it names, and of those known here that are the customer's; None when it names
    nobody."""
    if payload.customer_id is None:
        return set(named) if named else None
    here = await shop_orders.find_orders_of(payload.customer_id)
    return {*(named or ()), *here, *await forgetting.find_told_orders(payload.customer_id)}
