"""Whatever stands in the payloads of orders, refunds and people: it is settled with a reason, and nothing breaks."""

import random
from typing import Any

import pytest

from piccolo_conf import execute, fetch
from tests.shopify.making import load, send, settle

JUNK: list[Any] = [
    None,
    "",
    "x",
    "\0",
    "Ä\u2028" * 400,
    "-1",
    -1,
    0,
    1.5,
    1e300,
    2**31,
    2**63,
    2**70,
    True,
    "NaN",
    "1E+99",
]
JUNK += [[], {}, [[]], [None], {"id": None}, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 10**18, "٣"]
TOPICS = {
    "orders/create": "order",
    "orders/cancelled": "order",
    "refunds/create": "refund",
    "customers/data_request": "data_request",
    "customers/redact": "customer_redaction",
    "shop/redact": "shop_redaction",
    "app/uninstalled": "app_uninstalled",
}


def mangle(thing: Any, dice: random.Random) -> Any:
    """A part of it, at any depth, is something else or gone."""
    if not isinstance(thing, dict | list) or not thing or dice.random() < 0.1:
        return dice.choice(JUNK)
    place = dice.choice(list(thing) if isinstance(thing, dict) else range(len(thing)))
    changed = thing.copy()
    if dice.random() < 0.2:
        del changed[place]
    else:
        changed[place] = mangle(thing[place], dice)
    return changed


@pytest.mark.parametrize("seed", range(8))
async def test_mangled_payloads_end_settled_and_never_break_anything(seed, client):
    dice = random.Random(seed)
    for _ in range(40):
        topic = dice.choice(list(TOPICS))
        payload = load(TOPICS[topic])
        for _ in range(dice.randint(1, 3)):
            payload = mangle(payload, dice)
        assert (await send(client, topic, payload)).status_code in {200, 400}
    for _turn in range(3):
        await settle()
        # The end of a shop waits for what others have in hand.
        await execute("UPDATE inbound_webhook SET next_attempt_at = now() WHERE state = 'pending'")
    rows = await fetch(
        "SELECT topic, state, reason, detail FROM inbound_webhook WHERE state = 'pending' OR reason = 'internal'"
    )
    assert [dict(row) for row in rows] == []


async def test_something_of_each_topic_is_processed_unmangled(client):
    for topic, name in TOPICS.items():
        await send(client, topic, load(name))
        await settle()
    rows = await fetch("SELECT topic FROM inbound_webhook WHERE state <> 'processed' ORDER BY topic")
    assert [row["topic"] for row in rows] == []
