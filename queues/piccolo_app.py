from pathlib import Path

from piccolo.conf.apps import AppConfig

from queues.tables import Schedule, ScheduleRun

APP_CONFIG = AppConfig(
    app_name="queues",
    migrations_folder_path=str(Path(__file__).parent / "piccolo_migrations"),
    table_classes=[Schedule, ScheduleRun],
    migration_dependencies=[],
)
