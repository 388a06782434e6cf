"""Orders and refunds of a shop in what our columns hold. Pure: nothing is asked of the database."""

import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from domains.orders.shop_orders import Person, RefundedLine, ShopLine, ShopOrder, ShopRefund
from domains.shopify.order_payloads import (
    AddressPayload,
    BuyerPayload,
    LinePayload,
    OrderPayload,
    RefundedLinePayload,
    RefundPayload,
)
from domains.shopify.webhooks import BadPayload, Told
from lib import clock
from lib.money import CENT, LARGEST
from settings import settings

LONGEST_ORDER_NAME, LONGEST_NAME, LONGEST_EMAIL, LONGEST_PHONE = 100, 255, 255, 50
LONGEST_ADDRESS, LONGEST_SKU, LONGEST_LINE, LONGEST_NOTE = 2_000, 255, 500, 5_000
# Of Shopify's own: customer, fraud, inventory, declined, staff, other. Events are no place for anybody's prose.
CANCEL_REASON = re.compile("[a-z_]{1,30}")
NOT_RESTOCKED = {None, "no_restock"}
PAID = {"success", "pending"}
NO_ADDRESS, NO_BUYER = AddressPayload(), BuyerPayload()


def map_order(payload: OrderPayload, told: Told) -> ShopOrder:
    """Without a total it is what its lines cost. Raises BadPayload that names the amount."""
    lines = tuple(map(_map_line, _find_sold(payload)))
    total = sum((line.unit_price * line.quantity for line in lines), Decimal(0))
    placed_at = read_moment(payload.processed_at) or read_moment(payload.created_at) or told.version.updated_at
    return ShopOrder(
        shopify_id=payload.id,
        name=_cut(payload.name, LONGEST_ORDER_NAME),
        shop=told.shop,
        person=map_person(payload),
        currency=payload.currency or settings.default_currency,
        total=read_amount(total if payload.total_price is None else payload.total_price, "total_price"),
        placed_at=placed_at,
        updated_at=told.version.updated_at,
        lines=lines,
    )


def map_person(payload: OrderPayload) -> Person:
    """Who bought, or else to whom it goes, or who pays."""
    buyer = payload.customer or NO_BUYER
    sent_to, billed_to = payload.shipping_address or NO_ADDRESS, payload.billing_address or NO_ADDRESS
    called = " ".join(filter(None, (buyer.first_name, buyer.last_name)))
    return Person(
        shopify_id=buyer.id,
        name=_first_of(LONGEST_NAME, called, sent_to.name, billed_to.name),
        email=_first_of(LONGEST_EMAIL, payload.email, payload.contact_email, buyer.email),
        phone=_first_of(LONGEST_PHONE, payload.phone, buyer.phone, sent_to.phone, billed_to.phone),
        address=_cut(_write_address(sent_to), LONGEST_ADDRESS),
    )


def count_unsold(payload: OrderPayload) -> int:
    """Lines of nothing, which no order of ours has."""
    return len(payload.line_items or ()) - len(_find_sold(payload))


def find_cancellation(payload: OrderPayload, told: Told, *, is_cancelled: bool) -> tuple[datetime, str] | None:
    """When and why, for one that is cancelled; `is_cancelled` when that is why we are told."""
    reason = payload.cancel_reason or ""
    if payload.cancelled_at is None and not reason and not is_cancelled:
        return None
    note = reason if CANCEL_REASON.fullmatch(reason) else ""
    return read_moment(payload.cancelled_at) or told.version.updated_at, note


def map_refund(payload: RefundPayload, told: Told, currency: str) -> ShopRefund:
    """`currency` is its order's. Raises BadPayload that names the amount."""
    refunded_at = read_moment(payload.processed_at) or read_moment(payload.created_at) or told.version.updated_at
    lines = tuple(map(_map_refunded, payload.refund_line_items or ()))
    return ShopRefund(payload.id, _add_up(payload, currency), _cut(payload.note, LONGEST_NOTE), lines, refunded_at)


def read_amount(amount: Decimal | None, name: str) -> Decimal:
    """In cents; some currencies have a third decimal. Raises BadPayload."""
    if amount is None:
        return Decimal("0.00")
    if not amount.is_finite() or not 0 <= amount <= LARGEST:
        raise BadPayload(f"Expected an amount from 0 to {LARGEST} - at `$.{name}`")
    return amount.quantize(CENT, ROUND_HALF_UP)


def read_moment(moment: datetime | None) -> datetime | None:
    """None also for one that is before all time in UTC."""
    return None if moment is None else clock.to_utc(moment)


def _find_sold(payload: OrderPayload) -> list[LinePayload]:
    return [line for line in payload.line_items or () if (line.quantity or 0) > 0]


def _map_line(line: LinePayload) -> ShopLine:
    return ShopLine(
        variant_id=line.variant_id,
        sku=_cut(line.sku, LONGEST_SKU),
        name=_first_of(LONGEST_LINE, line.name, line.title, line.sku),
        unit_price=read_amount(line.price, "line_items[...].price"),
        quantity=line.quantity or 0,
    )


def _add_up(payload: RefundPayload, currency: str) -> Decimal:
    """What went back to somebody, or is on its way: a refund is told once, and banks take days. Without word of any
    transaction, or where it was paid in another currency than the order's, it is what was given back by the shop's own
    reckoning."""
    paid = [one for one in payload.transactions or () if one.kind == "refund" and one.status in PAID]
    amounts = [read_amount(one.amount, "transactions[...].amount") for one in paid]
    if payload.transactions is None or any(one.currency not in {None, currency} for one in paid):
        amounts = _reckon(payload)
    return read_amount(max(sum(amounts, Decimal(0)), Decimal(0)), "amount")


def _reckon(payload: RefundPayload) -> list[Decimal]:
    """What the lines cost with their taxes, and what was given back beside them."""
    costs = [amount for line in payload.refund_line_items or () for amount in (line.subtotal, line.total_tax)]
    more = [amount for one in payload.order_adjustments or () for amount in (one.amount, one.tax_amount)]
    return [read_amount(amount, "refund_line_items[...]") for amount in costs] + [_read_back(amount) for amount in more]


def _read_back(amount: Decimal | None) -> Decimal:
    """Of an adjustment, which is below zero for what went back."""
    told = Decimal(0) if amount is None else amount
    return read_amount(told.copy_abs(), "order_adjustments[...]").copy_sign(told.copy_negate())


def _map_refunded(line: RefundedLinePayload) -> RefundedLine:
    item = line.line_item or LinePayload()
    return RefundedLine(
        sku=_cut(item.sku, LONGEST_SKU),
        name=_first_of(LONGEST_LINE, item.name, item.title),
        quantity=max(0, line.quantity or 0),
        restocked=line.restock_type not in NOT_RESTOCKED,
    )


def _write_address(address: AddressPayload) -> str:
    place = " ".join(filter(None, (address.zip, address.city)))
    parts = (address.name, address.company, address.address1, address.address2, place)
    return "\n".join(part.strip() for part in (*parts, address.province, address.country) if part and part.strip())


def _first_of(most: int, *texts: str | None) -> str:
    return next((cut for text in texts if (cut := _cut(text, most))), "")


def _cut(text: str | None, most: int) -> str:
    return (text or "").strip()[:most].rstrip()
