"""Many products at once, as they travel."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domains.catalog.schemas import Currency, Text50, Text255, Text750, Whole
from domains.catalog.tables import BulkFailure, BulkKind, BulkStatus
from lib.errors import FieldError
from lib.integers import LARGEST_INTEGER
from lib.money import Money, Percent

MOST_IDS = 10_000


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    ERROR = "error"


class BulkItemOut(msgspec.Struct):
    """What became of one item; `index` is its place in the request, from 0."""

    index: int
    sku: str
    result: Outcome
    id: int | None = None
    errors: list[FieldError] = []


class BulkOut(msgspec.Struct):
    created: int
    updated: int
    unchanged: int
    errors: int
    results: list[BulkItemOut]


ProductId: TypeAlias = Annotated[int, Meta(ge=1, le=LARGEST_INTEGER)]
Ids: TypeAlias = Annotated[list[ProductId], Meta(min_length=1, max_length=MOST_IDS)]


class Selection(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which products: exactly one of `ids`, `filter` (the filters of the list) and `all`."""

    ids: Ids | UnsetType = UNSET
    filter: dict[str, Any] | UnsetType = UNSET
    all: bool = False


class ChangesIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """New values, the same for every product."""

    price: Money | UnsetType = UNSET
    compare_at_price: Money | UnsetType | None = UNSET
    cost_price: Money | UnsetType | None = UNSET
    currency: Currency | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    low_stock_threshold: Whole | UnsetType | None = UNSET
    brand: Text255 | UnsetType | None = UNSET
    product_type: Text750 | UnsetType | None = UNSET
    condition: Text50 | UnsetType | None = UNSET
    gender: Text50 | UnsetType | None = UNSET
    age_group: Text50 | UnsetType | None = UNSET
    color: Text255 | UnsetType | None = UNSET


class PercentIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Prices raised (or lowered) by percent, rounded half up to the cent."""

    price: Percent | UnsetType = UNSET
    compare_at_price: Percent | UnsetType = UNSET
    cost_price: Percent | UnsetType = UNSET


class BulkUpdateIn(Selection, kw_only=True, forbid_unknown_fields=True):
    """`set` and `percent` may stand together, for different columns."""

    set: ChangesIn = msgspec.field(default_factory=ChangesIn)
    percent: PercentIn = msgspec.field(default_factory=PercentIn)
    dry_run: bool = False


class BulkDeleteIn(Selection, kw_only=True, forbid_unknown_fields=True):
    """`confirm` must be "DELETE"."""

    confirm: str = ""
    dry_run: bool = False


class BulkPreviewRow(msgspec.Struct):
    """Old and new value by column."""

    id: int
    sku: str
    changes: dict[str, tuple[Any, Any]]


class BulkChangeOut(msgspec.Struct):
    """How many products are meant, and how many change. A dry run shows the first hundred that would."""

    matched: int
    changed: int
    unchanged: int
    dry_run: bool
    preview: list[BulkPreviewRow]


class BulkJobOut(msgspec.Struct):
    """A change in the background and how far it is."""

    job_id: UUID
    kind: BulkKind
    status: BulkStatus
    matched: int
    changed: int
    failure_reason: BulkFailure | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
