import pytest

from domains.accounts import scopes
from domains.accounts.scopes import Scope, scopes_of
from domains.accounts.tables import Role
from settings import Settings

CUSTOMER = {"account:own", "products:read", "orders:own"}
STAFF = CUSTOMER | {
    "products:internal",
    "products:write",
    "inventory:read",
    "inventory:write",
    "purchases:read",
    "purchases:write",
    "orders:read",
    "orders:write",
    "imports:write",
    "dashboard:read",
    "webhooks:read",
    "customers:read",
}
ADMIN = STAFF | {
    "products:delete",
    "orders:cancel",
    "users:write",
    "webhooks:write",
    "schedules:write",
    "notifications:write",
}


@pytest.mark.parametrize(("role", "held"), [(Role.CUSTOMER, CUSTOMER), (Role.STAFF, STAFF), (Role.ADMIN, ADMIN)])
def test_a_role_holds_its_scopes(role: Role, held: set[str]) -> None:
    assert scopes_of(role) == held


def test_an_admin_holds_everything() -> None:
    assert scopes_of(Role.ADMIN) == set(Scope)


def test_somebody_unknown_holds_nothing() -> None:
    assert scopes_of(None) == set()


def test_a_public_catalogue_is_read_by_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "settings", Settings(public_catalog=True))
    assert scopes_of(None) == {Scope.PRODUCTS_READ}


def test_staff_can_be_kept_from_editing_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "settings", Settings(staff_can_edit_products=False))
    assert STAFF - scopes_of(Role.STAFF) == {"products:write", "imports:write"}
    assert Scope.PRODUCTS_WRITE in scopes_of(Role.ADMIN)
