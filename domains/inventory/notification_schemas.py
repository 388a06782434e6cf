"""Low-stock notifications as they travel."""

from datetime import datetime

import msgspec


class NotificationOut(msgspec.Struct):
    """`message`, `stock` and `threshold` tell of the moment when it was raised; `current_stock` of now.

    It is open until `resolved_at`: then the product was restocked, taken from offer, or its threshold lowered.
    """

    id: int
    product: int
    sku: str
    name: str
    message: str
    stock: int
    threshold: int
    current_stock: int
    is_read: bool
    is_resolved: bool
    created_at: datetime
    mailed_at: datetime | None
    read_at: datetime | None
    resolved_at: datetime | None


class NotificationPatch(msgspec.Struct, forbid_unknown_fields=True):
    is_read: bool
