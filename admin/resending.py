"""The page "Failed webhooks": choose deliveries that failed, look at them, and send them all again."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from admin.choosing import read_choice, read_count, read_done
from admin.forms import demand_tick, in_words, new_id, once, read_input, read_number_or_text
from admin.pages import Form, read_form, redirect, render
from domains.webhooks import resending
from domains.webhooks.jobs import deliver_due
from domains.webhooks.resending import MOST_AT_ONCE, CountDiffers, Failed
from domains.webhooks.topics import EventType
from lib.errors import AppError
from piccolo_conf import fetch

SHOWN = 50
FIELDS = ("endpoint", "event_type", "since", "until", "ids")
LABELS = {"endpoint": "Endpoint", "event_type": "Event", "since": "From", "until": "To", "ids": "Ids"}
ENDPOINTS = "SELECT id, url, is_enabled FROM webhook_endpoint ORDER BY id"


async def show(request: Request) -> Response:
    """`?endpoint=3&since=2030-01-31T12:00` chooses; to post is to send again what was looked at."""
    if request.method == "GET":
        return await _render(request, dict(request.query_params))
    form = await read_form(request)
    try:
        number = await once(request, form, lambda: _resend(form))
    except AppError as error:
        return await _render(request, form, error)
    await deliver_due.later()
    return redirect(request, f"pages/webhooks/?done={number}")


async def _resend(form: Form) -> str:
    """How many, in words."""
    demand_tick(form, "Tick the box to confirm that they are sent again.")
    if (seen := read_count(form.get("seen", ""), MOST_AT_ONCE)) is None:
        raise CountDiffers
    return str(await resending.resend_failed(_read(form), seen))


def _read(form: Form) -> Failed:
    """Raises BadInput, in the words of the form."""
    with in_words(LABELS):
        given = read_choice(form, FIELDS)
        if "endpoint" in given:
            given["endpoint"] = read_number_or_text(given["endpoint"])
        return read_input(given, Failed)


async def _render(request: Request, form: Form, error: AppError | None = None) -> Response:
    """Under a choice that cannot be read there are no deliveries."""
    number, rows = 0, []
    try:
        failed = _read(form)
        number, rows = await resending.count_failed(failed), list(await resending.list_failed(failed, SHOWN))
    except AppError as wrong:
        error = error or wrong
    facts: dict[str, Any] = {
        "form": {name: form.get(name, "") for name in FIELDS},
        "number": number,
        "rows": rows,
        "most": MOST_AT_ONCE,
        "endpoints": await fetch(ENDPOINTS),
        "event_types": list(EventType),
        "done": read_done(request, MOST_AT_ONCE),
        "form_id": new_id(),
    }
    return render(request, "webhooks.html", error=error, **facts)
