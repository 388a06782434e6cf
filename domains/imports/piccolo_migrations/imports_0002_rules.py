"""What the database itself keeps for imports."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T12:00:00:000002"
VERSION = "1.38.0"
DESCRIPTION = "Indexes of imports"

RULES = """
CREATE INDEX import_job_created ON import_job (created_at);
CREATE INDEX import_job_unfinished ON import_job (created_at) WHERE status IN ('pending', 'importing');
CREATE INDEX import_job_digest ON import_job (file_digest) WHERE status IN ('pending', 'importing');
CREATE INDEX import_job_file ON import_job (completed_at) WHERE file_key IS NOT NULL;
CREATE UNIQUE INDEX import_row_error_key ON import_row_error (job, row_number);
CREATE UNIQUE INDEX import_preview_row_key ON import_preview_row (job, row_number)
"""

UNDO = """
DROP INDEX import_job_created, import_job_unfinished, import_job_digest, import_job_file, import_row_error_key,
    import_preview_row_key
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "imports", DESCRIPTION, RULES, undo=UNDO)
