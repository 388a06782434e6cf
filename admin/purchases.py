"""The page of one purchase order: its lines, what came of them; receive, cancel the rest, take a receipt back."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from admin.forms import Step, caller_of, demand_tick, in_words, new_id, read_input, read_number_or_text, take_step
from admin.pages import Form, read_number, render
from admin.traces import find_events, find_moves
from domains.orders import purchases, receipts
from domains.orders.purchase_schemas import PurchaseOrderOut, ReceiptIn, ReversalIn
from lib.errors import AppError, BadInput
from piccolo_conf import fetch

LABELS = {"note": "Note", "location": "Location"}
LINE = "line-"

LOCATIONS = "SELECT id, name FROM location WHERE is_active ORDER BY is_default DESC, id"
NAMES = "SELECT id, username FROM users WHERE id = ANY($1::int[])"


class NothingCame(BadInput):
    """Type how much has come of at least one line."""


async def show(request: Request) -> Response:
    purchase_id = read_number(request.path_params["purchase_id"])
    if request.method == "GET":
        return await _render(request, purchase_id)
    return await take_step(request, STEPS, purchase_id, f"pages/purchases/{purchase_id}/", _render)


async def _render(
    request: Request, purchase_id: int, form: Form | None = None, error: AppError | None = None
) -> Response:
    """Raises PurchaseOrderNotFound."""
    purchase = await purchases.get_purchase(purchase_id)
    causes = [f"purchase:{purchase_id}", *(f"receipt:{receipt.id}" for receipt in purchase.receipts)]
    facts: dict[str, Any] = {
        "purchase": purchase,
        "outstanding": sum(line.outstanding_quantity for line in purchase.lines),
        "locations": await fetch(LOCATIONS),
        "names": await _find_names(purchase),
        "moves": await find_moves(*causes),
        "events": await find_events(*causes),
        "done": request.query_params.get("done", ""),
    }
    return render(request, "purchase.html", error=error, form=form or {}, form_id=new_id(), **facts)


async def _find_names(purchase: PurchaseOrderOut) -> dict[int, str]:
    """Of everybody who made, received or took back."""
    people = [purchase.created_by, *(who for one in purchase.receipts for who in (one.received_by, one.reversed_by))]
    rows = await fetch(NAMES, [user_id for user_id in people if user_id is not None])
    return {row["id"]: row["username"] for row in rows}


async def _receive(request: Request, purchase_id: int, form: Form) -> str:
    came = {name.removeprefix(LINE): text.strip() for name, text in form.items() if name.startswith(LINE)}
    came = {line: text for line, text in came.items() if text not in {"", "0"}}
    if not came:
        raise NothingCame
    given = {
        "lines": [
            {"line": read_number_or_text(line), "quantity": read_number_or_text(text)} for line, text in came.items()
        ],
        "location": read_number_or_text(form.get("location", "")),
        "note": form.get("note", "").strip(),
    }
    with in_words(LABELS | await _name_lines(purchase_id, list(came))):
        await receipts.receive(purchase_id, read_input(given, ReceiptIn), caller_of(request))
    return "received"


async def _name_lines(purchase_id: int, line_ids: Sequence[str]) -> dict[str, str]:
    """What the form calls the fields of each line that came."""
    skus = {str(line.id): line.sku for line in (await purchases.get_purchase(purchase_id)).lines}
    return {
        f"lines[{place}].{field}": f"Came now of {skus.get(line_id, 'another purchase')}"
        for place, line_id in enumerate(line_ids)
        for field in ("quantity", "line")
    }


async def _cancel(_request: Request, purchase_id: int, form: Form) -> str:
    demand_tick(form)
    await purchases.cancel_purchase(purchase_id)
    return "cancelled"


async def _reverse(request: Request, purchase_id: int, form: Form) -> str:
    demand_tick(form)
    receipt_id = read_number(form.get("receipt", ""))
    with in_words(LABELS):
        data = read_input({"note": form.get("note", "").strip()}, ReversalIn)
    await receipts.reverse_receipt(purchase_id, receipt_id, caller_of(request), data.note)
    return "reversed"


STEPS: dict[str, Step] = {"receive": _receive, "cancel": _cancel, "reverse": _reverse}
