"""Bulk actions as forms: choose products and a change, see what it would do, confirm, read what it did.

The path is that of POST /api/products/bulk-update. Piccolo's own forms show one sentence as their answer, which is too
little for old and new prices.
"""

import contextlib
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from admin import selection
from admin.forms import demand_tick, in_words, read_input
from admin.pages import Form, read_form, redirect, render
from domains.catalog import bulk_jobs, changes
from domains.catalog.bulk_jobs import BulkJobNotFound
from domains.catalog.bulk_schemas import BulkChangeOut, BulkJobOut, BulkUpdateIn
from domains.catalog.changes import Change, TooMany
from domains.catalog.jobs import run_bulk_change
from lib.actor import Source, acting
from lib.errors import AppError, BadInput, NotFound
from piccolo_conf import execute, fetch, fetch_value, transaction

UNFINISHED = {"pending", "running"}
SHOWN = 100

# Both rely on event_reference (reference, id).
CHANGED = "SELECT (data->>'changed')::int FROM event WHERE reference = $1 AND topic = 'products.bulk_updated'"
IS_KNOWN = "SELECT EXISTS (SELECT FROM event WHERE reference = $1) OR EXISTS (SELECT FROM bulk_job WHERE id = $2)"
# Two that have the same id wait for each other.
TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
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


class Look(msgspec.Struct, frozen=True):
    """What a change would do. A confirmation is of just this, and with its id it counts once."""

    preview: BulkChangeOut
    seen: str
    change_id: UUID = msgspec.field(default_factory=uuid4)


class PriceTooLarge(BadInput):
    """A price would get too large: at most 9,999,999,999.99 is possible. Choose other products, or raise by less."""


class Differs(BadInput):
    """What would change is not what you looked at. Look at the numbers again."""


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
        # Before the numbers: what changes in between is noticed when they are confirmed.
        seen = await changes.fingerprint(change)
        look = Look(await _preview(change), seen)
    except AppError as error:
        return _render(request, action, form, error=error)
    if "run" not in form:
        return _render(request, action, form, look)
    try:
        return redirect(request, f"pages/changes/{await _confirm_and_run(change, form, seen)}/")
    except AppError as error:
        return _render(request, action, form, look, error)


def read_change(action: Action, form: Form) -> Change:
    """Raises BadInput, in the words of the form."""
    with in_words(selection.LABELS):
        wanted = selection.read(form) | action.change(form.get(action.field, "").strip())
        change = changes.read_update(read_input(wanted, BulkUpdateIn))
    return msgspec.structs.replace(change, source=Source.ADMIN)


async def _preview(change: Change) -> BulkChangeOut:
    """Raises PriceTooLarge."""
    try:
        return await changes.preview(change)
    except asyncpg.NumericValueOutOfRangeError:
        raise PriceTooLarge from None


async def _confirm_and_run(change: Change, form: Form, seen: str) -> UUID:
    """The id of the change. A second click finds the first one done; otherwise raises NotTicked and Differs."""
    change_id = _id_of(form)
    if await _is_known(change_id):
        return change_id
    demand_tick(form, "Tick the box to confirm the change.")
    if form.get("seen") != seen:
        raise Differs
    await run(change, change_id)
    return change_id


def _id_of(form: Form) -> UUID:
    """Raises Differs for none: the numbers come with one."""
    try:
        return UUID(form.get("change_id", ""))
    except ValueError:
        raise Differs from None


async def run(change: Change, change_id: UUID) -> None:
    """At once, or in the background when it is large; its events carry "bulk:" and this id as their reference.

    Once: also when two ask for the same at the same time.
    """
    with contextlib.suppress(TooMany), acting(reference=f"bulk:{change_id}", bulk=True):
        async with transaction():
            await execute(TAKE_TURN, str(change_id))
            if not await _is_known(change_id):
                await changes.change_now(change)
        return
    await bulk_jobs.order_change(change, change_id)
    await run_bulk_change.later(job_id=change_id)


async def _is_known(change_id: UUID) -> bool:
    return bool(await fetch_value(IS_KNOWN, f"bulk:{change_id}", change_id))


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
    look: Look | None = None,
    error: AppError | None = None,
) -> Response:
    """After a refusal the fields keep what was typed."""
    facts: dict[str, Any] = {"form": _form_of(form), "value": form.get(action.field, ""), "look": look}
    return render(request, "act.html", error=error, action=action, **facts)


def _form_of(given: Form) -> Form:
    return {name: given.get(name, "") for name in selection.FIELDS}
