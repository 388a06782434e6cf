"""What the database itself keeps for webhooks."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-20T20:00:00:000002"
VERSION = "1.38.0"
DESCRIPTION = "Constraints and indexes of webhooks"

ENDPOINTS = """
ALTER TABLE webhook_endpoint
    ADD CONSTRAINT webhook_endpoint_url_given CHECK (url <> '' AND url = btrim(url)),
    ADD CONSTRAINT webhook_endpoint_types_given CHECK (cardinality(event_types) > 0),
    ADD CONSTRAINT webhook_endpoint_max_per_second_positive CHECK (max_per_second > 0),
    ADD CONSTRAINT webhook_endpoint_reason_known CHECK (disabled_reason IN ('by_hand', 'gone', 'failing')),
    ADD CONSTRAINT webhook_endpoint_disabled_told
        CHECK (is_enabled = (disabled_reason IS NULL) AND is_enabled = (disabled_at IS NULL))
"""

# An attempt is claimed without touching any index, so there is room on the page for the row's next version.
DELIVERIES = """
ALTER TABLE webhook_delivery
    SET (fillfactor = 75),
    ADD CONSTRAINT webhook_delivery_state_known CHECK (state IN ('pending', 'delivered', 'failed', 'paused')),
    ADD CONSTRAINT webhook_delivery_trigger_known CHECK (trigger IN ('scheduled', 'manual')),
    ADD CONSTRAINT webhook_delivery_delivered_at_known CHECK (state <> 'delivered' OR delivered_at IS NOT NULL);
CREATE UNIQUE INDEX webhook_delivery_key ON webhook_delivery (event, endpoint);
CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint, next_attempt_at, id) WHERE state = 'pending';
CREATE INDEX webhook_delivery_endpoint ON webhook_delivery (endpoint, id);
CREATE INDEX webhook_delivery_unsent ON webhook_delivery (endpoint, id) WHERE state IN ('failed', 'paused');
CREATE INDEX webhook_delivery_created ON webhook_delivery USING brin (created_at) WITH (autosummarize = on)
"""

ATTEMPTS = """
ALTER TABLE webhook_attempt
    ADD CONSTRAINT webhook_attempt_trigger_known CHECK (trigger IN ('scheduled', 'manual', 'test')),
    ADD CONSTRAINT webhook_attempt_test_known CHECK ((trigger = 'test') = (delivery IS NULL));
CREATE UNIQUE INDEX webhook_attempt_key ON webhook_attempt (delivery, number) WHERE delivery IS NOT NULL;
CREATE INDEX webhook_attempt_endpoint ON webhook_attempt (endpoint, id);
CREATE INDEX webhook_attempt_started ON webhook_attempt USING brin (started_at) WITH (autosummarize = on)
"""

TALLY = """
CREATE UNIQUE INDEX webhook_tally_key ON webhook_tally (day, endpoint_id);
CREATE INDEX webhook_tally_endpoint ON webhook_tally (endpoint_id)
"""

UNDO = """
DROP INDEX webhook_delivery_key, webhook_delivery_due, webhook_delivery_endpoint, webhook_delivery_unsent,
    webhook_delivery_created, webhook_attempt_key, webhook_attempt_endpoint, webhook_attempt_started,
    webhook_tally_key, webhook_tally_endpoint;
ALTER TABLE webhook_endpoint
    DROP CONSTRAINT webhook_endpoint_url_given,
    DROP CONSTRAINT webhook_endpoint_types_given,
    DROP CONSTRAINT webhook_endpoint_max_per_second_positive,
    DROP CONSTRAINT webhook_endpoint_reason_known,
    DROP CONSTRAINT webhook_endpoint_disabled_told;
ALTER TABLE webhook_delivery
    RESET (fillfactor),
    DROP CONSTRAINT webhook_delivery_state_known,
    DROP CONSTRAINT webhook_delivery_trigger_known,
    DROP CONSTRAINT webhook_delivery_delivered_at_known;
ALTER TABLE webhook_attempt
    DROP CONSTRAINT webhook_attempt_trigger_known,
    DROP CONSTRAINT webhook_attempt_test_known
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "webhooks", DESCRIPTION, ENDPOINTS, DELIVERIES, ATTEMPTS, TALLY, undo=UNDO)
