"""What the database itself keeps for codes, API keys and known addresses."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T14:00:00:000004"
VERSION = "1.38.0"
DESCRIPTION = "Constraints and indexes of codes, API keys and known addresses"

# Until now there was no sign-up: every user was made by an administrator, who knew the address.
RULES = """
UPDATE users SET email_verified_at = created_at WHERE email_verified_at IS NULL;
CREATE UNIQUE INDEX one_time_code_unused ON one_time_code ("user", purpose) WHERE used_at IS NULL;
ALTER TABLE one_time_code
    ADD CONSTRAINT one_time_code_purpose_known CHECK (purpose IN ('verify_email', 'reset_password', 'change_email')),
    ADD CONSTRAINT one_time_code_attempts_counted CHECK (attempts >= 0);
ALTER TABLE api_key ADD CONSTRAINT api_key_is_named CHECK (name <> '');
CREATE UNIQUE INDEX known_address_user_network_key ON known_address ("user", network);
CREATE UNIQUE INDEX admin_session_token_key ON admin_session (token);
CREATE INDEX admin_session_user ON admin_session (user_id)
"""

UNDO = """
DROP INDEX one_time_code_unused, known_address_user_network_key, admin_session_token_key, admin_session_user;
ALTER TABLE one_time_code
    DROP CONSTRAINT one_time_code_purpose_known,
    DROP CONSTRAINT one_time_code_attempts_counted;
ALTER TABLE api_key DROP CONSTRAINT api_key_is_named
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "accounts", DESCRIPTION, RULES, undo=UNDO)
