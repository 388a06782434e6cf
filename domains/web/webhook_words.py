"""What pages call the states of webhooks, and how they group what endpoints can be told of."""

from collections import defaultdict

from domains.webhooks.tables import DeliveryState, DisabledReason
from domains.webhooks.topics import SENTENCES, EventType

STATES = {
    DeliveryState.PENDING: "Waiting",
    DeliveryState.DELIVERED: "Delivered",
    DeliveryState.FAILED: "Given up",
    DeliveryState.PAUSED: "Paused",
}
MEANINGS = {
    DeliveryState.PENDING: "It goes out when its next attempt is due.",
    DeliveryState.DELIVERED: "The receiver has confirmed it.",
    DeliveryState.FAILED: "Every attempt failed: it goes out again only when somebody asks for it.",
    DeliveryState.PAUSED: "Its endpoint is disabled: it goes out when that is enabled.",
}
REASONS = {
    DisabledReason.BY_HAND: "Disabled by hand",
    DisabledReason.GONE: "Disabled because its server answered 410, it wants no more,",
    DisabledReason.FAILING: "Disabled after five days without a success",
}
# By the first word of a type.
GROUPS = {
    "product": "Products",
    "products": "Products",
    "import": "Imports",
    "inventory": "Stock",
    "order": "Orders",
    "delivery": "Orders",
    "purchase": "Purchases",
    "receipt": "Purchases",
}


def grouped_types() -> dict[str, dict[EventType, str]]:
    """Types with their sentences, by the name of their group."""
    groups: dict[str, dict[EventType, str]] = defaultdict(dict)
    for event_type, sentence in SENTENCES.items():
        groups[GROUPS[event_type.partition(".")[0]]][event_type] = sentence
    return groups
