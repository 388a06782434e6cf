"""A webhook of the inbox while it is worked on, and what its verbs get to know of it."""

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from domains.shopify.tables import InboundState
from domains.shopify.versions import Version

T = TypeVar("T")


class BadPayload(ValueError):
    """The body is not what its topic says; the sentence names the field."""


class Told(msgspec.Struct, frozen=True):
    """Who told something, and how new it is."""

    shop: str
    version: Version
    webhook_id: int | None = None


class Webhook(msgspec.Struct, frozen=True):
    """A row of the inbox that this worker has. `customer_id` and `order_id` are the shop's."""

    id: int
    shop: str
    topic: str
    customer_id: int | None
    order_id: int | None
    body: str
    triggered_at: datetime | None
    received_at: datetime
    state: InboundState
    attempts: int

    def read(self, payload: type[T]) -> T:
        """Its body. Numbers may stand in quotes; what is unknown is left. Raises BadPayload."""
        try:
            return msgspec.convert(without_nul(msgspec.json.decode(self.body)), payload, strict=False)
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
            raise BadPayload(str(error)[:500]) from None

    def tell(self, updated_at: datetime | None) -> Told:
        """`updated_at` is the thing's own; what has none, like a deletion, is as new as the moment of its telling: in
        whole seconds too, or what the shop does again within the second would look older."""
        triggered_at = self.triggered_at or updated_at or self.received_at
        version = Version(updated_at or triggered_at.replace(microsecond=0), triggered_at, self.shop)
        return Told(self.shop, version, self.id)


def without_nul(value: Any) -> Any:
    """PostgreSQL stores no U+0000."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [without_nul(inner) for inner in value]
    if isinstance(value, dict):
        return {name: without_nul(inner) for name, inner in value.items()}
    return value
