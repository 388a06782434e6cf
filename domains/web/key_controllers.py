"""Pages of one's own API keys."""

import re
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from litestar import Controller, Response, get, post

from domains.accounts import api_keys
from domains.accounts.auth import CallerRequest, requires
from domains.accounts.csrf import IN_FORM
from domains.accounts.schemas import ApiKeyIn, ApiKeyOut
from domains.accounts.scopes import Scope
from domains.web.flashes import Flash
from domains.web.forms import Form, Telling, checked, read_form
from domains.web.navigation import KEYS
from domains.web.pages import redirect, show
from lib import clock
from lib.errors import field_error

# All that can be live, and as many that have ended.
MOST_SHOWN = 2 * api_keys.MOST_LIVE
ID = re.compile("[0-9]{1,9}")
LIFETIMES = {"30": "30 days", "90": "90 days", "365": "One year", "": "Until it is revoked"}
USUAL_LIFETIME = "90"
WORDS = {
    Scope.PRODUCTS_READ: "Read products",
    Scope.PRODUCTS_INTERNAL: "See cost prices, supplier numbers and inactive products",
    Scope.PRODUCTS_WRITE: "Create and change products",
    Scope.PRODUCTS_DELETE: "Delete products",
    Scope.INVENTORY_READ: "See locations, stock levels and the ledger",
    Scope.INVENTORY_WRITE: "Adjust and transfer stock, and manage locations",
    Scope.PURCHASES_READ: "Read purchases",
    Scope.PURCHASES_WRITE: "Buy from suppliers, and receive",
    Scope.ORDERS_OWN: "Own orders, and deliveries that one is to make",
    Scope.ORDERS_READ: "Read all orders",
    Scope.ORDERS_WRITE: "Order for others, and deliver",
    Scope.ORDERS_CANCEL: "Cancel orders and purchases, and reverse receipts",
    Scope.IMPORTS_WRITE: "Import files, and read imports",
    Scope.DASHBOARD_READ: "Read the dashboard",
    Scope.CUSTOMERS_READ: "Read customers",
    Scope.USERS_WRITE: "Manage users, and make administrators",
    Scope.WEBHOOKS_READ: "Read webhooks",
    Scope.WEBHOOKS_WRITE: "Manage webhooks",
    Scope.SCHEDULES_WRITE: "Manage schedules",
    Scope.NOTIFICATIONS_WRITE: "Manage notifications",
}


class KeyPages(Controller):
    path = "/accounts/profile/api-keys"
    guards = (requires(Scope.ACCOUNT_OWN),)
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get()
    async def show_keys(self, request: CallerRequest) -> Response[str]:
        return await _show_keys(request, Form({"days": USUAL_LIFETIME}))

    @post()
    async def create(self, request: CallerRequest) -> Response[Any]:
        """The one page that is no redirect after it worked: the secret must not travel by address or cookie."""
        form = await read_form(request)
        with Telling(form):
            form.require("name")
            caller = request.user
            made = await api_keys.create_key(caller.known_id, _read(form), session_id=caller.session_id)
            return show(request, "key_made.html", status=201, made=made)
        return await _show_keys(request, form)

    @get("/revocation")
    async def show_again(self) -> Response[Any]:
        return redirect(KEYS.path)

    @post("/revocation")
    async def revoke(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        key_id = form["key_id"]
        await api_keys.revoke_key(request.user.known_id, int(key_id) if ID.fullmatch(key_id) else 0)
        return redirect(KEYS.path, Flash("The key is revoked. Whatever used it is locked out."))


async def _show_keys(request: CallerRequest, form: Form) -> Response[str]:
    keys = await api_keys.list_keys(request.user.known_id, limit=MOST_SHOWN)
    facts: dict[str, Any] = {
        "live": [key for key in keys if _is_live(key)],
        "ended": [key for key in keys if not _is_live(key)],
        "offered": {scope: WORDS[scope] for scope in WORDS if scope in request.user.scopes},
        "words": WORDS,
        "lifetimes": LIFETIMES,
    }
    return show(request, "keys.html", status=form.status, headers=form.headers, form=form, **facts)


def _is_live(key: ApiKeyOut) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > clock.now())


def _read(form: Form) -> ApiKeyIn:
    """Raises BadInput."""
    # A box that is not ticked is not sent: its errors have their place all the same.
    form.values.setdefault("scopes", "")
    if form["days"] not in LIFETIMES:
        raise field_error("days", "is not one of the choices")
    wanted: dict[str, Any] = {"name": form["name"].strip(), "scopes": form.choices.get("scopes", [])}
    if not wanted["scopes"]:
        raise field_error("scopes", "is empty: choose what the key may do")
    if form["days"]:
        wanted["expires_at"] = clock.now() + timedelta(days=int(form["days"]))
    return checked(wanted, ApiKeyIn)
