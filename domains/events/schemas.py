"""Events as they are read."""

from datetime import datetime
from typing import Any

import msgspec

from lib.actor import Source


class EventOut(msgspec.Struct):
    """What happened, when, through whom and from where. `changes` holds {"price": ["19.99", "24.99"]}: old, then new.

    `data` is the whole row of a product that was created, or as it was when it was deleted.
    """

    id: int
    topic: str
    occurred_at: datetime
    actor_id: int | None
    actor: str
    source: Source
    reference: str
    bulk: bool
    changes: dict[str, tuple[Any, Any]] | None
    data: dict[str, Any] | None
