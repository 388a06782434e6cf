"""What Shopify's webhooks hold of products, items and levels, as far as we read it.

A key that is absent is UNSET, which is not null: what nobody told changes nothing. Amounts come as strings in decimal
notation, ids as integers of 64 bits. Source: shopify.dev, "Webhooks: REST resource topics".
"""

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from lib.integers import LARGEST_BIGINT

ShopId: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST_BIGINT)]
Time: TypeAlias = datetime
# As text; some clients of the shop send numbers.
Amount: TypeAlias = str | int | float


class Dated(msgspec.Struct, frozen=True, kw_only=True):
    """Of a thing that has a time of its own."""

    updated_at: Time | UnsetType | None = UNSET


class ImagePayload(msgspec.Struct, frozen=True):
    """`variant_ids` are those that show this image."""

    id: ShopId | UnsetType | None = UNSET
    src: str | UnsetType | None = UNSET
    variant_ids: list[ShopId] | UnsetType | None = UNSET


class OptionPayload(msgspec.Struct, frozen=True):
    """The names of option1 to option3, by position."""

    name: str | UnsetType | None = UNSET
    position: int | UnsetType | None = UNSET


class GidPayload(msgspec.Struct, frozen=True):
    """`gid://shopify/ProductVariant/1`: of every variant, also of those that `variants` leaves out."""

    admin_graphql_api_id: str | UnsetType | None = UNSET


class VariantPayload(msgspec.Struct, frozen=True):
    """`inventory_management` is null for what the shop does not count; since version 2024-07 webhooks leave it out."""

    id: ShopId
    title: str | UnsetType | None = UNSET
    sku: str | UnsetType | None = UNSET
    price: Amount | UnsetType | None = UNSET
    compare_at_price: Amount | UnsetType | None = UNSET
    barcode: str | UnsetType | None = UNSET
    option1: str | UnsetType | None = UNSET
    option2: str | UnsetType | None = UNSET
    option3: str | UnsetType | None = UNSET
    image_id: ShopId | UnsetType | None = UNSET
    inventory_item_id: ShopId | UnsetType | None = UNSET
    inventory_quantity: int | UnsetType | None = UNSET
    inventory_management: str | UnsetType | None = UNSET


class ProductPayload(Dated, frozen=True, kw_only=True):
    """products/create and products/update."""

    id: ShopId
    title: str | UnsetType | None = UNSET
    body_html: str | UnsetType | None = UNSET
    vendor: str | UnsetType | None = UNSET
    product_type: str | UnsetType | None = UNSET
    handle: str | UnsetType | None = UNSET
    status: str | UnsetType | None = UNSET
    options: list[OptionPayload] | UnsetType | None = UNSET
    image: ImagePayload | UnsetType | None = UNSET
    images: list[ImagePayload] | UnsetType | None = UNSET
    variants: list[VariantPayload] | UnsetType | None = UNSET
    variant_gids: list[GidPayload] | UnsetType | None = UNSET


class GonePayload(msgspec.Struct, frozen=True):
    """products/delete: nothing but the id."""

    id: ShopId


class ItemPayload(Dated, frozen=True, kw_only=True):
    """inventory_items/create and inventory_items/update."""

    id: ShopId
    sku: str | UnsetType | None = UNSET
    cost: Amount | UnsetType | None = UNSET


class LevelPayload(Dated, frozen=True, kw_only=True):
    """inventory_levels/connect, inventory_levels/update and inventory_levels/disconnect, which has no `available`."""

    inventory_item_id: ShopId
    location_id: ShopId
    available: int | UnsetType | None = UNSET
