"""What happened: the append-only log that history, webhooks, the live feed, reports and undo all read."""

from piccolo.columns import JSONB, BigSerial, Boolean, Integer, Text, Timestamptz, Varchar
from piccolo.columns.defaults import TimestamptzNow
from piccolo.table import Table


class Event(Table):
    """`changes` holds {"price": ["19.99", "24.99"]}; `data` the row after the change, or before a deletion."""

    id = BigSerial(primary_key=True)
    topic = Varchar(length=60)
    product_id = Integer(null=True, default=None)
    subject = Varchar(length=80)
    actor_id = Integer(null=True, default=None)
    actor = Text(default="")
    source = Varchar(length=20)
    reference = Text(default="")
    bulk = Boolean(default=False)
    changes = JSONB(null=True, default=None)
    data = JSONB(null=True, default=None)
    occurred_at = Timestamptz(default=TimestamptzNow())
    relayed_at = Timestamptz(null=True, default=None)
