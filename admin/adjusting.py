"""The form "Adjust stock": choose a product, see where it lies, tell what happened; and the result, old → new."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from admin import levels
from admin.forms import LONGEST_NUMBER, in_words, new_id, once, read_input, read_number_or_text
from admin.levels import NoSuchProduct, Shelf
from admin.pages import Form, read_form, redirect, render
from domains.catalog.tables import Reason
from domains.inventory.adjustments import adjust_stock
from domains.inventory.schemas import AdjustmentIn
from lib.errors import AppError, field_error

LABELS = {"delta": "Units", "quantity": "Units", "note": "Note", "location": "Location", "product": "Product"}


class Way(msgspec.Struct, frozen=True):
    """What happened, as people say it; `sign` 0 sets the level to what was counted."""

    name: str
    told: str
    sign: int
    reason: Reason


WAYS = {
    "counted": Way("Counted", "exactly this many lie there", 0, Reason.COUNT),
    "found": Way("Found or got", "this many more", 1, Reason.ADJUSTMENT),
    "lost": Way("Lost, broken or used", "this many fewer", -1, Reason.ADJUSTMENT),
    "returned": Way("Returned by a customer", "this many more", 1, Reason.RETURN),
}


async def show(request: Request) -> Response:
    """`?sku=` or `?product=` chooses the product."""
    if request.method == "GET":
        return await _render(request, dict(request.query_params))
    form = await read_form(request)
    try:
        page = await once(request, form, lambda: _adjust(form))
    except AppError as error:
        return await _render(request, form, error)
    return redirect(request, page)


async def _adjust(form: Form) -> str:
    """The page that tells what was booked. What the form showed is expected still to be so."""
    way = WAYS.get(form.get("way", ""))
    if way is None:
        raise field_error("What happened", "choose one")
    units = read_units(form, least=0 if way.sign == 0 else 1)
    location = form.get("location", "")
    expected = form.get(f"expected-{location}", "")
    given: dict[str, Any] = {
        "product": read_number_or_text(form.get("product", "")),
        "location": read_number_or_text(location),
        "expected_quantity": read_number_or_text(expected) if expected else None,
        "quantity" if way.sign == 0 else "delta": units * (way.sign or 1),
        "reason": way.reason.value,
        "note": form.get("note", "").strip(),
    }
    with in_words(LABELS):
        done = await adjust_stock(read_input(given, AdjustmentIn))
    if any(line.delta for line in done.lines):
        return f"pages/moves/{done.reference}/"
    return f"pages/stock/adjust/?product={done.lines[0].product_id}&done=as-counted"


def read_units(form: Form, least: int) -> int:
    """Raises BadInput."""
    text = form.get("units", "").strip()
    if not text.isdecimal() or len(text) > LONGEST_NUMBER or int(text) < least:
        raise field_error("Units", f"type a whole number, {least} or more")
    return int(text)


async def _render(request: Request, form: Form, error: AppError | None = None) -> Response:
    return await render_for_product(request, "adjust.html", form, error, ways=WAYS)


async def render_for_product(
    request: Request, template: str, form: Form, error: AppError | None, **facts: Any
) -> Response:
    """After a refusal the fields keep what was typed, beside the numbers as they are now."""
    shelf: Shelf | None = None
    alike: Sequence[asyncpg.Record] = []
    try:
        shelf = await levels.find(form)
    except NoSuchProduct as unknown:
        alike = await levels.find_alike(form.get("sku", ""))
        error = error or (None if alike else unknown)
    known: dict[str, Any] = {"shelf": shelf, "alike": alike, "form": form, "form_id": new_id()}
    return render(request, template, error=error, **known, **facts)
