"""Every table of the admin site: its group, the columns of its list, its filters and its order. New tables go here."""

from typing import Any

from piccolo.table import Table
from piccolo_admin.endpoints import TableConfig
from piccolo_api.crud.endpoints import OrderBy

from admin import views
from admin.views import columns_of

CATALOGUE, STOCK, SALES, PURCHASES = "Catalogue", "Stock", "Sales", "Purchases"
IMPORTS, SCHEDULES, ACCOUNTS, MAIL, LOG = "Imports", "Schedules", "Accounts", "Mail", "Log"
WEBHOOKS, SHOPIFY = "Webhooks", "Shopify"


def show(table: type[Table], group: str, *, columns: str, filters: str, order: str = "-id", link: str = "id") -> Any:
    """Names of columns are separated by spaces; "-created_at" puts the latest first."""
    known = columns_of(table)
    by = known[order.removeprefix("-")]
    return TableConfig(
        table_class=table,
        menu_group=group,
        visible_columns=[known[name] for name in columns.split()],
        visible_filters=[known[name] for name in filters.split()],
        link_column=known[link],
        order_by=[OrderBy(by, ascending=not order.startswith("-"))],
    )


TABLES = [
    show(
        views.Product,
        CATALOGUE,
        columns="id sku name price currency inventory_quantity is_active brand product_type updated_at",
        filters="sku name price inventory_quantity is_active brand product_type condition gender created_at updated_at",
        link="sku",
    ),
    show(
        views.BulkJob,
        CATALOGUE,
        columns="id kind status matched changed requested_by failure_reason created_at completed_at",
        filters="kind status requested_by created_at",
        order="-created_at",
    ),
    show(
        views.Location,
        STOCK,
        columns="id code name is_default is_active",
        filters="code name is_active",
        order="id",
        link="code",
    ),
    show(views.StockLevel, STOCK, columns="id product location on_hand", filters="product location on_hand"),
    show(
        views.StockMovement,
        STOCK,
        columns="id occurred_at sku location delta on_hand_after reason reference actor_id",
        filters="occurred_at sku product_id location delta reason reference actor_id",
    ),
    show(
        views.LowStockNotification,
        STOCK,
        columns="id created_at sku message stock threshold read_at resolved_at",
        filters="sku product stock created_at read_at resolved_at",
    ),
    show(
        views.SalesOrder,
        SALES,
        columns="number status customer customer_name email total currency source shopify_order_name placed_at",
        filters="number status customer customer_name email total source shopify_order_name shopify_shop placed_at",
        link="number",
    ),
    show(
        views.SalesOrderLine,
        SALES,
        columns="id sales_order sku name unit_price quantity",
        filters="sales_order product sku name",
    ),
    show(
        views.SalesRefund,
        SALES,
        columns="id sales_order amount note refunded_at shopify_refund_id",
        filters="sales_order amount refunded_at shopify_refund_id",
    ),
    show(
        views.Delivery,
        SALES,
        columns="id sales_order tracking_number carrier status assigned_to shipped_at delivered_at",
        filters="sales_order tracking_number carrier status assigned_to shipped_at delivered_at",
    ),
    show(
        views.PurchaseOrder,
        PURCHASES,
        columns="number status supplier_name purchase_on total currency created_by",
        filters="number status supplier_name purchase_on total created_by",
        link="number",
    ),
    show(
        views.PurchaseOrderLine,
        PURCHASES,
        columns="id purchase_order sku name unit_cost quantity received_quantity cancelled_quantity",
        filters="purchase_order product sku name",
    ),
    show(
        views.Receipt,
        PURCHASES,
        columns="id purchase_order location received_by received_at reversed_at note",
        filters="purchase_order location received_by received_at reversed_at",
    ),
    show(views.ReceiptLine, PURCHASES, columns="id receipt order_line quantity", filters="receipt order_line"),
    show(
        views.Schedule,
        SCHEDULES,
        columns="name job cron timezone enabled next_run_at last_run_at last_status",
        filters="name job enabled last_status",
        order="name",
        link="name",
    ),
    show(
        views.ScheduleRun,
        SCHEDULES,
        columns="id schedule due_at trigger state started_at finished_at detail",
        filters="schedule state trigger due_at",
    ),
    show(
        views.ImportJob,
        IMPORTS,
        columns="filename status total_rows processed_rows created updated unchanged error_count requested_by "
        "created_at",
        filters="filename status source policy dry_run failure_reason requested_by created_at",
        order="-created_at",
        link="filename",
    ),
    show(
        views.ImportRowError,
        IMPORTS,
        columns="id job row_number sku field message",
        filters="job row_number sku field message",
    ),
    show(
        views.ImportPreviewRow,
        IMPORTS,
        columns="id job row_number sku action changes",
        filters="job row_number sku action",
    ),
    show(
        views.WebhookEndpoint,
        WEBHOOKS,
        columns="id url event_types include_bulk is_enabled disabled_reason failing_since created_by created_at",
        filters="url is_enabled disabled_reason include_bulk created_by created_at",
        link="url",
    ),
    show(
        views.WebhookDelivery,
        WEBHOOKS,
        columns="id created_at endpoint event state attempt last_status_code last_error next_attempt_at delivered_at",
        filters="endpoint state trigger last_status_code last_error created_at event",
    ),
    show(
        views.WebhookAttempt,
        WEBHOOKS,
        columns="id started_at endpoint delivery number trigger status_code error_class duration_ms response_excerpt",
        filters="endpoint delivery trigger status_code error_class started_at",
    ),
    show(
        views.WebhookTally,
        WEBHOOKS,
        columns="id day endpoint_id delivered failed failed_attempts",
        filters="day endpoint_id",
    ),
    show(
        views.InboundWebhook,
        SHOPIFY,
        columns="id received_at topic subject shop state reason detail attempts next_attempt_at processed_at",
        filters="topic subject shop state reason webhook_id awaits received_at",
    ),
    show(
        views.ShopifyReconciliation,
        SHOPIFY,
        columns="id started_at state dry_run detail finished_at",
        filters="state dry_run started_at",
    ),
    show(
        views.User,
        ACCOUNTS,
        columns="id username email first_name last_name role active email_verified_at created_at last_login_at",
        filters="username email first_name last_name role active created_at last_login_at",
        link="username",
    ),
    show(
        views.ApiKey,
        ACCOUNTS,
        columns="id name owner prefix scopes created_at expires_at last_used_at revoked_at",
        filters="name owner prefix created_at expires_at revoked_at",
        link="name",
    ),
    show(
        views.OneTimeCode,
        ACCOUNTS,
        columns="id user purpose email attempts created_at code_expires_at expires_at used_at",
        filters="user purpose email created_at used_at",
    ),
    show(views.KnownAddress, ACCOUNTS, columns="id user network seen_at", filters="user network seen_at"),
    show(
        views.Mail,
        MAIL,
        columns="to subject template state attempts last_error created_at sent_at",
        filters="to subject template state created_at sent_at",
        link="to",
    ),
    show(
        views.Event,
        LOG,
        columns="id occurred_at topic subject actor source reference changes",
        filters="occurred_at topic product_id subject actor source reference bulk",
    ),
]

SIDEBAR = {
    "Stock": "./pages/stock/",
    "Adjust stock": "./pages/stock/adjust/",
    "Transfer stock": "./pages/stock/transfer/",
    "Schedules": "./pages/schedules/",
    "Find and change products": "./pages/products/",
    "Rows by date": "./pages/dates/products/",
    "Failed webhooks": "./pages/webhooks/",
    "Shopify: process again": "./pages/shopify/",
    "Queues": "./pages/queues/",
    "Two-step sign-in": "./pages/authenticator/",
}

# Rows of these lead to a page of ours instead of Piccolo's form.
ROW_PAGES = {"sales_order": "./pages/orders/{}/", "purchase_order": "./pages/purchases/{}/"}

# Rows of these are made on a page of the shop.
MAKERS = {"webhook_endpoint": "/webhooks/create/"}

# What stands above the form of a row: text and address, with the row's id for {}.
LINKS = {
    "product": [("Adjust its stock", "./pages/stock/adjust/?product={}"), ("History", "./pages/history/{}/")],
    "sales_order": [("The order's page", ROW_PAGES["sales_order"])],
    "schedule": [("Its runs, and to run it now", "./pages/schedules/{}/")],
    "purchase_order": [("The purchase's page", ROW_PAGES["purchase_order"])],
    "webhook_endpoint": [
        ("Its page: test, secret, log", "/webhooks/{}/"),
        ("What failed there", "./pages/webhooks/?endpoint={}"),
    ],
    "webhook_delivery": [("Send it again, if it failed", "./pages/webhooks/?ids={}")],
    "inbound_webhook": [("Process it again", "./pages/shopify/?ids={}")],
}
