from pathlib import Path

from piccolo.conf.apps import AppConfig

from domains.catalog.tables import BulkJob, Location, LowStockNotification, Product, StockLevel, StockMovement

APP_CONFIG = AppConfig(
    app_name="catalog",
    migrations_folder_path=str(Path(__file__).parent / "piccolo_migrations"),
    table_classes=[Product, Location, StockLevel, StockMovement, LowStockNotification, BulkJob],
    migration_dependencies=["domains.accounts.piccolo_app", "domains.events.piccolo_app"],
)
