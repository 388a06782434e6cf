"""What the database itself keeps for accounts."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T12:00:00:000002"
VERSION = "1.38.0"
DESCRIPTION = "Constraints and indexes of accounts"

RULES = """
CREATE UNIQUE INDEX users_email_lower_key ON users (lower(email));
CREATE UNIQUE INDEX users_username_lower_key ON users (lower(username));
ALTER TABLE users
    ADD CONSTRAINT users_admin_follows_role CHECK (admin = (role = 'admin')),
    ADD CONSTRAINT users_role_known CHECK (role IN ('customer', 'staff', 'admin')),
    ADD CONSTRAINT users_username_is_no_email CHECK (position('@' IN username) = 0);
CREATE UNIQUE INDEX idempotency_record_key ON idempotency_record ("user", key);
CREATE INDEX user_session_recently_revoked ON user_session (revoked_at) WHERE revoked_at IS NOT NULL
"""

UNDO = """
DROP INDEX users_email_lower_key, users_username_lower_key, idempotency_record_key, user_session_recently_revoked;
ALTER TABLE users
    DROP CONSTRAINT users_admin_follows_role,
    DROP CONSTRAINT users_role_known,
    DROP CONSTRAINT users_username_is_no_email
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "accounts", DESCRIPTION, RULES, undo=UNDO)
