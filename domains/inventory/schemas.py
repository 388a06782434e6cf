"""What travels in and out of inventory: locations, adjustments, transfers, levels and the ledger."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domains.catalog.references import ProductRef
from domains.catalog.schemas import ONE_LINE, Whole
from domains.catalog.tables import Reason
from lib.integers import LARGEST_BIGINT, LARGEST_INTEGER

MOST_LINES = 500
LONGEST_NOTE = 1000

Code: TypeAlias = Annotated[
    str,
    Meta(min_length=1, max_length=50, extra_json_schema=ONE_LINE, description="Unique whatever its case; trimmed."),
]
LocationName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255, extra_json_schema=ONE_LINE)]
ShopifyId: TypeAlias = Annotated[int, Meta(ge=1, le=LARGEST_BIGINT)]
LocationRef: TypeAlias = (
    Annotated[int, Meta(ge=1, le=LARGEST_INTEGER)]
    | Annotated[str, Meta(min_length=1, max_length=50, description="An id, or a code whatever its case.")]
)
Note: TypeAlias = Annotated[str, Meta(max_length=LONGEST_NOTE)]
Units: TypeAlias = Annotated[int, Meta(ge=1, le=LARGEST_INTEGER)]
Delta: TypeAlias = Annotated[int, Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]


class LocationIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`is_default` takes the flag from the location that has it."""

    code: Code
    name: LocationName
    is_default: bool = False
    is_active: bool = True
    shopify_location_id: ShopifyId | None = None


class LocationPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What changes; what is left out stays."""

    code: Code | UnsetType = UNSET
    name: LocationName | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    shopify_location_id: ShopifyId | UnsetType | None = UNSET


class LocationOut(msgspec.Struct):
    """A place where stock lies."""

    id: int
    code: str
    name: str
    is_default: bool
    is_active: bool
    shopify_location_id: int | None


class AdjustmentReason(StrEnum):
    """Those of the ledger's reasons that people book by hand."""

    ADJUSTMENT = Reason.ADJUSTMENT.value
    COUNT = Reason.COUNT.value
    RETURN = Reason.RETURN.value


class AdjustmentLineIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of `delta` (units more or less) and `quantity` (what lies there now).

    With `expected_quantity` the line is refused when something else lies there. Without a location the default one is
    meant; only a bare negative `delta` is taken from the others too when it has too little.
    """

    product: ProductRef
    delta: Delta | None = None
    quantity: Whole | None = None
    expected_quantity: Whole | None = None
    location: LocationRef | None = None


class AdjustmentIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One line as it stands here, or `lines`. The reason is adjustment for deltas and count for quantities."""

    product: ProductRef | None = None
    delta: Delta | None = None
    quantity: Whole | None = None
    expected_quantity: Whole | None = None
    location: LocationRef | None = None
    lines: Annotated[list[AdjustmentLineIn], Meta(min_length=1, max_length=MOST_LINES)] | None = None
    reason: AdjustmentReason | None = None
    note: Note = ""


class AdjustmentLineOut(msgspec.Struct):
    """Before and after at a location; without one these are the product's units at all of them."""

    product_id: int
    sku: str
    location_id: int | None
    location: str | None
    before: int
    delta: int
    on_hand: int


class AdjustmentOut(msgspec.Struct):
    """`reference` finds what was booked in the ledger."""

    reference: str
    reason: Reason
    note: str
    lines: list[AdjustmentLineOut]


class TransferLineIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    product: ProductRef
    quantity: Units


class TransferIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`product` and `quantity`, or `lines`; the same product twice adds up."""

    from_location: LocationRef
    to_location: LocationRef
    product: ProductRef | None = None
    quantity: Units | None = None
    lines: Annotated[list[TransferLineIn], Meta(min_length=1, max_length=MOST_LINES)] | None = None
    note: Note = ""


class TransferLineOut(msgspec.Struct):
    """What lies at either location afterwards."""

    product_id: int
    sku: str
    quantity: int
    from_on_hand: int
    to_on_hand: int


class TransferOut(msgspec.Struct):
    """`reference` finds the two movements of each product in the ledger."""

    reference: str
    from_location: str
    to_location: str
    note: str
    lines: list[TransferLineOut]


class LevelOut(msgspec.Struct):
    """What lies of a product at a location, whose code `location` is."""

    product_id: int
    sku: str
    name: str
    location_id: int
    location: str
    on_hand: int


class MovementOut(msgspec.Struct):
    """A row of the ledger: what was added to a level, and what was on hand after it."""

    id: int
    occurred_at: datetime
    product_id: int
    sku: str
    location_id: int
    location: str
    delta: int
    on_hand_after: int
    reason: Reason
    reference: str
    note: str
    actor_id: int | None
    actor: str | None
