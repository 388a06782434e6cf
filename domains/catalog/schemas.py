"""Products as they travel: in whole, in part, and out."""

from datetime import date, datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from lib.integers import LARGEST_INTEGER
from lib.money import Money, MoneyText
from settings import settings

MOST_OPTIONS = 20
MOST_ATTRIBUTES = 500
# What JSON schema can say of rules that `cleaning.py` tells in plain words.
NOT_BLANK = {"pattern": "\\S"}
CONTROLS = "\\u0000-\\u001f\\u007f-\\u009f"
ONE_LINE = {"pattern": f"^\\s*[^\\s{CONTROLS}]([^{CONTROLS}]*[^\\s{CONTROLS}])?\\s*$"}
WEB_ADDRESS = {"pattern": "^(\\s*|\\s*https?://[^\\s]+\\s*)$"}

Sku: TypeAlias = Annotated[
    str,
    Meta(min_length=1, max_length=100, extra_json_schema=ONE_LINE, description="Unique whatever its case; trimmed."),
]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=500, extra_json_schema=NOT_BLANK)]
Description: TypeAlias = Annotated[str, Meta(max_length=100_000)]
Currency: TypeAlias = Annotated[str, Meta(pattern="^[A-Z]{3}$", examples=["USD"])]
Whole: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST_INTEGER)]
Text50: TypeAlias = Annotated[str, Meta(max_length=50)]
Text100: TypeAlias = Annotated[str, Meta(max_length=100)]
Text255: TypeAlias = Annotated[str, Meta(max_length=255)]
Text750: TypeAlias = Annotated[str, Meta(max_length=750)]
WebAddress: TypeAlias = Annotated[str, Meta(max_length=2000, extra_json_schema=WEB_ADDRESS)]
Options: TypeAlias = Annotated[
    dict[Annotated[str, Meta(max_length=100)], Text255],
    Meta(max_length=MOST_OPTIONS, examples=[{"Size": "M", "Color": "blue"}]),
]
Attributes: TypeAlias = Annotated[
    dict[str, Any], Meta(max_length=MOST_ATTRIBUTES, description="Every other field of a feed, by its name there.")
]


class ProductIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A whole product. `stock` is another name for `inventory_quantity`; both left out, the stock stays as it is."""

    sku: Sku
    name: Name
    description: Description = ""
    # Made anew, because a JSON schema cannot show a default of a type of ours.
    price: Money = msgspec.field(default_factory=lambda: Money("0.00"))
    compare_at_price: Money | None = None
    cost_price: Money | None = None
    currency: Currency = settings.default_currency
    is_active: bool = True
    inventory_quantity: Whole | UnsetType = UNSET
    stock: Whole | UnsetType = UNSET
    low_stock_threshold: Whole | None = None
    brand: Text255 | None = None
    product_type: Text750 | None = None
    condition: Text50 | None = None
    gender: Text50 | None = None
    age_group: Text50 | None = None
    color: Text255 | None = None
    size: Text255 | None = None
    gtin: Text50 | None = None
    link: WebAddress | None = None
    image_link: WebAddress | None = None
    handle: Text255 | None = None
    options: Options = {}
    expiry_on: date | None = None
    supplier_number: Text100 | None = None
    attributes: Attributes = {}
    external_id: Text100 | None = None


class ProductPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What changes; what is left out stays."""

    sku: Sku | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    price: Money | UnsetType = UNSET
    compare_at_price: Money | UnsetType | None = UNSET
    cost_price: Money | UnsetType | None = UNSET
    currency: Currency | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    inventory_quantity: Whole | UnsetType = UNSET
    stock: Whole | UnsetType = UNSET
    low_stock_threshold: Whole | UnsetType | None = UNSET
    brand: Text255 | UnsetType | None = UNSET
    product_type: Text750 | UnsetType | None = UNSET
    condition: Text50 | UnsetType | None = UNSET
    gender: Text50 | UnsetType | None = UNSET
    age_group: Text50 | UnsetType | None = UNSET
    color: Text255 | UnsetType | None = UNSET
    size: Text255 | UnsetType | None = UNSET
    gtin: Text50 | UnsetType | None = UNSET
    link: WebAddress | UnsetType | None = UNSET
    image_link: WebAddress | UnsetType | None = UNSET
    handle: Text255 | UnsetType | None = UNSET
    options: Options | UnsetType = UNSET
    expiry_on: date | UnsetType | None = UNSET
    supplier_number: Text100 | UnsetType | None = UNSET
    attributes: Attributes | UnsetType = UNSET
    external_id: Text100 | UnsetType | None = UNSET


class ProductOut(msgspec.Struct):
    """A product. Its last two fields are only for callers with the scope products:internal.

    `columns.py` selects them in this order.
    """

    id: int
    sku: str
    name: str
    slug: str
    description: str
    price: MoneyText
    compare_at_price: MoneyText | None
    currency: str
    is_active: bool
    inventory_quantity: int
    low_stock_threshold: int | None
    brand: str | None
    product_type: str | None
    condition: str | None
    gender: str | None
    age_group: str | None
    color: str | None
    size: str | None
    gtin: str | None
    link: str | None
    image_link: str | None
    handle: str | None
    options: dict[str, str]
    expiry_on: date | None
    attributes: dict[str, Any]
    external_id: str | None
    shopify_product_id: int | None
    shopify_variant_id: int | None
    shopify_inventory_item_id: int | None
    shopify_updated_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    cost_price: MoneyText | UnsetType | None = UNSET
    supplier_number: str | UnsetType | None = UNSET


class FilterOptionsOut(msgspec.Struct):
    """Values that products have."""

    brand: list[str]
    condition: list[str]
    gender: list[str]
    product_type: list[str]
    age_group: list[str]
    color: list[str]
