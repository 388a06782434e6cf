"""What the database itself keeps for mail."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T14:00:00:000002"
VERSION = "1.38.0"
DESCRIPTION = "Constraints and indexes of mail"

RULES = """
CREATE INDEX mail_due ON mail (next_attempt_at) WHERE state = 'pending';
ALTER TABLE mail
    ADD CONSTRAINT mail_state_known CHECK (state IN ('pending', 'sent', 'failed')),
    ADD CONSTRAINT mail_sent_has_its_time CHECK ((state = 'sent') = (sent_at IS NOT NULL))
"""

UNDO = """
DROP INDEX mail_due;
ALTER TABLE mail DROP CONSTRAINT mail_state_known, DROP CONSTRAINT mail_sent_has_its_time
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "mail", DESCRIPTION, RULES, undo=UNDO)
