"""Pages of webhooks: which endpoints there are, what was sent to each, and how to change them."""

from datetime import datetime
from types import MappingProxyType
from typing import Any

from litestar import Controller, Response, get, post

from domains.accounts.auth import CallerRequest, requires
from domains.accounts.csrf import IN_FORM
from domains.accounts.scopes import Scope
from domains.web.flashes import Flash, Mood
from domains.web.forms import Form, Telling, read_form
from domains.web.navigation import WEBHOOKS
from domains.web.pages import redirect, show
from domains.web.webhook_forms import read_change, read_endpoint, read_since
from domains.web.webhook_pages import may_write, missed_since, show_delivery, show_endpoint, show_settings
from domains.web.webhook_words import REASONS, grouped_types
from domains.webhooks import endpoints, recovery, testing
from domains.webhooks.jobs import deliver_due
from domains.webhooks.schemas import EndpointOut, EndpointPatch
from lib.http import BigRowId, RowId


class WebhookPages(Controller):
    """What staff may see."""

    path = "/webhooks"
    guards = (requires(Scope.WEBHOOKS_READ),)
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get()
    async def show_endpoints(self, request: CallerRequest) -> Response[str]:
        found = await endpoints.all_endpoints()
        return show(request, "webhooks.html", endpoints=found, may_write=may_write(request), reasons=REASONS)

    @get("/{endpoint_id:int}")
    async def show_endpoint(self, request: CallerRequest, endpoint_id: RowId) -> Response[str]:
        return await show_endpoint(request, endpoint_id)

    @get("/{endpoint_id:int}/deliveries/{delivery_id:int}", guards=[requires(Scope.PRODUCTS_INTERNAL)])
    async def show_delivery(self, request: CallerRequest, endpoint_id: RowId, delivery_id: BigRowId) -> Response[str]:
        return await show_delivery(request, endpoint_id, delivery_id)


class WebhookSettingPages(Controller):
    """What an endpoint is, and whether it is."""

    path = "/webhooks"
    guards = (requires(Scope.WEBHOOKS_WRITE),)
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get("/create")
    async def show_create(self, request: CallerRequest) -> Response[str]:
        return show(request, "webhook_create.html", form=Form(), groups=grouped_types())

    @post("/create")
    async def create(self, request: CallerRequest) -> Response[Any]:
        """The secret must not travel by address or cookie: it stands on the page that answers."""
        form = await read_form(request)
        with Telling(form):
            made = await endpoints.create_endpoint(read_endpoint(form), by=request.user.user_id)
            return _show_secret(request, made, made.secret, None)
        facts: dict[str, Any] = {"form": form, "groups": grouped_types()}
        return show(request, "webhook_create.html", status=form.status, headers=form.headers, **facts)

    @get("/{endpoint_id:int}/settings")
    async def show_settings(self, request: CallerRequest, endpoint_id: RowId) -> Response[str]:
        return await show_settings(request, endpoint_id)

    @post("/{endpoint_id:int}/settings")
    async def change(self, request: CallerRequest, endpoint_id: RowId) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            await endpoints.change_endpoint(endpoint_id, read_change(form))
            return redirect(f"{WEBHOOKS.path}{endpoint_id}/settings/", Flash("The endpoint is saved."))
        return await show_settings(request, endpoint_id, form)

    @get(["/{endpoint_id:int}/secret-rotation", "/{endpoint_id:int}/deletion"])
    async def show_again(self, endpoint_id: RowId) -> Response[Any]:
        return redirect(f"{WEBHOOKS.path}{endpoint_id}/settings/")

    @post("/{endpoint_id:int}/secret-rotation")
    async def rotate_secret(self, request: CallerRequest, endpoint_id: RowId) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            endpoint = await endpoints.get_endpoint(endpoint_id)
            made = await endpoints.rotate_secret(endpoint_id)
            return _show_secret(request, endpoint, made.secret, made.previous_expires_at)
        return await show_settings(request, endpoint_id, refused=form)

    @post("/{endpoint_id:int}/deletion")
    async def delete(self, request: CallerRequest, endpoint_id: RowId) -> Response[Any]:
        await read_form(request)
        await endpoints.delete_endpoint(endpoint_id)
        return redirect(WEBHOOKS.path, Flash("The endpoint is deleted, and its log with it."))


class WebhookActionPages(Controller):
    """What is sent to an endpoint, and when."""

    path = "/webhooks/{endpoint_id:int}"
    guards = (requires(Scope.WEBHOOKS_WRITE),)
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get(["/switch", "/test", "/recovery"])
    async def show_again(self, endpoint_id: RowId) -> Response[Any]:
        """Where a form was refused, or its answer stood: the address alone shows the endpoint."""
        return redirect(f"{WEBHOOKS.path}{endpoint_id}/")

    @post("/switch")
    async def switch(self, request: CallerRequest, endpoint_id: RowId) -> Response[Any]:
        form = await read_form(request)
        path = WEBHOOKS.path if form["from"] else f"{WEBHOOKS.path}{endpoint_id}/"
        return redirect(path, await _switch(endpoint_id, form))

    @post("/test")
    async def try_out(self, request: CallerRequest, endpoint_id: RowId) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            outcome = await testing.try_out(endpoint_id)
            return await show_endpoint(request, endpoint_id, outcome=outcome)
        return await show_endpoint(request, endpoint_id, refused=form)

    @post("/recovery")
    async def recover(self, request: CallerRequest, endpoint_id: RowId) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            due = await recovery.recover(endpoint_id, read_since(form))
            await deliver_due.later()
            flash = Flash(f"Sent again now: {due:,}.") if due else Flash("There is nothing to send again.", Mood.INFO)
            return redirect(f"{WEBHOOKS.path}{endpoint_id}/", flash)
        return await show_endpoint(request, endpoint_id, recovery=form)

    @get("/deliveries/{delivery_id:int}/redelivery")
    async def show_delivery_again(self, endpoint_id: RowId, delivery_id: BigRowId) -> Response[Any]:
        return redirect(f"{WEBHOOKS.path}{endpoint_id}/deliveries/{delivery_id}/")

    @post("/deliveries/{delivery_id:int}/redelivery")
    async def redeliver(self, request: CallerRequest, endpoint_id: RowId, delivery_id: BigRowId) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            await recovery.redeliver(endpoint_id, delivery_id)
            await deliver_due.later()
            return redirect(f"{WEBHOOKS.path}{endpoint_id}/deliveries/{delivery_id}/", Flash("It is sent again now."))
        return await show_delivery(request, endpoint_id, delivery_id, form)


def _show_secret(request: CallerRequest, endpoint: EndpointOut, secret: str, ends: datetime | None) -> Response[str]:
    """`ends` is until when the one before signs along."""
    return show(request, "webhook_secret.html", status=201, endpoint=endpoint, secret=secret, previous_expires_at=ends)


async def _switch(endpoint_id: int, form: Form) -> Flash:
    """On or off, and with `recover` what was missed is sent as well; what to say of it."""
    before = await endpoints.get_endpoint(endpoint_id)
    is_enabled = bool(form["is_enabled"])
    await endpoints.change_endpoint(endpoint_id, EndpointPatch(is_enabled=is_enabled))
    if not is_enabled:
        return Flash("The endpoint is disabled. What waits for it is kept.", Mood.INFO)
    due = await recovery.recover(endpoint_id, missed_since(before)) if form["recover"] else 0
    await deliver_due.later()
    return Flash(f"The endpoint is enabled, and what was paused goes out now. {_tell_missed(form, due)}".strip())


def _tell_missed(form: Form, due: int) -> str:
    """What happened while it was disabled is not lost, though nobody asked for it."""
    if not form["recover"]:
        return "What else it missed is sent when you ask for it: “Send again” on its page."
    return f"So do {due:,} that it missed." if due else ""
