"""Bulk actions as forms: choose products and a change, see what it would do, confirm, read what it did.

The path is that of POST /api/products/bulk-update. Piccolo's own forms show one sentence as their answer, which is too
little for old and new prices.
"""

import contextlib
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from admin import selection
from admin.pages import Form, read_form, redirect, render
from domains.catalog import bulk_jobs, changes
from domains.catalog.bulk_jobs import BulkJobNotFound
from domains.catalog.bulk_schemas import BulkChangeOut, BulkJobOut, BulkUpdateIn
from domains.catalog.changes import Change, TooMany
from domains.catalog.jobs import run_bulk_change
from lib.actor import Source, acting
from lib.errors import AppError, BadInput, NotFound
from lib.money import decode
from lib.wrong_fields import find_wrong_fields
from piccolo_conf import fetch, fetch_value

UNFINISHED = {"pending", "running"}
SHOWN = 100

# Both rely on event_reference (reference, id).
CHANGED = "SELECT (data->>'changed')::int FROM event WHERE reference = $1 AND topic = 'products.bulk_updated'"
DONE = """
    SELECT id, product_id, data->>'sku' AS sku, actor, source, occurred_at, changes
    FROM event WHERE reference = $1 AND product_id IS NOT NULL ORDER BY id LIMIT $2
"""


class Action(msgspec.Struct, frozen=True):
    """`field` is the form's own; `change` makes of it what the API takes beside the selection."""

    title: str
    explained: str
    field: str
    change: Callable[[str], dict[str, Any]]


ACTIONS = {
    "set-price": Action(
        "Set price",
        "Gives every chosen product the same price.",
        "price",
        lambda text: {"set": {"price": text}},
    ),
    "change-price": Action(
        "Change price by percent",
        "Raises the price of every chosen product by up to 1000 percent, or lowers it with a minus, "
        "exact to the cent and rounded half up.",
        "percent",
        lambda text: {"percent": {"price": text}},
    ),
    "activate": Action(
        "Activate or deactivate",
        "Offers the chosen products, or takes them out of the offer.",
        "to",
        lambda text: {"set": {"is_active": text == "active"}},
    ),
}


class NotTicked(BadInput):
    """Tick the box to confirm the change."""


class Differs(BadInput):
    """Other products are chosen by now than when you looked. Look at the numbers again."""


async def find(request: Request) -> Response:
    """Choose products, then what to do with them."""
    return render(request, "find.html", actions=ACTIONS, form=_form_of(dict(request.query_params)))


async def list_found(request: Request) -> Response:
    return redirect(request, selection.link(dict(request.query_params)))


async def act(request: Request) -> Response:
    if (action := ACTIONS.get(request.path_params["action"])) is None:
        raise NotFound
    if request.method == "GET":
        return _render(request, action, dict(request.query_params))
    form = await read_form(request)
    try:
        change = read_change(action, form)
        preview = await changes.preview(change)
    except AppError as error:
        return _render(request, action, form, error=error)
    if "run" not in form:
        return _render(request, action, form, preview)
    try:
        _demand_confirmation(form, preview)
        return redirect(request, f"pages/changes/{await run(change)}/")
    except AppError as error:
        return _render(request, action, form, preview, error)


def read_change(action: Action, form: Form) -> Change:
    """Raises BadInput."""
    wanted = selection.read(form) | action.change(form.get(action.field, "").strip())
    if errors := list(find_wrong_fields(wanted, BulkUpdateIn, decode)):
        told = "; ".join(f"{error.field.rpartition('.')[2]}: {error.message}" for error in errors)
        raise BadInput(told, errors=errors)
    change = changes.read_update(msgspec.convert(wanted, BulkUpdateIn, dec_hook=decode))
    return msgspec.structs.replace(change, source=Source.ADMIN)


def _demand_confirmation(form: Form, preview: BulkChangeOut) -> None:
    """Raises NotTicked, and Differs when the numbers are not those that were confirmed."""
    if form.get("confirmed") != "yes":
        raise NotTicked
    if form.get("expected") != f"{preview.matched} {preview.changed}":
        raise Differs


async def run(change: Change) -> UUID:
    """At once, or in the background when it is large; its events carry "bulk:" and this id as their reference."""
    change_id = uuid4()
    with contextlib.suppress(TooMany), acting(reference=f"bulk:{change_id}"):
        await changes.change_now(change)
        return change_id
    job = await bulk_jobs.order_change(change)
    await run_bulk_change.later(job_id=job.job_id)
    return job.job_id


async def show_change(request: Request) -> Response:
    """What became of a change: how far it is, and old and new of the first products."""
    change_id: UUID = request.path_params["change_id"]
    reference = f"bulk:{change_id}"
    job: BulkJobOut | None = None
    with contextlib.suppress(BulkJobNotFound):
        job = await bulk_jobs.get_job(change_id)
    changed = await fetch_value(CHANGED, reference)
    if job is None and changed is None:
        raise NotFound
    rows = await fetch(DONE, reference, SHOWN + 1)
    done = [{**row, "changes": msgspec.json.decode(row["changes"] or "{}")} for row in rows[:SHOWN]]
    facts: dict[str, Any] = {"job": job, "changed": changed, "has_more": len(rows) > SHOWN}
    facts["is_running"] = job is not None and job.status in UNFINISHED
    return render(request, "change.html", change_id=change_id, done=done, **facts)


def _render(
    request: Request,
    action: Action,
    form: Form,
    preview: BulkChangeOut | None = None,
    error: AppError | None = None,
) -> Response:
    """After a refusal the fields keep what was typed."""
    value = form.get(action.field, "")
    return render(request, "act.html", error=error, form=_form_of(form), preview=preview, action=action, value=value)


def _form_of(given: Form) -> Form:
    return {name: given.get(name, "") for name in selection.FIELDS}
