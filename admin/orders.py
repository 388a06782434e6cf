"""The page of one sales order: its lines, delivery, movements and history; cancel, deliver."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from starlette.requests import Request
from starlette.responses import Response

from admin.forms import Step, caller_of, demand_tick, in_words, new_id, read_input, read_number_or_text, take_step
from admin.pages import Form, read_number, render
from admin.traces import find_events, find_moves
from domains.orders import deliveries, sales
from domains.orders.delivery_schemas import DeliveryIn, DeliveryPatch
from domains.orders.schemas import CancellationIn
from domains.orders.tables import DeliveryStatus
from lib.errors import AppError
from piccolo_conf import fetch

MOST_PEOPLE = 200
LABELS = {
    "tracking_number": "Tracking number",
    "carrier": "Carrier",
    "assigned_to": "Who brings it",
    "cost": "Cost",
    "notes": "Notes",
    "note": "Note",
}

# Relies on delivery_order.
DELIVERIES = """
    SELECT d.*, u.username AS person FROM delivery d LEFT JOIN users u ON u.id = d.assigned_to
    WHERE sales_order = $1 ORDER BY d.id DESC
"""
# Relies on sales_refund_order.
REFUNDS = "SELECT refunded_at, amount, note FROM sales_refund WHERE sales_order = $1 ORDER BY id"
PEOPLE = "SELECT id, username FROM users WHERE active AND role <> 'customer' ORDER BY username LIMIT $1"


async def show(request: Request) -> Response:
    order_id = read_number(request.path_params["order_id"])
    if request.method == "GET":
        return await _render(request, order_id)
    return await take_step(request, STEPS, order_id, f"pages/orders/{order_id}/", _render)


async def _render(request: Request, order_id: int, form: Form | None = None, error: AppError | None = None) -> Response:
    """Raises SalesOrderNotFound."""
    order = await sales.get_order(order_id, None)
    cause = sales.name_cause(order_id)
    sent = await fetch(DELIVERIES, order_id)
    facts: dict[str, Any] = {
        "order": order,
        "delivery": _open_of(sent),
        "given_up": [row for row in sent if row["status"] == DeliveryStatus.CANCELLED],
        "refunds": await fetch(REFUNDS, order_id),
        "people": await fetch(PEOPLE, MOST_PEOPLE),
        "moves": await find_moves(cause),
        "events": await find_events(cause),
        "done": request.query_params.get("done", ""),
    }
    return render(request, "order.html", error=error, form=form or {}, form_id=new_id(), **facts)


def _open_of(sent: Sequence[asyncpg.Record]) -> asyncpg.Record | None:
    return next((row for row in sent if row["status"] != DeliveryStatus.CANCELLED), None)


async def _cancel(_request: Request, order_id: int, form: Form) -> str:
    demand_tick(form)
    with in_words(LABELS):
        data = read_input({"note": form.get("note", "").strip()}, CancellationIn)
    await sales.cancel_order(order_id, data.note)
    return "cancelled"


async def _prepare(_request: Request, order_id: int, form: Form) -> str:
    with in_words(LABELS):
        await deliveries.create_delivery(order_id, read_input(_read(form), DeliveryIn))
    return "prepared"


async def _prepare_and_ship(request: Request, order_id: int, form: Form) -> str:
    await _prepare(request, order_id, form)
    return await _change(request, order_id, {"status": DeliveryStatus.SHIPPED}, "shipped")


async def _save(request: Request, order_id: int, form: Form) -> str:
    return await _change(request, order_id, _read(form), "saved")


async def _ship(request: Request, order_id: int, form: Form) -> str:
    return await _change(request, order_id, _read(form) | {"status": DeliveryStatus.SHIPPED}, "shipped")


async def _deliver(request: Request, order_id: int, form: Form) -> str:
    return await _change(request, order_id, _read(form) | {"status": DeliveryStatus.DELIVERED}, "delivered")


async def _give_up(request: Request, order_id: int, form: Form) -> str:
    demand_tick(form)
    return await _change(request, order_id, {"status": DeliveryStatus.CANCELLED}, "given-up")


async def _change(request: Request, order_id: int, given: dict[str, Any], done: str) -> str:
    with in_words(LABELS):
        await deliveries.change_delivery(order_id, read_input(given, DeliveryPatch), caller_of(request))
    return done


def _read(form: Form) -> dict[str, Any]:
    """The fields of a delivery; what is empty is nothing."""
    person = form.get("assigned_to", "")
    return {
        "tracking_number": form.get("tracking_number", "").strip() or None,
        "carrier": form.get("carrier", "").strip(),
        "assigned_to": read_number_or_text(person) or None,
        "cost": form.get("cost", "").strip() or None,
        "notes": form.get("notes", "").strip(),
    }


STEPS: dict[str, Step] = {
    "cancel": _cancel,
    "prepare": _prepare,
    "prepare-and-ship": _prepare_and_ship,
    "save": _save,
    "ship": _ship,
    "deliver": _deliver,
    "give-up": _give_up,
}
