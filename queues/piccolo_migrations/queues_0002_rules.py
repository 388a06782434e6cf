"""What the database itself keeps for schedules, and those that every installation begins with."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T17:00:00:000002"
VERSION = "1.38.0"
DESCRIPTION = "Constraints and indexes of schedules, and the first schedules"

RULES = """
ALTER TABLE schedule ADD CONSTRAINT schedule_name_given CHECK (btrim(name) <> '');
ALTER TABLE schedule ADD CONSTRAINT schedule_arguments_named CHECK (jsonb_typeof(arguments) = 'object');
CREATE INDEX schedule_due ON schedule (next_run_at) WHERE enabled;
CREATE UNIQUE INDEX schedule_run_key ON schedule_run (schedule, due_at);
CREATE UNIQUE INDEX schedule_run_unfinished ON schedule_run (schedule, state) WHERE state IN ('pending', 'running');
ALTER TABLE schedule_run
    ADD CONSTRAINT schedule_run_state_known CHECK (state IN ('pending', 'running', 'done', 'failed'))
"""

SEEDS = """
INSERT INTO schedule (name, job, cron, arguments) VALUES
    ('Low-stock check', 'check_low_stock', '*/10 * * * *', '{}'),
    ('Ledger proof', 'prove_stock', '30 3 * * *', '{}'),
    ('Clean up codes', 'clean_up', '7 * * * *', '{"what": "codes"}'),
    ('Clean up sessions', 'clean_up', '12 * * * *', '{"what": "sessions"}'),
    ('Clean up idempotency records', 'clean_up', '17 * * * *', '{"what": "idempotency_records"}'),
    ('Clean up files', 'clean_up', '22 * * * *', '{"what": "files"}'),
    ('Clean up mail', 'clean_up', '27 * * * *', '{"what": "mail"}'),
    ('Clean up attempts', 'clean_up', '32 * * * *', '{"what": "attempts"}'),
    ('Clean up notifications', 'clean_up', '37 * * * *', '{"what": "notifications"}'),
    ('Clean up schedule runs', 'clean_up', '42 * * * *', '{"what": "schedule_runs"}')
"""

UNDO = """
DELETE FROM schedule;
DROP INDEX schedule_due, schedule_run_key, schedule_run_unfinished;
ALTER TABLE schedule DROP CONSTRAINT schedule_name_given, DROP CONSTRAINT schedule_arguments_named;
ALTER TABLE schedule_run DROP CONSTRAINT schedule_run_state_known
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "queues", DESCRIPTION, RULES, SEEDS, undo=UNDO)
