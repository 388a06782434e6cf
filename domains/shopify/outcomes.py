"""What became of a webhook, and of each thing in it."""

from collections.abc import Collection
from enum import StrEnum

import msgspec

from domains.shopify.tables import InboundReason, InboundState

ITEM, SKU = "item:", "sku:"


class Became(StrEnum):
    """What became of one thing that a webhook or a reconciliation told of."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    KEPT = "kept"  # What is here is newer, or what came says nothing of it.
    PARKED = "parked"
    REFUSED = "refused"


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """`shopify_id` is that of the variant, item or order in the shop; `product` and `order` are ours."""

    became: Became
    shopify_id: int | None = None
    sku: str = ""
    product: int | None = None
    order: int | None = None
    detail: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """Of one webhook. `awaits` is what a parked one waits for; `known` is what others may have waited for ("item:12",
    "order:7", and "sku:lamp" for one that nobody has any more). Letters are rung for when any were written."""

    state: InboundState = InboundState.PROCESSED
    reason: InboundReason | None = None
    detail: str = ""
    results: tuple[Result, ...] = ()
    awaits: str | None = None
    known: tuple[str, ...] = ()
    letters: int = 0

    @property
    def moves_skus(self) -> bool:
        """Somebody may have a SKU now that another one had."""
        return self.reason is InboundReason.SKU_TAKEN or any(name.startswith(SKU) for name in self.known)


def ignored(reason: InboundReason, detail: str) -> Outcome:
    return Outcome(InboundState.IGNORED, reason, detail)


def unhandled() -> Outcome:
    return ignored(InboundReason.UNHANDLED_TOPIC, "Stockroom does not follow this topic.")


def stale() -> Outcome:
    return ignored(InboundReason.STALE, "Something newer is known of it already.")


def parked(reason: InboundReason, detail: str, awaits: str | None = None) -> Outcome:
    return Outcome(InboundState.PARKED, reason, detail, awaits=awaits)


def failed(detail: str) -> Outcome:
    return Outcome(InboundState.FAILED, InboundReason.BAD_PAYLOAD, detail)


def name_item(shopify_id: int) -> str:
    return f"{ITEM}{shopify_id}"


def read_items(names: Collection[str]) -> list[int]:
    """The items among them."""
    return [int(name.removeprefix(ITEM)) for name in names if name.startswith(ITEM)]


def name_sku(folded: str) -> str:
    """`folded` is the SKU as the unique index compares it."""
    return f"{SKU}{folded}"


def name_order(shopify_id: int) -> str:
    return f"order:{shopify_id}"
