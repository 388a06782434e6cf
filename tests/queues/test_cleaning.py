"""What has had its time goes, by the job that schedules call."""

from piccolo_conf import execute, fetch
from queues.cleaning import Cleaning, clean_up

FILL = """
INSERT INTO webhook_endpoint (url, event_types) VALUES ('https://example.com/', '{*}');
INSERT INTO event (topic, subject, source, relayed_at) SELECT 'a.b', 'a:1', 'sql', now() FROM generate_series(1, 3);
INSERT INTO webhook_delivery (event, endpoint, state, delivered_at, created_at)
    SELECT id, 1, CASE id WHEN 1 THEN 'pending' ELSE 'delivered' END, CASE id WHEN 1 THEN NULL ELSE now() - age END,
        now() - age
    FROM event, LATERAL (SELECT CASE id WHEN 3 THEN interval '29 days' ELSE interval '31 days' END AS age) AS old;
INSERT INTO webhook_attempt (delivery, endpoint, started_at) SELECT id, 1, created_at FROM webhook_delivery;
"""


async def test_webhooks_that_are_over_go_after_a_month_and_what_is_owed_stays(database: None):
    await execute(FILL)
    await clean_up(what=Cleaning.ATTEMPTS)
    assert [row["event"] for row in await fetch("SELECT event FROM webhook_delivery ORDER BY id")] == [1, 3]
    assert [row["started_at"] for row in await fetch("SELECT started_at FROM webhook_attempt")]
    assert len(await fetch("SELECT FROM webhook_attempt")) == 1
