from pathlib import Path

from piccolo.conf.apps import AppConfig

from domains.imports.tables import ImportJob, ImportPreviewRow, ImportRowError

APP_CONFIG = AppConfig(
    app_name="imports",
    migrations_folder_path=str(Path(__file__).parent / "piccolo_migrations"),
    table_classes=[ImportJob, ImportPreviewRow, ImportRowError],
    migration_dependencies=["domains.accounts.piccolo_app", "domains.catalog.piccolo_app"],
)
