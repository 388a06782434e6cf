from pathlib import Path

from piccolo.conf.apps import AppConfig

from domains.webhooks.tables import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookTally

APP_CONFIG = AppConfig(
    app_name="webhooks",
    migrations_folder_path=str(Path(__file__).parent / "piccolo_migrations"),
    table_classes=[WebhookEndpoint, WebhookDelivery, WebhookAttempt, WebhookTally],
    migration_dependencies=["domains.accounts.piccolo_app", "domains.events.piccolo_app"],
)
