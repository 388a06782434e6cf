"""Deliveries as they travel in and out."""

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domains.orders.schemas import Id
from domains.orders.tables import DeliveryStatus
from lib.money import Money, MoneyText

TrackingNumber: TypeAlias = Annotated[str, Meta(max_length=100, description="Unique whatever its case; trimmed.")]
Carrier: TypeAlias = Annotated[str, Meta(max_length=100)]
Notes: TypeAlias = Annotated[str, Meta(max_length=5000)]
PastTime: TypeAlias = Annotated[datetime, Meta(tz=True, description="Not in the future.")]


class DeliveryIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`assigned_to` is the user who delivers it. `cost` is in the order's currency."""

    tracking_number: TrackingNumber | None = None
    carrier: Carrier = ""
    assigned_to: Id | None = None
    cost: Money | None = None
    notes: Notes = ""


class DeliveryPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What changes; what is left out stays. A step sets its time, unless that is given."""

    status: DeliveryStatus | UnsetType = UNSET
    notes: Notes | UnsetType = UNSET
    tracking_number: TrackingNumber | UnsetType | None = UNSET
    carrier: Carrier | UnsetType = UNSET
    assigned_to: Id | UnsetType | None = UNSET
    cost: Money | UnsetType | None = UNSET
    shipped_at: PastTime | UnsetType = UNSET
    delivered_at: PastTime | UnsetType = UNSET


class DeliveryOut(msgspec.Struct, frozen=True):
    """With what its order says of where it goes."""

    id: int
    sales_order: int
    number: str
    customer_name: str
    phone: str
    shipping_address: str
    status: DeliveryStatus
    tracking_number: str | None
    carrier: str
    assigned_to: int | None
    cost: MoneyText | None
    currency: str
    notes: str
    created_at: datetime
    shipped_at: datetime | None
    delivered_at: datetime | None
    cancelled_at: datetime | None
