"""What callers may do. Routes name one scope each; the role decides which scopes a caller holds."""

from enum import StrEnum

from domains.accounts.tables import Role
from settings import settings


class Scope(StrEnum):
    ACCOUNT_OWN = "account:own"  # One's own profile, passwords and API keys; for people, so no API key carries it.
    PRODUCTS_READ = "products:read"
    PRODUCTS_INTERNAL = "products:internal"  # Inactive products, cost prices and supplier numbers.
    PRODUCTS_WRITE = "products:write"
    PRODUCTS_DELETE = "products:delete"
    INVENTORY_READ = "inventory:read"
    INVENTORY_WRITE = "inventory:write"
    PURCHASES_READ = "purchases:read"
    PURCHASES_WRITE = "purchases:write"
    ORDERS_OWN = "orders:own"  # One's own orders, and deliveries that one is to make.
    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"  # Orders for others, and deliveries.
    ORDERS_CANCEL = "orders:cancel"  # Sales, purchases, and what was received of them.
    IMPORTS_WRITE = "imports:write"  # Import jobs are read with it too.
    DASHBOARD_READ = "dashboard:read"
    CUSTOMERS_READ = "customers:read"
    USERS_WRITE = "users:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    SCHEDULES_WRITE = "schedules:write"
    NOTIFICATIONS_WRITE = "notifications:write"


CUSTOMER_SCOPES = frozenset({Scope.ACCOUNT_OWN, Scope.PRODUCTS_READ, Scope.ORDERS_OWN})
ROLE_SCOPES = {
    Role.CUSTOMER: CUSTOMER_SCOPES,
    Role.STAFF: CUSTOMER_SCOPES
    | {
        Scope.PRODUCTS_INTERNAL,
        Scope.PRODUCTS_WRITE,
        Scope.INVENTORY_READ,
        Scope.INVENTORY_WRITE,
        Scope.PURCHASES_READ,
        Scope.PURCHASES_WRITE,
        Scope.ORDERS_READ,
        Scope.ORDERS_WRITE,
        Scope.IMPORTS_WRITE,
        Scope.DASHBOARD_READ,
        Scope.CUSTOMERS_READ,
        Scope.WEBHOOKS_READ,
    },
    Role.ADMIN: frozenset(Scope),
}
# An import changes products too.
CHANGING_PRODUCTS = {Scope.PRODUCTS_WRITE, Scope.IMPORTS_WRITE}
NO_SCOPES: frozenset[Scope] = frozenset()
PUBLIC_SCOPES = frozenset({Scope.PRODUCTS_READ})


def scopes_of(role: Role | None) -> frozenset[Scope]:
    """Scopes of a role under the present settings; None is somebody who is not signed in."""
    if role is None:
        return PUBLIC_SCOPES if settings.public_catalog else NO_SCOPES
    if role is Role.STAFF and not settings.staff_can_edit_products:
        return ROLE_SCOPES[role] - CHANGING_PRODUCTS
    return ROLE_SCOPES[role]
