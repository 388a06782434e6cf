"""The page that a shop's day begins with: what is low, what waits, what was sold and bought last."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from admin.forms import UnknownStep
from admin.pages import Form, read_form, read_number, redirect, render
from domains.inventory import notifications
from domains.inventory.notifications import LIST, SHOWN
from lib.errors import AppError
from piccolo_conf import fetch, fetch_row

LATEST = 10
OPEN = b"is_resolved=false&ordering=current_stock&limit=100&count=exact"
# Who never ships has a million that wait: nobody reads the rest of the number.
COUNTED = 1000

# Relies on sales_order_status, delivery_status and purchase_order_status.
WAITING = f"""
    SELECT (SELECT count(*) FROM (SELECT FROM sales_order WHERE status = 'placed' LIMIT {COUNTED}) AS o) AS placed,
           (SELECT count(*) FROM (SELECT FROM delivery WHERE status = 'shipped' LIMIT {COUNTED}) AS d) AS shipped,
           (SELECT count(*) FROM (
               SELECT FROM purchase_order WHERE status IN ('ordered', 'partly_received') LIMIT {COUNTED}
           ) AS p) AS outstanding
"""
ORDERS = (
    "SELECT id, number, status, customer_name, total, currency, placed_at FROM sales_order ORDER BY id DESC LIMIT $1"
)
PURCHASES = """
    SELECT id, number, status, supplier_name, total, currency, purchase_on FROM purchase_order ORDER BY id DESC LIMIT $1
"""


async def show(request: Request) -> Response:
    if request.method == "GET":
        return await _render(request)
    form = await read_form(request)
    try:
        done = await _act(form)
    except AppError as error:
        return await _render(request, error)
    return redirect(request, f"pages/stock/?done={done}")


async def _act(form: Form) -> str:
    """Each button may be pressed twice: it says how things are to be."""
    notification_id = read_number(form.get("notification", ""))
    if form.get("step") == "read":
        await notifications.mark(notification_id, is_read=True)
        return "read"
    if form.get("step") == "dismiss":
        await notifications.dismiss(notification_id)
        return "dismissed"
    raise UnknownStep


async def _render(request: Request, error: AppError | None = None) -> Response:
    low, total, _cursor = await notifications.list_notifications(LIST.read(OPEN, SHOWN))
    facts: dict[str, Any] = {
        "low": low,
        "total": total.count,
        "waiting": await fetch_row(WAITING),
        "most": COUNTED,
        "orders": await fetch(ORDERS, LATEST),
        "purchases": await fetch(PURCHASES, LATEST),
        "done": request.query_params.get("done", ""),
    }
    return render(request, "overview.html", error=error, **facts)
