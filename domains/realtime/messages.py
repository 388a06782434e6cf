"""An event of the log as a message of the feed."""

from collections.abc import Mapping
from typing import Any

import asyncpg
import msgspec

from domains.realtime.schemas import FeedEvent, Message
from domains.realtime.sentences import tell_event

# What a message needs of an event.
# Of long texts, which an event holds up to three times, only the beginning: a thousand whole ones would not fit into a
# process. The single events of bulk changes are not told at all.
COLUMNS = """
    event.id, event.topic, event.occurred_at, event.relayed_at, event.actor, event.source, event.reference, event.bulk,
    event.subject, event.product_id,
    CASE WHEN event.bulk THEN NULL
         WHEN jsonb_typeof(event.changes) <> 'object' OR octet_length(event.changes::text) <= 4000 THEN event.changes
         ELSE (
             SELECT jsonb_object_agg(key, (
                 SELECT jsonb_agg(CASE WHEN octet_length(side::text) <= 1000 THEN side
                                       ELSE to_jsonb(left(side #>> '{}', 1001)) END ORDER BY place)
                 FROM jsonb_array_elements(pair) WITH ORDINALITY AS sides (side, place)
             ))
             FROM jsonb_each(event.changes) AS found (key, pair) WHERE jsonb_typeof(pair) = 'array'
         ) END AS changes,
    CASE WHEN event.bulk THEN NULL
         WHEN jsonb_typeof(event.data) <> 'object' THEN event.data
         ELSE event.data - '{description,attributes}'::text[] END AS data
"""
# Orders and purchases have readers of their own; whoever follows products reads of products.
ACTIONS = {
    "product.created": "created",
    "product.updated": "updated",
    "product.deleted": "deleted",
    "products.bulk_updated": "products.bulk_updated",
    "products.bulk_deleted": "products.bulk_deleted",
    "import.completed": "import.completed",
    "import.failed": "import.failed",
    "inventory.low": "inventory.low",
}
FOLLOWED = tuple(ACTIONS)
# The whole text of a description stands in the product's history.
LONGEST_VALUE = 1_000
OBJECT = msgspec.json.Decoder(dict[str, Any])
PAIRS = msgspec.json.Decoder(dict[str, tuple[Any, Any]])


def make_message(row: asyncpg.Record) -> Message:
    """From a row with COLUMNS, `changes` and `data` as JSON text."""
    data = OBJECT.decode(row["data"]) if row["data"] else {}
    changes = PAIRS.decode(row["changes"]) if row["changes"] else {}
    sentence = tell_event(row["topic"], row["subject"], data, changes)
    return Message(action=ACTIONS[row["topic"]], message=sentence, event=_shape(row, data, changes))


def _shape(row: asyncpg.Record, data: Mapping[str, Any], changes: Mapping[str, tuple[Any, Any]]) -> FeedEvent:
    is_product = row["product_id"] is not None
    return FeedEvent(
        id=row["id"],
        topic=row["topic"],
        occurred_at=row["occurred_at"],
        actor=row["actor"],
        source=row["source"],
        reference=row["reference"],
        subject=row["subject"],
        product_id=row["product_id"],
        sku=data.get("sku") if is_product else None,
        name=data.get("name") if is_product else None,
        version=data.get("version") if is_product else None,
        changes={name: (_short(old), _short(new)) for name, (old, new) in changes.items()},
    )


def _short(value: Any) -> Any:
    """A long text by its beginning; so too what is deep, as JSON."""
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        return f"{value[:LONGEST_VALUE]}…"
    if isinstance(value, dict | list):
        written = msgspec.json.encode(value).decode()
        return value if len(written) <= LONGEST_VALUE else f"{written[:LONGEST_VALUE]}…"
    return value
