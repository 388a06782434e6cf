from pathlib import Path

from piccolo.conf.apps import AppConfig

from domains.shopify.tables import InboundWebhook, ParkedSku, ShopifyListed, ShopifyReconciliation, ShopifyVersion

APP_CONFIG = AppConfig(
    app_name="shopify",
    migrations_folder_path=str(Path(__file__).parent / "piccolo_migrations"),
    table_classes=[InboundWebhook, ShopifyVersion, ParkedSku, ShopifyReconciliation, ShopifyListed],
    migration_dependencies=["domains.catalog.piccolo_app", "domains.orders.piccolo_app"],
)
