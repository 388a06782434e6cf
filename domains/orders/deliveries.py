"""Deliveries: the way of an order to its customer. The order's status follows.

Lock order: the order's row, then its delivery's.
"""

import asyncpg
from msgspec import UNSET

from domains.accounts.schemas import Caller
from domains.accounts.scopes import Scope
from domains.events import services as events
from domains.orders.delivery_schemas import DeliveryIn, DeliveryOut, DeliveryPatch
from domains.orders.delivery_steps import plan
from domains.orders.sales import SalesOrderNotFound, name_cause
from domains.orders.tables import DeliveryStatus, SaleStatus
from lib.actor import Source, acting
from lib.database_errors import naming_conflicts
from lib.errors import Conflict, NotAllowed, NotFound, field_error
from piccolo_conf import execute, fetch_row, fetch_value, transaction

# The columns that a patch writes, and their types.
WRITABLE = {
    "status": "text",
    "notes": "text",
    "tracking_number": "text",
    "carrier": "text",
    "assigned_to": "int",
    "cost": "numeric",
    "shipped_at": "timestamptz",
    "delivered_at": "timestamptz",
    "cancelled_at": "timestamptz",
}
# What whoever delivers may change.
FOR_ASSIGNEES = {"status", "notes"}
# What a delivery makes of its order, and the fact that this is.
ORDER_BECOMES = {
    DeliveryStatus.SHIPPED: (SaleStatus.SHIPPED, "order.shipped"),
    DeliveryStatus.DELIVERED: (SaleStatus.DELIVERED, "order.delivered"),
    DeliveryStatus.CANCELLED: (SaleStatus.PLACED, "delivery.cancelled"),
}

COLUMNS = """d.id, d.sales_order, o.number, o.customer_name, o.phone, o.shipping_address, d.status, d.tracking_number,
    d.carrier, d.assigned_to, d.cost, o.currency, d.notes, d.created_at, d.shipped_at, d.delivered_at, d.cancelled_at"""
SOURCE = "delivery d JOIN sales_order o ON o.id = d.sales_order"
LOCK_ORDER = "SELECT status FROM sales_order WHERE id = $1 FOR NO KEY UPDATE"
# The one that goes on, or else the last that was cancelled. Relies on delivery_order.
FIND = f"""
    SELECT {COLUMNS}, o.customer FROM {SOURCE} WHERE d.sales_order = $1
    ORDER BY d.status = 'cancelled', d.id DESC LIMIT 1
"""
CREATE = """
    INSERT INTO delivery (sales_order, tracking_number, carrier, assigned_to, cost, notes)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


class DeliveryNotFound(NotFound):
    """This order has no delivery."""


class NotDeliverable(Conflict):
    """Only an order that is placed, and has no delivery yet, can get one."""


class TrackingNumberTaken(Conflict):
    """Another delivery already has this tracking number."""


class NotYourDelivery(NotAllowed):
    """Whoever delivers changes status and notes; everything else needs the scope orders:write."""


CONFLICTS: dict[str, tuple[type[Conflict], str]] = {
    "delivery_open_key": (NotDeliverable, ""),
    "delivery_tracking_number_key": (TrackingNumberTaken, "tracking_number"),
}


async def get_delivery(order_id: int, by: Caller | None) -> DeliveryOut:
    """For the staff, the order's customer and whom it is assigned to; None sees all.

    Raises SalesOrderNotFound for everybody else, and DeliveryNotFound.
    """
    if (row := await fetch_row(FIND, order_id)) is not None:
        _refuse_strangers(by, row["customer"], row["assigned_to"])
        return shape(row)
    order = await fetch_row("SELECT customer FROM sales_order WHERE id = $1", order_id)
    if order is None:
        raise SalesOrderNotFound
    _refuse_strangers(by, order["customer"])
    raise DeliveryNotFound


async def create_delivery(order_id: int, data: DeliveryIn) -> DeliveryOut:
    """Raises SalesOrderNotFound, NotDeliverable, TrackingNumberTaken, and BadInput for an unknown user."""
    with acting(source=Source.ORDER, reference=name_cause(order_id)), naming_conflicts(CONFLICTS, "delivery"):
        async with transaction():
            if (status := await fetch_value(LOCK_ORDER, order_id)) is None:
                raise SalesOrderNotFound
            if status != SaleStatus.PLACED:
                raise NotDeliverable(f"This order is {status}; only one that is placed can get a delivery.")
            await _check_assignee(data.assigned_to)
            tracking_number = (data.tracking_number or "").strip() or None
            given = (tracking_number, data.carrier.strip(), data.assigned_to, data.cost, data.notes)
            await execute(CREATE, order_id, *given)
            return await get_delivery(order_id, None)


async def change_delivery(order_id: int, patch: DeliveryPatch, by: Caller | None) -> DeliveryOut:
    """Raises WrongStep, NotYourDelivery, TrackingNumberTaken, what `get_delivery` raises, and BadInput.

    None may do everything.
    """
    with acting(source=Source.ORDER, reference=name_cause(order_id)), naming_conflicts(CONFLICTS, "delivery"):
        async with transaction():
            await fetch_value(LOCK_ORDER, order_id)
            old = await get_delivery(order_id, None if by is None or Scope.ORDERS_WRITE in by.scopes else by)
            _refuse_others(by, old, patch)
            if isinstance(patch.assigned_to, int):
                await _check_assignee(patch.assigned_to)
            await _write(old.id, plan(old, patch))
            new = await get_delivery(order_id, None)
            if new.status is not old.status:
                await _take_along(new)
    return new


def shape(row: asyncpg.Record) -> DeliveryOut:
    """Of `COLUMNS`."""
    fields = {name: row[name] for name in DeliveryOut.__struct_fields__}
    cost = None if row["cost"] is None else str(row["cost"])
    return DeliveryOut(**fields | {"status": DeliveryStatus(row["status"]), "cost": cost})


def _refuse_strangers(by: Caller | None, *known: int | None) -> None:
    """As if the order were not there."""
    if by is not None and Scope.ORDERS_READ not in by.scopes and by.known_id not in known:
        raise SalesOrderNotFound


def _refuse_others(by: Caller | None, old: DeliveryOut, patch: DeliveryPatch) -> None:
    if by is None or Scope.ORDERS_WRITE in by.scopes:
        return
    given = {name for name in patch.__struct_fields__ if getattr(patch, name) is not UNSET}
    if old.assigned_to != by.known_id or given - FOR_ASSIGNEES:
        raise NotYourDelivery


async def _check_assignee(user_id: int | None) -> None:
    if user_id is not None and not await fetch_value("SELECT true FROM users WHERE id = $1 AND active", user_id):
        raise field_error("assigned_to", "there is no such user")


async def _write(delivery_id: int, values: dict[str, object]) -> None:
    if values:
        assignments = ", ".join(f"{name} = ${number}::{WRITABLE[name]}" for number, name in enumerate(values, 2))
        await execute(f"UPDATE delivery SET {assignments} WHERE id = $1", delivery_id, *values.values())


async def _take_along(delivery: DeliveryOut) -> None:
    status, topic = ORDER_BECOMES[delivery.status]
    await execute("UPDATE sales_order SET status = $2 WHERE id = $1", delivery.sales_order, status)
    told = ("number", "tracking_number", "carrier", "shipped_at", "delivered_at")
    data = {"id": delivery.sales_order, "delivery": delivery.id} | {name: getattr(delivery, name) for name in told}
    await events.record(topic, subject=name_cause(delivery.sales_order), data=data)
