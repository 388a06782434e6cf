from pathlib import Path

from piccolo.conf.apps import AppConfig

from domains.orders.tables import (
    Delivery,
    PurchaseOrder,
    PurchaseOrderLine,
    Receipt,
    ReceiptLine,
    SalesOrder,
    SalesOrderLine,
    SalesRefund,
)

APP_CONFIG = AppConfig(
    app_name="orders",
    migrations_folder_path=str(Path(__file__).parent / "piccolo_migrations"),
    table_classes=[
        SalesOrder,
        SalesOrderLine,
        SalesRefund,
        Delivery,
        PurchaseOrder,
        PurchaseOrderLine,
        Receipt,
        ReceiptLine,
    ],
    migration_dependencies=["domains.accounts.piccolo_app", "domains.catalog.piccolo_app"],
)
