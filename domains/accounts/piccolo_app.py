from pathlib import Path

from piccolo.conf.apps import AppConfig

from domains.accounts.tables import (
    AdminSession,
    ApiKey,
    Avatar,
    IdempotencyRecord,
    KnownAddress,
    OneTimeCode,
    Session,
    User,
)

APP_CONFIG = AppConfig(
    app_name="accounts",
    migrations_folder_path=str(Path(__file__).parent / "piccolo_migrations"),
    table_classes=[User, Session, AdminSession, OneTimeCode, ApiKey, KnownAddress, Avatar, IdempotencyRecord],
    migration_dependencies=[],
)
