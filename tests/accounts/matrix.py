"""Who may use each route: written by hand, so that a guard that is wrong differs from it.

A new route without a row here fails `test_matrix.py`.
"""

from enum import StrEnum


class Admits(StrEnum):
    """The least that a caller must be; whoever is more may too."""

    ANYONE = "anyone"
    CUSTOMER = "customer"
    STAFF = "staff"
    ADMIN = "admin"


ANYONE, CUSTOMER, STAFF, ADMIN = Admits

MATRIX = {
    # Signing in and out.
    "POST /auth/jwt/create": ANYONE,
    "POST /auth/jwt/refresh": ANYONE,
    "POST /auth/jwt/verify": ANYONE,
    "POST /auth/google": ANYONE,
    "POST /auth/logout": CUSTOMER,
    "GET /auth/check": ANYONE,
    # One's own account, and those of others.
    "POST /auth/users": ANYONE,
    "POST /auth/users/activation": ANYONE,
    "POST /auth/users/resend_activation": ANYONE,
    "POST /auth/users/reset_password": ANYONE,
    "POST /auth/users/reset_password_confirm": ANYONE,
    "POST /auth/users/set_email_confirm": ANYONE,
    "GET /auth/users/me": CUSTOMER,
    "PATCH /auth/users/me": CUSTOMER,
    "DELETE /auth/users/me": CUSTOMER,
    "PUT /auth/users/me/avatar": CUSTOMER,
    "DELETE /auth/users/me/avatar": CUSTOMER,
    "POST /auth/users/set_password": CUSTOMER,
    "POST /auth/users/set_email": CUSTOMER,
    "GET /auth/users/{user_id}/avatar": CUSTOMER,
    "GET /auth/users": ADMIN,
    "GET /auth/users/{user_id}": ADMIN,
    "PATCH /auth/users/{user_id}": ADMIN,
    "DELETE /auth/users/{user_id}": ADMIN,
    "GET /auth/api-keys": CUSTOMER,
    "POST /auth/api-keys": CUSTOMER,
    "DELETE /auth/api-keys/{key_id}": CUSTOMER,
    "GET /api/customers": STAFF,
    "GET /api/customers/{customer_id}": STAFF,
    # Products.
    "GET /api/products": CUSTOMER,
    "POST /api/products": STAFF,
    "GET /api/products/{key}": CUSTOMER,
    "PUT /api/products/{key}": STAFF,
    "PATCH /api/products/{key}": STAFF,
    "DELETE /api/products/{key}": ADMIN,
    "GET /api/products/{key}/history": STAFF,
    "POST /api/products/bulk": STAFF,
    "POST /api/products/bulk-update": STAFF,
    "DELETE /api/products/bulk-delete": ADMIN,
    "GET /api/products/bulk-jobs/{job_id}": STAFF,
    "GET /api/products/export": STAFF,
    "GET /api/filter-options": CUSTOMER,
    # Sales orders and their deliveries.
    "GET /api/sales-orders": CUSTOMER,
    "POST /api/sales-orders": CUSTOMER,
    "GET /api/sales-orders/{order_id}": CUSTOMER,
    "POST /api/sales-orders/{order_id}/cancellation": ADMIN,
    "GET /api/sales-orders/{order_id}/delivery": CUSTOMER,
    "POST /api/sales-orders/{order_id}/delivery": STAFF,
    "PATCH /api/sales-orders/{order_id}/delivery": CUSTOMER,
    "GET /api/deliveries": CUSTOMER,
    # Purchase orders.
    "GET /api/purchase-orders": STAFF,
    "POST /api/purchase-orders": STAFF,
    "GET /api/purchase-orders/{purchase_id}": STAFF,
    "POST /api/purchase-orders/{purchase_id}/receipt": STAFF,
    "POST /api/purchase-orders/{purchase_id}/cancellation": ADMIN,
    "POST /api/purchase-orders/{purchase_id}/receipts/{receipt_id}/reversal": ADMIN,
    # Imports.
    "POST /api/upload": STAFF,
    "GET /api/jobs": STAFF,
    "GET /api/jobs/{job_id}": STAFF,
    "GET /api/jobs/{job_id}/events": STAFF,
    "GET /api/jobs/{job_id}/errors.csv": STAFF,
    "GET /api/jobs/{job_id}/preview": STAFF,
    "POST /api/jobs/{job_id}/cancellation": STAFF,
    "POST /api/jobs/{job_id}/retry": STAFF,
    # Locations and stock.
    "GET /api/locations": STAFF,
    "POST /api/locations": STAFF,
    "GET /api/locations/{location_id}": STAFF,
    "PATCH /api/locations/{location_id}": STAFF,
    "DELETE /api/locations/{location_id}": STAFF,
    "GET /api/stock": STAFF,
    "GET /api/stock/movements": STAFF,
    "POST /api/stock/adjustments": STAFF,
    "POST /api/stock/transfers": STAFF,
    # Low stock.
    "GET /api/notifications": ADMIN,
    "GET /api/notifications/{notification_id}": ADMIN,
    "PATCH /api/notifications/{notification_id}": ADMIN,
    "DELETE /api/notifications/{notification_id}": ADMIN,
    # The dashboard.
    "GET /api/dashboard/stats": STAFF,
    "GET /dashboard": STAFF,
    "GET /dashboard/numbers": STAFF,
    # Webhooks.
    "GET /api/webhooks": STAFF,
    "POST /api/webhooks": ADMIN,
    "GET /api/webhooks/event-types": STAFF,
    "GET /api/webhooks/{endpoint_id}": STAFF,
    "PUT /api/webhooks/{endpoint_id}": ADMIN,
    "PATCH /api/webhooks/{endpoint_id}": ADMIN,
    "DELETE /api/webhooks/{endpoint_id}": ADMIN,
    "POST /api/webhooks/{endpoint_id}/secret-rotation": ADMIN,
    "POST /api/webhooks/{endpoint_id}/test": ADMIN,
    "POST /api/webhooks/{endpoint_id}/recovery": ADMIN,
    "GET /api/webhooks/{endpoint_id}/deliveries": STAFF,
    "GET /api/webhooks/{endpoint_id}/deliveries/{delivery_id}": STAFF,
    "POST /api/webhooks/{endpoint_id}/deliveries/{delivery_id}/redelivery": ADMIN,
    # What Shopify told: its signature is what admits it.
    "POST /api/shopify-webhook": ANYONE,
    "POST /api/shopify-webhook/{shop}": ANYONE,
    "GET /api/shopify-webhooks": STAFF,
    "GET /api/shopify-webhooks/{webhook_id}": STAFF,
    "POST /api/shopify-webhooks/{webhook_id}/reprocessing": ADMIN,
    "GET /api/shopify-reconciliations": STAFF,
    "GET /api/shopify-reconciliations/{reconciliation_id}": STAFF,
    # Live feed.
    "POST /api/feed-tickets": STAFF,
    # Schedules.
    "GET /api/schedules": ADMIN,
    "POST /api/schedules": ADMIN,
    "GET /api/schedules/jobs": ADMIN,
    "GET /api/schedules/{schedule_id}": ADMIN,
    "PATCH /api/schedules/{schedule_id}": ADMIN,
    "DELETE /api/schedules/{schedule_id}": ADMIN,
    "POST /api/schedules/{schedule_id}/run": ADMIN,
    "GET /api/schedules/{schedule_id}/runs": ADMIN,
    # Pages.
    "GET /": ANYONE,
    "GET /static/{name}": ANYONE,
    "GET /accounts/login": ANYONE,
    "POST /accounts/login": ANYONE,
    "GET /accounts/logout": ANYONE,
    "POST /accounts/logout": ANYONE,
    "GET /accounts/register": ANYONE,
    "POST /accounts/register": ANYONE,
    "GET /accounts/verify": ANYONE,
    "POST /accounts/verify": ANYONE,
    "GET /accounts/verify/resend": ANYONE,
    "POST /accounts/verify/resend": ANYONE,
    "GET /accounts/reset": ANYONE,
    "POST /accounts/reset": ANYONE,
    "GET /accounts/reset/confirm": ANYONE,
    "POST /accounts/reset/confirm": ANYONE,
    "GET /accounts/email": ANYONE,
    "POST /accounts/email": ANYONE,
    "GET /accounts/profile": CUSTOMER,
    "POST /accounts/profile": CUSTOMER,
    "GET /accounts/profile/picture": CUSTOMER,
    "POST /accounts/profile/picture": CUSTOMER,
    "GET /accounts/profile/deletion": CUSTOMER,
    "POST /accounts/profile/deletion": CUSTOMER,
    "GET /accounts/profile/security": CUSTOMER,
    "GET /accounts/profile/security/email": CUSTOMER,
    "POST /accounts/profile/security/email": CUSTOMER,
    "GET /accounts/profile/security/password": CUSTOMER,
    "POST /accounts/profile/security/password": CUSTOMER,
    "GET /accounts/profile/security/sessions": CUSTOMER,
    "POST /accounts/profile/security/sessions": CUSTOMER,
    "GET /accounts/profile/api-keys": CUSTOMER,
    "POST /accounts/profile/api-keys": CUSTOMER,
    "GET /accounts/profile/api-keys/revocation": CUSTOMER,
    "POST /accounts/profile/api-keys/revocation": CUSTOMER,
    "GET /webhooks": STAFF,
    "GET /webhooks/create": ADMIN,
    "POST /webhooks/create": ADMIN,
    "GET /webhooks/{endpoint_id}": STAFF,
    "GET /webhooks/{endpoint_id}/settings": ADMIN,
    "POST /webhooks/{endpoint_id}/settings": ADMIN,
    "GET /webhooks/{endpoint_id}/secret-rotation": ADMIN,
    "POST /webhooks/{endpoint_id}/secret-rotation": ADMIN,
    "GET /webhooks/{endpoint_id}/deletion": ADMIN,
    "POST /webhooks/{endpoint_id}/deletion": ADMIN,
    "GET /webhooks/{endpoint_id}/switch": ADMIN,
    "POST /webhooks/{endpoint_id}/switch": ADMIN,
    "GET /webhooks/{endpoint_id}/test": ADMIN,
    "POST /webhooks/{endpoint_id}/test": ADMIN,
    "GET /webhooks/{endpoint_id}/recovery": ADMIN,
    "POST /webhooks/{endpoint_id}/recovery": ADMIN,
    "GET /webhooks/{endpoint_id}/deliveries/{delivery_id}": STAFF,
    "GET /webhooks/{endpoint_id}/deliveries/{delivery_id}/redelivery": ADMIN,
    "POST /webhooks/{endpoint_id}/deliveries/{delivery_id}/redelivery": ADMIN,
    "GET /dashboard/products": STAFF,
    # Health and documentation.
    "GET /health/live": ANYONE,
    "GET /health/ready": ANYONE,
    "GET /api/docs": ANYONE,
    "GET /api/docs/redoc": ANYONE,
    "GET /api/docs/assets/start.js": ANYONE,
    "GET /api/docs/assets/{name}": ANYONE,
    "GET /api/schema": ANYONE,
    "GET /api/schema/openapi.json": ANYONE,
    "GET /api/schema/{path}": ANYONE,
}

# Applications of their own behind a path, with their own sessions and their own tests.
# A WebSocket is none that this table could ask either.
MOUNTS = {"/admin": "tests/admin", "/ws/products": "tests/realtime"}

# Paths with an id that everybody whom the matrix admits may use, because what they name belongs to nobody.
SHARED = {
    "GET /api/products/{key}",
    "POST /api/shopify-webhook/{shop}",
    "GET /api/docs/assets/{name}",
    "GET /api/schema/{path}",
    "GET /static/{name}",
}
