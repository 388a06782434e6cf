"""What one cause moved: the rows of the ledger that carry its reference."""

from starlette.requests import Request
from starlette.responses import Response

from admin.pages import read_number, render
from admin.traces import find_moves
from lib.errors import NotFound
from piccolo_conf import fetch_value

SHOWN = 500
LONGEST_REFERENCE = 100
TITLES = {"adjustment": "Stock was adjusted", "transfer": "Stock was transferred", "receipt": "Stock was received"}

PURCHASE = "SELECT purchase_order FROM receipt WHERE id = $1"


async def show(request: Request) -> Response:
    reference = request.path_params["reference"]
    rows = await find_moves(reference, limit=SHOWN + 1) if len(reference) < LONGEST_REFERENCE else []
    if not rows:
        raise NotFound
    kind, _, cause_id = reference.partition(":")
    purchase = await fetch_value(PURCHASE, read_number(cause_id)) if kind == "receipt" else None
    title = TITLES.get(kind, "Stock was moved")
    return render(request, "moves.html", title=title, rows=rows[:SHOWN], has_more=len(rows) > SHOWN, purchase=purchase)
