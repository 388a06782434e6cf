"""The page "Failed webhooks": deliveries that failed are sent again."""

from admin.forms import read_number_or_text
from admin.repeating import READERS, Options, Repeat, Words
from domains.webhooks import resending
from domains.webhooks.jobs import deliver_due
from domains.webhooks.resending import MOST_AT_ONCE, CountDiffers, Failed
from domains.webhooks.topics import EventType
from piccolo_conf import fetch

LONGEST_URL = 70
ENDPOINTS = "SELECT id, url, is_enabled FROM webhook_endpoint ORDER BY id"


async def _find_options() -> Options:
    endpoints = [
        (str(row["id"]), _shorten(row["url"]) + ("" if row["is_enabled"] else " (switched off)"))
        for row in await fetch(ENDPOINTS)
    ]
    return {"endpoint": [("", "any"), *endpoints], "event_type": [("", "any"), *((name, name) for name in EventType)]}


def _shorten(url: str) -> str:
    return url if len(url) <= LONGEST_URL else f"{url[:LONGEST_URL]}…"


PAGE = Repeat(
    path="webhooks",
    words=Words("delivery", "deliveries", "send", "sent"),
    labels={
        "endpoint": "Endpoint",
        "event_type": "Event",
        "since": "Made from",
        "until": "Made before",
        "ids": "Only these ids",
    },
    wanted=Failed,
    most=MOST_AT_ONCE,
    options=_find_options,
    count=resending.count_failed,
    list_latest=resending.list_failed,
    repeat=resending.resend_failed,
    differs=CountDiffers,
    ring=deliver_due.later,
    table="webhook_delivery",
    tries="step",
    readers={**READERS, "endpoint": read_number_or_text},
)
