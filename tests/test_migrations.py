"""What a migration of rules does can be taken back, and done again."""

from types import ModuleType

import pytest

from domains.catalog.piccolo_migrations import catalog_0005_rules, catalog_0006_rules
from domains.events.piccolo_migrations import events_0003_rules, events_0004_rules
from domains.orders.piccolo_migrations import orders_0002_rules
from domains.shopify.piccolo_migrations import shopify_0005_rules
from domains.webhooks.piccolo_migrations import webhooks_0002_rules
from piccolo_conf import transaction
from queues.piccolo_migrations import queues_0002_rules, queues_0003_shopify

RULES = [
    catalog_0005_rules,
    catalog_0006_rules,
    events_0003_rules,
    events_0004_rules,
    orders_0002_rules,
    queues_0002_rules,
    queues_0003_shopify,
    shopify_0005_rules,
    webhooks_0002_rules,
]


class Undone(Exception):
    """Ends the transaction, so that the tables stay as they were."""


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.__name__.rpartition(".")[2])
async def test_rules_are_taken_back_whole(database: None, rules: ModuleType) -> None:
    scripts = [value for name, value in vars(rules).items() if name.isupper() and isinstance(value, str)]
    forwards = [script for script in scripts if script.startswith("\n") and script != rules.UNDO]
    with pytest.raises(Undone):
        async with transaction() as connection:
            await connection.execute(rules.UNDO)
            for script in forwards:
                await connection.execute(script)
            raise Undone
    assert forwards
