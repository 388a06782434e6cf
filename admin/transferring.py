"""The form "Transfer stock": from one location to another, which leaves the total as it is."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from admin.adjusting import read_units, render_for_product
from admin.forms import in_words, once, read_input, read_number_or_text
from admin.pages import Form, read_form, redirect
from domains.inventory.schemas import TransferIn
from domains.inventory.transfers import transfer_stock
from lib.errors import AppError

LABELS = {"from_location": "From", "to_location": "To", "quantity": "Units", "product": "Product", "note": "Note"}


async def show(request: Request) -> Response:
    """`?sku=` or `?product=` chooses the product."""
    if request.method == "GET":
        return await _render(request, dict(request.query_params))
    form = await read_form(request)
    try:
        page = await once(request, form, lambda: _transfer(form))
    except AppError as error:
        return await _render(request, form, error)
    return redirect(request, page)


async def _transfer(form: Form) -> str:
    """The page that tells what was booked."""
    given: dict[str, Any] = {
        "product": read_number_or_text(form.get("product", "")),
        "from_location": read_number_or_text(form.get("from_location", "")),
        "to_location": read_number_or_text(form.get("to_location", "")),
        "quantity": read_units(form, least=1),
        "note": form.get("note", "").strip(),
    }
    with in_words(LABELS):
        return f"pages/moves/{(await transfer_stock(read_input(given, TransferIn))).reference}/"


async def _render(request: Request, form: Form, error: AppError | None = None) -> Response:
    return await render_for_product(request, "transfer.html", form, error)
