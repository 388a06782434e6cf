"""What came of a purchase order: booked as it comes, and taken back at most once, by movements of its own."""

from collections.abc import Mapping

import msgspec

from domains.accounts.schemas import Caller
from domains.catalog import stock
from domains.catalog.stock import Move
from domains.catalog.tables import Reason
from domains.events import services as events
from domains.inventory.locations import find_locations
from domains.orders.arrivals import choose, read_arrivals
from domains.orders.purchase_rows import Purchase, add_received, lock_purchase, read_purchase, settle
from domains.orders.purchase_schemas import PurchaseOrderOut, ReceiptIn
from lib import clock
from lib.actor import Source, acting
from lib.errors import Conflict, NotFound
from piccolo_conf import execute, fetch, fetch_value, transaction

# Known before anything is written: the ledger names the receipt.
NEXT_ID = "SELECT nextval('receipt_id_seq')"

INSERT = """
    WITH came AS (
        INSERT INTO receipt (id, purchase_order, location, note, received_by, received_at)
        VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
    )
    INSERT INTO receipt_line (receipt, order_line, quantity)
    SELECT came.id, t.line, t.quantity FROM came, unnest($7::int[], $8::int[]) AS t (line, quantity) ORDER BY t.line
"""

# Only the first of two that reverse a receipt finds it.
CLAIM = """
    UPDATE receipt SET reversed_at = $3, reversed_by = $4
    WHERE id = $1 AND purchase_order = $2 AND reversed_at IS NULL RETURNING location
"""

EXISTS = "SELECT EXISTS (SELECT FROM receipt WHERE id = $1 AND purchase_order = $2)"

# Relies on receipt_line_key.
LINES = "SELECT order_line, quantity FROM receipt_line WHERE receipt = $1 ORDER BY order_line"


class ReceiptNotFound(NotFound):
    """This purchase order has no such receipt."""


class AlreadyReversed(Conflict):
    """This receipt was reversed already."""


class Booking(msgspec.Struct, frozen=True):
    """What a receipt does to lines, by their ids: positive for what came, negative for what goes back."""

    purchase: Purchase
    receipt_id: int
    location_id: int
    quantities: Mapping[int, int]


async def receive(purchase_id: int, data: ReceiptIn, by: Caller) -> PurchaseOrderOut:
    """Book what came: the lines given, or all that is outstanding of products that are still there.

    Raises PurchaseNotFound, NothingOutstanding, ProductGone, and BadInput that names what is wrong with which line.
    """
    receipt_id = await fetch_value(NEXT_ID)
    with acting(source=Source.ORDER, reference=f"receipt:{receipt_id}"):
        async with transaction():
            (place,) = await find_locations([data.location], "location")
            arrivals = await read_arrivals(data.lines)
            purchase = await lock_purchase(purchase_id)
            came = choose(purchase, arrivals)
            given = receipt_id, purchase_id, place.id, data.note, by.known_id, clock.now()
            await execute(INSERT, *given, list(came), list(came.values()))
            booking = Booking(purchase, receipt_id, place.id, came)
            await _book(booking, reason=Reason.PURCHASE, note=data.note)
            await _tell("purchase.received", f"purchase:{purchase_id}", booking)
            return await read_purchase(purchase_id)


async def reverse_receipt(purchase_id: int, receipt_id: int, by: Caller, note: str = "") -> PurchaseOrderOut:
    """Take back what came, where it came in; what was taken back is outstanding again.

    Raises PurchaseNotFound, ReceiptNotFound, AlreadyReversed, and OutOfStock when it does not lie there any more. Of a
    product that was deleted there is nothing to take back.
    """
    with acting(source=Source.ORDER, reference=f"receipt:{receipt_id}"):
        async with transaction():
            purchase = await lock_purchase(purchase_id)
            location_id = await _claim(purchase_id, receipt_id, by)
            back = {row["order_line"]: -row["quantity"] for row in await fetch(LINES, receipt_id)}
            booking = Booking(purchase, receipt_id, location_id, back)
            await _book(booking, reason=Reason.REVERSAL, note=note)
            await _tell("receipt.reversed", f"receipt:{receipt_id}", booking)
            return await read_purchase(purchase_id)


async def _claim(purchase_id: int, receipt_id: int, by: Caller) -> int:
    """The location where it came in; the caller is who takes it back."""
    location_id = await fetch_value(CLAIM, receipt_id, purchase_id, clock.now(), by.known_id)
    if location_id is not None:
        return int(location_id)
    raise AlreadyReversed if await fetch_value(EXISTS, receipt_id, purchase_id) else ReceiptNotFound


async def _book(booking: Booking, *, reason: Reason, note: str) -> None:
    """Stock, then lines, then the status that they make."""
    products = [(booking.purchase.lines[key].product, quantity) for key, quantity in booking.quantities.items()]
    moves = [Move(product, quantity, booking.location_id) for product, quantity in products if product is not None]
    await stock.move_locked(moves, reason=reason, note=note)
    await add_received(booking.quantities)
    await settle(booking.purchase.id)


async def _tell(topic: str, subject: str, booking: Booking) -> None:
    purchase = booking.purchase
    lines = [
        {"line": key, "product": purchase.lines[key].product, "sku": purchase.lines[key].sku, "quantity": abs(quantity)}
        for key, quantity in booking.quantities.items()
    ]
    data = {"purchase": purchase.id, "number": purchase.number, "receipt": booking.receipt_id}
    await events.record(topic, subject=subject, data={**data, "location": booking.location_id, "lines": lines})
