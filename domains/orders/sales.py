"""Sales: an order takes its stock when it is placed, and gives it back once when it is cancelled.

Lock order: the order's own row, then products by id, then their levels.
"""

from collections.abc import Sequence
from decimal import Decimal

import asyncpg
import msgspec

from domains.accounts.rules import email_problems, refuse
from domains.accounts.schemas import Caller
from domains.accounts.scopes import Scope
from domains.catalog import stock
from domains.catalog.stock import Move
from domains.catalog.tables import Reason
from domains.events import services as events
from domains.inventory.locations import hold_active
from domains.orders.baskets import Basket, Priced, price, read_basket
from domains.orders.schemas import SaleLineOut, SalesOrderIn, SalesOrderOut
from domains.orders.tables import SaleStatus
from lib import clock
from lib.actor import Source, acting, current
from lib.errors import Conflict, NotAllowed, NotFound, field_error
from piccolo_conf import execute, fetch, fetch_row, fetch_value, transaction

# The number is known before anything is written: the ledger and the events name the order.
NEXT_ID = "SELECT nextval('sales_order_id_seq')"

# The products are locked: lines are copied from them. Without a row in the answer there is no such customer. The event
# is in the same statement, because whoever wants the same products waits meanwhile.
PLACE = """
    WITH placed AS (
        INSERT INTO sales_order (id, number, status, customer, customer_name, email, phone, shipping_address, currency,
                                 total, source, placed_at)
        SELECT $1, $2, 'placed', u.id,
               coalesce(nullif($4, ''), left(coalesce(
                   nullif(btrim(concat_ws(' ', u.first_name, u.last_name)), ''), u.username), 255), ''),
               coalesce(nullif($5, ''), u.email, ''), $6, $7, $8, $9, $10, $11
        FROM (SELECT) AS one LEFT JOIN users u ON u.id = $3 AND u.active
        WHERE $3::int IS NULL OR u.id IS NOT NULL
        RETURNING id, customer_name, email
    ), line AS (
        INSERT INTO sales_order_line (sales_order, product, sku, name, unit_price, quantity)
        SELECT placed.id, p.id, p.sku, p.name, p.price, l.quantity
        FROM placed, unnest($12::int[], $13::int[]) WITH ORDINALITY AS l (product, quantity, place)
        JOIN product p ON p.id = l.product
        ORDER BY l.place
    )
    SELECT customer_name, email, record_event('order.placed', 'order:' || id, NULL, $14) FROM placed
"""

# Relies on sales_refund_order.
REFUNDED = "(SELECT coalesce(sum(r.amount), 0.00) FROM sales_refund r WHERE r.sales_order = o.id)"
COLUMNS = f"""o.id, o.number, o.status, o.customer, o.customer_name, o.email, o.phone, o.shipping_address, o.currency,
    o.total, o.source, o.placed_at, o.cancelled_at, o.shopify_order_id, o.shopify_order_name, {REFUNDED} AS refunded"""
FIND = f"SELECT {COLUMNS} FROM sales_order o WHERE o.id = $1 AND ($2::int IS NULL OR o.customer = $2)"

# Relies on sales_order_line_order.
LINES = """
    SELECT sales_order, product, sku, name, unit_price, quantity FROM sales_order_line
    WHERE sales_order = ANY($1::int[]) ORDER BY id
"""

CANCEL = """
    UPDATE sales_order SET status = 'cancelled', cancelled_at = $2 WHERE id = $1 AND status = 'placed'
    RETURNING shopify_order_id
"""

# Relies on delivery_open_key.
CANCEL_DELIVERY = """
    UPDATE delivery SET status = 'cancelled', cancelled_at = $2 WHERE sales_order = $1 AND status = 'pending'
"""

# What the order took and where, as the ledger says. Relies on stock_movement_reference.
TAKEN = """
    SELECT product_id, location, -sum(delta)::int AS quantity FROM stock_movement
    WHERE reference = $1 AND reference <> '' AND reason = 'sale' GROUP BY 1, 2 HAVING sum(delta) < 0
"""


class SalesOrderNotFound(NotFound):
    """There is no such sales order."""


class NotForOthers(NotAllowed):
    """To order for somebody else needs the scope orders:write."""


class NotCancellable(Conflict):
    """Only an order that is placed, and not shipped yet, can be cancelled."""


async def place_order(data: SalesOrderIn, by: Caller) -> SalesOrderOut:
    """Take the stock and write the order, in as many statements for 500 lines as for one.

    Raises BadInput that names lines, NotForOthers, and OutOfStock that tells what is available.
    """
    customer = _find_customer(data, by)
    if data.email:
        refuse("The e-mail address is not valid.", email_problems(data.email))
    basket = await read_basket(data)
    order_id, came_from = await fetch_value(NEXT_ID), current().source
    with acting(source=Source.ORDER, reference=name_cause(order_id)):
        async with transaction():
            products = await stock.lock_products(basket.quantities)
            priced = price(basket, products, internal=Scope.PRODUCTS_INTERNAL in by.scopes)
            moves = [Move(product_id, -quantity) for product_id, quantity in basket.quantities.items()]
            await stock.move_locked(moves, reason=Reason.SALE)
            order = _draft(order_id, data, customer, priced, came_from)
            await _write(order, priced.total, basket)
    return order


async def get_order(order_id: int, by: Caller | None) -> SalesOrderOut:
    """One's own, or anybody's with the scope orders:read; None sees all. Raises SalesOrderNotFound."""
    found = await fetch(FIND, order_id, _owner_for(by))
    if not found:
        raise SalesOrderNotFound
    return (await shape(found))[0]


async def cancel_order(order_id: int, note: str = "") -> SalesOrderOut:
    """Exactly once: its stock goes back to where it was taken. Raises NotCancellable or SalesOrderNotFound.

    What was taken of a product that is deleted now comes back nowhere. What Shopify sold was never taken here.
    """
    now = clock.now()
    with acting(source=Source.ORDER, reference=name_cause(order_id)):
        async with transaction():
            claimed = await fetch_row(CANCEL, order_id, now)
            if claimed is None:
                order = await get_order(order_id, None)
                raise NotCancellable(f"This order is {order.status}; only one that is placed can be cancelled.")
            if claimed["shopify_order_id"] is None:
                await _give_back(order_id, note)
            await execute(CANCEL_DELIVERY, order_id, now)
            order = await get_order(order_id, None)
            await events.record("order.cancelled", subject=name_cause(order_id), data=tell(order) | {"note": note})
    return order


async def shape(found: Sequence[asyncpg.Record]) -> list[SalesOrderOut]:
    """Orders of `COLUMNS` with their lines, which take one statement for all of them."""
    lines: dict[int, list[SaleLineOut]] = {row["id"]: [] for row in found}
    for row in await fetch(LINES, list(lines)):
        cost = str(row["unit_price"] * row["quantity"])
        line = SaleLineOut(row["product"], row["sku"], row["name"], str(row["unit_price"]), row["quantity"], cost)
        lines[row["sales_order"]].append(line)
    return [
        SalesOrderOut(
            **{**row, "status": SaleStatus(row["status"])}
            | {"total": str(row["total"]), "refunded": str(row["refunded"])},
            lines=lines[row["id"]],
        )
        for row in found
    ]


def name_cause(order_id: int) -> str:
    """What the ledger and the events call an order."""
    return f"order:{order_id}"


def tell(order: SalesOrderOut) -> dict[str, object]:
    """What events say of an order: no names and addresses, which nobody could take back from the log."""
    lines = [
        {"product": line.product, "sku": line.sku, "quantity": line.quantity, "unit_price": line.unit_price}
        for line in order.lines
    ]
    return {
        "id": order.id,
        "number": order.number,
        "status": order.status,
        "customer": order.customer,
        "currency": order.currency,
        "total": order.total,
        "shopify_order_id": order.shopify_order_id,
        "shopify_order_name": order.shopify_order_name,
        "lines": lines,
    }


def _owner_for(by: Caller | None) -> int | None:
    """Whose orders the caller is confined to; None is not confined."""
    return None if by is None or Scope.ORDERS_READ in by.scopes else by.known_id


def _find_customer(data: SalesOrderIn, by: Caller) -> int | None:
    """Who may not order for others orders for themselves."""
    if Scope.ORDERS_WRITE in by.scopes:
        return data.customer
    if data.customer not in {None, by.known_id}:
        raise NotForOthers
    return by.known_id


def _draft(order_id: int, data: SalesOrderIn, customer: int | None, priced: Priced, came_from: Source) -> SalesOrderOut:
    return SalesOrderOut(
        id=order_id,
        number=f"SO-{order_id:06}",
        status=SaleStatus.PLACED,
        customer=customer,
        customer_name=data.customer_name.strip(),
        email=data.email,
        phone=data.phone.strip(),
        shipping_address=data.shipping_address.strip(),
        currency=priced.currency,
        total=str(priced.total),
        source=came_from,
        placed_at=clock.now(),
        cancelled_at=None,
        shopify_order_id=None,
        shopify_order_name="",
        refunded="0.00",
        lines=priced.lines,
    )


async def _write(order: SalesOrderOut, total: Decimal, basket: Basket) -> None:
    """Completes name and address of mail from the customer's account."""
    written = await fetch_row(
        PLACE,
        order.id,
        order.number,
        order.customer,
        order.customer_name,
        order.email,
        order.phone,
        order.shipping_address,
        order.currency,
        total,
        order.source,
        order.placed_at,
        list(basket.quantities),
        list(basket.quantities.values()),
        msgspec.json.encode(tell(order)).decode(),
    )
    if written is None:
        raise field_error("customer", "there is no such user")
    order.customer_name, order.email = written[:2]


async def _give_back(order_id: int, note: str) -> None:
    """What was taken at a location that is closed by now comes back to the default one."""
    taken = await fetch(TAKEN, name_cause(order_id))
    known = await stock.lock_products({row["product_id"] for row in taken})
    active = await hold_active({row["location"] for row in taken})
    moves = [
        Move(row["product_id"], row["quantity"], row["location"] if row["location"] in active else None)
        for row in taken
        if row["product_id"] in known
    ]
    if moves:
        await stock.move_locked(moves, reason=Reason.CANCELLATION, note=note)
