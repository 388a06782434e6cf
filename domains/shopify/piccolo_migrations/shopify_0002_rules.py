"""What the database itself keeps for what Shopify tells."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from piccolo_conf import write_in_sql

ID = "2026-11-21T00:00:00:000002"
VERSION = "1.38.0"
DESCRIPTION = "Constraints and indexes of the inbox, of versions and of reconciliations"

INBOX = """
ALTER TABLE inbound_webhook
    ADD CONSTRAINT inbound_webhook_state_known
        CHECK (state IN ('pending', 'processed', 'parked', 'ignored', 'failed')),
    ADD CONSTRAINT inbound_webhook_reason_told
        CHECK (state IN ('pending', 'processed') OR reason IS NOT NULL),
    ADD CONSTRAINT inbound_webhook_processed_at_known CHECK ((state = 'pending') = (processed_at IS NULL)),
    ADD CONSTRAINT inbound_webhook_results_listed CHECK (jsonb_typeof(results) = 'array');
CREATE UNIQUE INDEX inbound_webhook_key ON inbound_webhook (webhook_id, topic, shop);
CREATE INDEX inbound_webhook_due ON inbound_webhook (next_attempt_at, id) WHERE state IN ('pending', 'parked');
CREATE INDEX inbound_webhook_awaits ON inbound_webhook (awaits) WHERE state = 'parked' AND awaits IS NOT NULL;
CREATE INDEX inbound_webhook_unsettled ON inbound_webhook (state, id) WHERE state IN ('pending', 'parked', 'failed');
CREATE INDEX inbound_webhook_topic ON inbound_webhook (topic, id);
CREATE INDEX inbound_webhook_subject ON inbound_webhook (subject, id) WHERE subject <> '';
CREATE INDEX inbound_webhook_customer ON inbound_webhook (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX inbound_webhook_order ON inbound_webhook (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX inbound_webhook_received ON inbound_webhook USING brin (received_at) WITH (autosummarize = on)
"""

VERSIONS = """
ALTER TABLE shopify_version ADD CONSTRAINT shopify_version_kind_known CHECK (
    kind IN ('product', 'item', 'level', 'order', 'refund', 'redacted_customer', 'redacted_order'));
CREATE UNIQUE INDEX shopify_version_key ON shopify_version (shopify_id, kind, location_id)
"""

RECONCILIATIONS = """
ALTER TABLE shopify_reconciliation
    ADD CONSTRAINT shopify_reconciliation_state_known
        CHECK (state IN ('running', 'completed', 'failed', 'interrupted')),
    ADD CONSTRAINT shopify_reconciliation_finished_at_known CHECK ((state = 'running') = (finished_at IS NULL));
CREATE INDEX shopify_reconciliation_running ON shopify_reconciliation (id) WHERE state = 'running'
"""

UNDO = """
DROP INDEX inbound_webhook_key, inbound_webhook_due, inbound_webhook_awaits, inbound_webhook_unsettled,
    inbound_webhook_topic, inbound_webhook_subject, inbound_webhook_customer, inbound_webhook_order,
    inbound_webhook_received, shopify_version_key, shopify_reconciliation_running;
ALTER TABLE inbound_webhook
    DROP CONSTRAINT inbound_webhook_state_known,
    DROP CONSTRAINT inbound_webhook_reason_told,
    DROP CONSTRAINT inbound_webhook_processed_at_known,
    DROP CONSTRAINT inbound_webhook_results_listed;
ALTER TABLE shopify_version DROP CONSTRAINT shopify_version_kind_known;
ALTER TABLE shopify_reconciliation
    DROP CONSTRAINT shopify_reconciliation_state_known,
    DROP CONSTRAINT shopify_reconciliation_finished_at_known
"""


async def forwards() -> MigrationManager:
    return write_in_sql(ID, "shopify", DESCRIPTION, INBOX, VERSIONS, RECONCILIATIONS, undo=UNDO)
