"""Purchase orders: what was asked of a supplier, and what of it will not come any more.

Stock moves when something is received (`receipts.py`), never by ordering or cancelling.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from domains.accounts.schemas import Caller
from domains.catalog import stock
from domains.catalog.references import find_ids, refuse_unknown
from domains.catalog.stock import Locked
from domains.events import services as events
from domains.orders import receipts
from domains.orders.purchase_rows import Purchase, lock_purchase, read_purchase, settle
from domains.orders.purchase_schemas import PurchaseLineIn, PurchaseOrderIn, PurchaseOrderOut, ReceiptIn
from lib import clock
from lib.actor import Source, acting
from lib.errors import BadInput, Conflict, FieldError, field_error, refuse_fields
from lib.money import LARGEST
from piccolo_conf import execute, fetch, fetch_value, transaction
from settings import settings

# Known before anything is written: events name the purchase order.
NEXT_ID = "SELECT nextval('purchase_order_id_seq')"

COSTS = "SELECT id, cost_price FROM product WHERE id = ANY($1::int[]) AND cost_price IS NOT NULL"

# The products are locked: SKU and name are read as they are.
INSERT = """
    WITH ordered AS (
        INSERT INTO purchase_order
            (id, number, supplier_name, purchase_on, currency, total, created_by, created_at, status)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'ordered') RETURNING id
    )
    INSERT INTO purchase_order_line (purchase_order, product, sku, name, unit_cost, quantity)
    SELECT ordered.id, p.id, p.sku, p.name, l.unit_cost, l.quantity
    FROM ordered,
        unnest($9::int[], $10::numeric[], $11::int[]) WITH ORDINALITY AS l (product, unit_cost, quantity, place)
    JOIN product p ON p.id = l.product ORDER BY l.place
"""

CANCEL_LINES = """
    UPDATE purchase_order_line SET cancelled_quantity = quantity - received_quantity
    WHERE purchase_order = $1 AND received_quantity + cancelled_quantity < quantity
"""

CANCEL = "UPDATE purchase_order SET cancelled_at = $2 WHERE id = $1"


class NothingToCancel(Conflict):
    """Nothing of this purchase order is outstanding: all of it was received or cancelled."""


class Wanted(msgspec.Struct, frozen=True):
    """Lines with the product of each. `field` makes the name of a line's field: "lines[{}].quantity"."""

    lines: Sequence[PurchaseLineIn]
    product_ids: Sequence[int]
    prefix: str

    def field(self, place: int, name: str) -> str:
        return self.prefix.format(place) + name


class Bought(msgspec.Struct, frozen=True):
    """What an event tells of a line."""

    product: int
    sku: str
    quantity: int
    unit_cost: Decimal


async def create_purchase(data: PurchaseOrderIn, by: Caller) -> PurchaseOrderOut:
    """In as many statements for 500 lines as for one; with `receive` it has come already.

    Raises BadInput that names lines whose product is not there, or whose cost cannot be told.
    """
    if data.location is not None and not data.receive:
        raise field_error("location", "says where it was received, but receive is false")
    purchase_id = await fetch_value(NEXT_ID)
    async with transaction():
        with acting(source=Source.ORDER, reference=f"purchase:{purchase_id}"):
            await _order(purchase_id, data, by)
        if data.receive:
            return await receipts.receive(purchase_id, ReceiptIn(location=data.location), by)
        return await read_purchase(purchase_id)


async def get_purchase(purchase_id: int) -> PurchaseOrderOut:
    """Raises PurchaseNotFound."""
    return await read_purchase(purchase_id)


async def cancel_purchase(purchase_id: int, note: str = "") -> PurchaseOrderOut:
    """What was not received will not come any more. Raises NothingToCancel when there is no such thing."""
    with acting(source=Source.ORDER, reference=f"purchase:{purchase_id}"):
        async with transaction():
            purchase = await lock_purchase(purchase_id)
            if await execute(CANCEL_LINES, purchase_id) == "UPDATE 0":
                raise NothingToCancel
            await execute(CANCEL, purchase_id, clock.now())
            await settle(purchase_id)
            await _tell_cancelled(purchase, note)
            return await read_purchase(purchase_id)


async def _order(purchase_id: int, data: PurchaseOrderIn, by: Caller) -> None:
    supplier = data.supplier_name.strip()
    if not supplier:
        raise field_error("supplier_name", "must not be blank")
    wanted = await _read_lines(data)
    products = await _lock(wanted)
    currency = data.currency or _shared_currency(products)
    bought = await _price(wanted, products, currency)
    total = sum((line.unit_cost * line.quantity for line in bought), Decimal(0))
    if total > LARGEST:
        raise field_error(wanted.field(0, "unit_cost"), f"the total is {total}, more than {LARGEST}")
    number, day = f"PO-{purchase_id:06}", data.purchase_on or clock.now().date()
    columns = [line.product for line in bought], [line.unit_cost for line in bought], [line.quantity for line in bought]
    await execute(INSERT, purchase_id, number, supplier, day, currency, total, by.known_id, clock.now(), *columns)
    told = {"number": number, "supplier_name": supplier, "currency": currency, "total": total, "lines": bought}
    await events.record("purchase.ordered", subject=f"purchase:{purchase_id}", data={"purchase": purchase_id, **told})


async def _read_lines(data: PurchaseOrderIn) -> Wanted:
    """Raises BadInput for no lines, for both ways at once, and for SKUs that no product has."""
    if data.lines is not None:
        if (data.product, data.quantity, data.unit_cost) != (None, None, None):
            raise field_error("lines", "give either lines, or product, quantity and unit_cost")
        refs = [line.product for line in data.lines]
        return Wanted(data.lines, await find_ids(refs, "lines[{}].product"), "lines[{}].")
    if data.product is None or data.quantity is None:
        missing = [name for name in ("product", "quantity") if getattr(data, name) is None]
        errors = [FieldError(name, "is required") for name in missing]
        raise BadInput("Give lines, or product and quantity.", errors=errors)
    line = PurchaseLineIn(product=data.product, quantity=data.quantity, unit_cost=data.unit_cost)
    return Wanted([line], await find_ids([data.product], "product"), "")


async def _lock(wanted: Wanted) -> Mapping[int, Locked]:
    """Also when nothing is received yet: lines refer to products, which others may be deleting."""
    products = await stock.lock_products(set(wanted.product_ids))
    gone = [place for place, product_id in enumerate(wanted.product_ids) if product_id not in products]
    refuse_unknown(gone, f"{wanted.prefix}product")
    return products


def _shared_currency(products: Mapping[int, Locked]) -> str:
    found = {product.currency for product in products.values()}
    return found.pop() if len(found) == 1 else settings.default_currency


async def _price(wanted: Wanted, products: Mapping[int, Locked], currency: str) -> list[Bought]:
    """What is left out costs what the product says; a cost in another currency says nothing here."""
    rows = await fetch(COSTS, list(products))
    costs: dict[int, Decimal] = {row["id"]: row["cost_price"] for row in rows}
    errors: list[FieldError] = []
    bought: list[Bought] = []
    for place, (line, product_id) in enumerate(zip(wanted.lines, wanted.product_ids, strict=True)):
        product, cost = products[product_id], line.unit_cost
        if cost is None and product_id in costs and product.currency != currency:
            sentence = f"is needed: the product's cost price is in {product.currency}, not in {currency}"
            errors.append(FieldError(wanted.field(place, "unit_cost"), sentence))
        unit_cost = Decimal(cost) if cost is not None else costs.get(product_id, Decimal(0))
        bought.append(Bought(product_id, product.sku, line.quantity, unit_cost))
    refuse_fields(errors)
    return bought


async def _tell_cancelled(purchase: Purchase, note: str) -> None:
    lines = [
        {"line": line.id, "product": line.product, "sku": line.sku, "quantity": line.outstanding}
        for line in purchase.lines.values()
        if line.outstanding
    ]
    data = {"purchase": purchase.id, "number": purchase.number, "note": note, "lines": lines}
    await events.record("purchase.cancelled", subject=f"purchase:{purchase.id}", data=data)
