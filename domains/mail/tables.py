"""Letters: written as rows first, in the transaction of what they tell of, then sent by a job."""

from enum import StrEnum

from piccolo.columns import Integer, Serial, Text, Timestamptz, Varchar
from piccolo.columns.defaults import TimestamptzNow
from piccolo.table import Table


class MailState(StrEnum):
    """pending: to be sent, or tried again, at `next_attempt_at`; sent and failed are final."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class Mail(Table):
    """One letter to one address. While it is being sent `next_attempt_at` is its lease; afterwards, when it ended."""

    id: Serial
    to = Varchar(length=254)
    template = Varchar(length=50)
    subject = Text()
    text = Text()
    html = Text()
    state = Varchar(length=20, default=MailState.PENDING, choices=MailState)
    attempts = Integer(default=0)
    next_attempt_at = Timestamptz(default=TimestamptzNow())
    last_error = Text(default="")
    created_at = Timestamptz(default=TimestamptzNow())
    sent_at = Timestamptz(null=True, default=None)
