"""The page "Shopify: process again": webhooks that failed or are parked are processed again."""

from collections.abc import Iterable

from admin.repeating import READERS, Options, Repeat, Words
from domains.shopify import reprocessing
from domains.shopify.jobs import process_inbox
from domains.shopify.listing import UNSETTLED_REASONS
from domains.shopify.processing import HANDLED
from domains.shopify.reprocessing import MOST_AT_ONCE, CountDiffers, Wanted
from domains.shopify.tables import InboundState

STATES = (InboundState.FAILED, InboundState.PARKED)


async def _find_options() -> Options:
    return {
        "state": [("", "failed or parked"), *_in_words(STATES)],
        "reason": [("", "any"), *_in_words(UNSETTLED_REASONS)],
        "topic": [("", "any"), *((topic, topic) for topic in sorted(HANDLED))],
    }


def _in_words(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(value, value.replace("_", " ")) for value in values]


PAGE = Repeat(
    path="shopify",
    words=Words("webhook", "webhooks", "process", "processed"),
    labels={
        "state": "State",
        "reason": "Reason",
        "topic": "Topic",
        "since": "Received from",
        "until": "Received before",
        "ids": "Only these ids, whatever has become of them",
    },
    wanted=Wanted,
    most=MOST_AT_ONCE,
    options=_find_options,
    count=reprocessing.count,
    list_latest=reprocessing.list_latest,
    repeat=reprocessing.process_again,
    differs=CountDiffers,
    ring=process_inbox.later,
    table="inbound_webhook",
    tries="attempts",
    readers=READERS,
)
