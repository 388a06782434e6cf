from pathlib import Path

from piccolo.conf.apps import AppConfig

from domains.imports.tables import ImportJob, ImportRowError

APP_CONFIG = AppConfig(
    app_name="imports",
    migrations_folder_path=str(Path(__file__).parent / "piccolo_migrations"),
    table_classes=[ImportJob, ImportRowError],
    migration_dependencies=["domains.accounts.piccolo_app", "domains.catalog.piccolo_app"],
)
