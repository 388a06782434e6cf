"""The tables as the admin site shows them: the same rows without the columns that nobody should see.

What is not in a view can be neither shown, nor filtered or sorted by, whatever a request asks for.
"""

from collections.abc import Collection

from piccolo.columns import Column, ForeignKey
from piccolo.columns.readable import Readable
from piccolo.table import Table, create_table_class

from domains.accounts import tables as accounts
from domains.catalog import tables as catalog
from domains.events import tables as events
from domains.imports import tables as imports
from domains.mail import tables as mail
from domains.orders import tables as orders
from domains.shopify import tables as shopify
from domains.webhooks import tables as webhooks
from queues import tables as queues

_views: dict[str, type[Table]] = {}


def view(table: type[Table], help_text: str, *, called: str = "id", hidden: Collection[str] = ()) -> type[Table]:
    """`called` is the column that names a row where others refer to it; what they refer to needs its view first.

    It is never one of Piccolo's users, whose passwords its CRUD would set by itself.
    """
    shown = {name: column for name, column in columns_of(table).items() if name not in hidden}

    def get_readable(cls: type[Table]) -> Readable:
        return Readable("%s", [columns_of(cls)[called]])

    members = {name: _copy(column) for name, column in shown.items()} | {"get_readable": classmethod(get_readable)}
    options = {"tablename": table._meta.tablename, "help_text": help_text}
    made = create_table_class(table.__name__, class_kwargs=options, class_members=members)
    return _views.setdefault(table._meta.tablename, made)


def columns_of(table: type[Table]) -> dict[str, Column]:
    return {column._meta.name: column for column in table._meta.columns}


def _copy(column: Column) -> Column:
    if not isinstance(column, ForeignKey):
        return column.copy()
    referred = _views[column._foreign_key_meta.resolved_references._meta.tablename]
    return ForeignKey(**column._meta.params | {"references": referred})


User = view(
    accounts.User,
    "People who may sign in. A change of role or e-mail address and deactivation end their sessions at once.",
    called="username",
    hidden={"password", "last_login"},
)
Product = view(
    catalog.Product, "What we sell. Stock is changed by imports, orders and the stock API, not here.", called="sku"
)
BulkJob = view(catalog.BulkJob, "Changes of many products that went on in the background.", hidden={"lease_until"})
Location = view(catalog.Location, "Places where stock lies. Exactly one is the default.", called="code")
StockLevel = view(catalog.StockLevel, "How much of a product lies where.")
StockMovement = view(catalog.StockMovement, "The ledger: every change of a stock level. It is only ever added to.")
LowStockNotification = view(
    catalog.LowStockNotification, "Products whose stock has fallen below their threshold, until it is back."
)
SalesOrder = view(orders.SalesOrder, "What was sold. Orders do not change; they are cancelled.", called="number")
SalesOrderLine = view(orders.SalesOrderLine, "What was sold of each product, at the price of that time.")
SalesRefund = view(
    orders.SalesRefund, "Money that a Shopify shop gave back. Stock that came back is in the shop's levels."
)
Delivery = view(orders.Delivery, "What is on its way to whom, and who brings it.")
PurchaseOrder = view(orders.PurchaseOrder, "What was ordered from suppliers.", called="number")
PurchaseOrderLine = view(orders.PurchaseOrderLine, "What was ordered of each product, and how much of it has come.")
Receipt = view(orders.Receipt, "What came of a purchase order at one time.")
ReceiptLine = view(orders.ReceiptLine, "How much of each ordered line came with a receipt.")
Schedule = view(queues.Schedule, "Jobs that run by the clock.", called="name")
ScheduleRun = view(queues.ScheduleRun, "How each run of a schedule went.", hidden={"lease_until"})
ImportJob = view(
    imports.ImportJob,
    "Every import, how far it is and how it ended.",
    called="filename",
    hidden={"lease_until", "file_key"},
)
ImportRowError = view(imports.ImportRowError, "Rows that an import rejected, and why.")
ImportPreviewRow = view(imports.ImportPreviewRow, "What a dry run of an import would do.")
ApiKey = view(accounts.ApiKey, "Machines that act in the name of their owner.", called="name", hidden={"digest"})
OneTimeCode = view(
    accounts.OneTimeCode, "Codes that were mailed; what they are is not kept.", hidden={"link_digest", "code_digest"}
)
KnownAddress = view(accounts.KnownAddress, "Networks where users have signed in, so that strangers lock nobody out.")
Mail = view(mail.Mail, "Letters and their fate. Texts are not shown: they may hold codes.", hidden={"text", "html"})
Event = view(events.Event, "What happened, who did it and from where. It is only ever added to.")
WebhookEndpoint = view(
    webhooks.WebhookEndpoint,
    "Other systems that are told what happens here. Their secrets are shown once, where they are made.",
    called="url",
    hidden={"secrets"},
)
WebhookDelivery = view(
    webhooks.WebhookDelivery, "One event for one endpoint, and whether it has arrived.", hidden={"locked_until", "step"}
)
WebhookAttempt = view(webhooks.WebhookAttempt, "Every request that was made, with what came back. Kept for 30 days.")
WebhookTally = view(webhooks.WebhookTally, "Of each endpoint by day (UTC): what arrived, what was given up.")
InboundWebhook = view(
    shopify.InboundWebhook,
    "What Shopify told, with its body, and what became of it. Kept for 30 days, or 90 if unsettled.",
)
ShopifyReconciliation = view(
    shopify.ShopifyReconciliation,
    "Every comparison of all we have with the shop. Kept for 90 days.",
    hidden={"progress"},
)
