"""The page "Shopify: process again": choose webhooks that failed or are parked, look at them, have them processed."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from admin.choosing import read_choice, read_count, read_done
from admin.forms import demand_tick, in_words, new_id, once, read_input
from admin.pages import Form, read_form, redirect, render
from domains.shopify import reprocessing
from domains.shopify.jobs import process_inbox
from domains.shopify.listing import UNSETTLED_REASONS
from domains.shopify.processing import HANDLED
from domains.shopify.reprocessing import MOST_AT_ONCE, CountDiffers, Wanted
from domains.shopify.tables import InboundState
from lib.errors import AppError

SHOWN = 50
FIELDS = ("state", "reason", "topic", "since", "until", "ids")
LABELS = {"state": "State", "reason": "Reason", "topic": "Topic", "since": "From", "until": "To", "ids": "Ids"}
STATES = (InboundState.FAILED, InboundState.PARKED)


async def show(request: Request) -> Response:
    """`?state=parked&reason=sku_taken` chooses; to post is to process again what was looked at."""
    if request.method == "GET":
        return await _render(request, dict(request.query_params))
    form = await read_form(request)
    try:
        number = await once(request, form, lambda: _process_again(form))
    except AppError as error:
        return await _render(request, form, error)
    await process_inbox.later()
    return redirect(request, f"pages/shopify/?done={number}")


async def _process_again(form: Form) -> str:
    """How many, in words."""
    demand_tick(form, "Tick the box to confirm that they are processed again.")
    if (seen := read_count(form.get("seen", ""), MOST_AT_ONCE)) is None:
        raise CountDiffers
    return str(await reprocessing.process_again(_read(form), seen))


def _read(form: Form) -> Wanted:
    """Raises BadInput, in the words of the form."""
    with in_words(LABELS):
        return read_input(read_choice(form, FIELDS), Wanted)


async def _render(request: Request, form: Form, error: AppError | None = None) -> Response:
    """Under a choice that cannot be read there are no webhooks."""
    number, rows = 0, []
    try:
        wanted = _read(form)
        number, rows = await reprocessing.count(wanted), list(await reprocessing.list_latest(wanted, SHOWN))
    except AppError as wrong:
        error = error or wrong
    facts: dict[str, Any] = {
        "form": {name: form.get(name, "") for name in FIELDS},
        "number": number,
        "rows": rows,
        "most": MOST_AT_ONCE,
        "states": STATES,
        "reasons": UNSETTLED_REASONS,
        "topics": sorted(HANDLED),
        "done": read_done(request, MOST_AT_ONCE),
        "form_id": new_id(),
    }
    return render(request, "shopify.html", error=error, **facts)
