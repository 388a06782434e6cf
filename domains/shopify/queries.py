"""What we ask the shop, flat and by page, and its answers in the shapes that webhooks have.

A query may cost 1,000 points at most, counted before it runs: an object is a point, and a connection as many of its
nodes as are asked for. Source: shopify.dev, "GraphQL Admin API", version 2026-04.
"""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

from domains.shopify.admin_api import AdminApi, ShopRefused
from domains.shopify.webhooks import without_nul
from lib import clock
from lib.integers import LARGEST_BIGINT

# Nine objects each.
VARIANTS_A_PAGE = 100
# Three objects each.
LEVELS_A_PAGE = 250
LOCATIONS_A_PAGE = 50
GID = re.compile(r"gid://shopify/[A-Za-z]+/([0-9]{1,19})(?:\?.*)?")
AVAILABLE = "available"
# What is null when it was removed meanwhile.
NOT_THERE = "location"

# In the order of their ids, so that a variant that is made meanwhile comes on a later page.
VARIANTS = """
query Variants($first: Int!, $after: String) {
  productVariants(first: $first, after: $after, sortKey: ID) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id title sku price compareAtPrice barcode
      selectedOptions { name value }
      image { url }
      product {
        id title descriptionHtml vendor productType handle status updatedAt
        featuredMedia { mediaContentType preview { image { url } } }
      }
      inventoryItem { id tracked updatedAt unitCost { amount } }
    }
  }
}
"""

# Those of fulfilment services too: stock lies there as well.
LOCATIONS = """
query Locations($first: Int!, $after: String) {
  locations(first: $first, after: $after, includeLegacy: true) {
    pageInfo { hasNextPage endCursor }
    nodes { id name }
  }
}
"""

LEVELS = """
query Levels($location: ID!, $first: Int!, $after: String) {
  location(id: $location) {
    inventoryLevels(first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { updatedAt item { id tracked } quantities(names: ["available"]) { name quantity } }
    }
  }
}
"""

T = TypeVar("T")


class Image(msgspec.Struct, frozen=True):
    url: str


class Preview(msgspec.Struct, frozen=True):
    image: Image | None = None


class Media(msgspec.Struct, frozen=True, rename="camel"):
    media_content_type: str = ""
    preview: Preview | None = None


class ProductNode(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    title: str
    description_html: str
    vendor: str
    product_type: str
    handle: str
    status: str
    updated_at: datetime
    featured_media: Media | None = None


class Cost(msgspec.Struct, frozen=True):
    amount: Decimal


class ItemNode(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    tracked: bool
    updated_at: datetime
    unit_cost: Cost | None = None


class SelectedOption(msgspec.Struct, frozen=True):
    name: str
    value: str


class VariantNode(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    title: str
    price: str
    product: ProductNode
    inventory_item: ItemNode
    selected_options: list[SelectedOption] = []
    sku: str | None = None
    compare_at_price: str | None = None
    barcode: str | None = None
    image: Image | None = None


class LocationNode(msgspec.Struct, frozen=True):
    id: str
    name: str


class LevelItem(msgspec.Struct, frozen=True):
    id: str
    tracked: bool


class Quantity(msgspec.Struct, frozen=True):
    name: str
    quantity: int


class LevelNode(msgspec.Struct, frozen=True, rename="camel"):
    updated_at: datetime
    item: LevelItem
    quantities: list[Quantity]

    @property
    def available(self) -> int:
        """Raises ShopRefused where it is not told."""
        for quantity in self.quantities:
            if quantity.name == AVAILABLE:
                return quantity.quantity
        raise ShopRefused("The shop tells no available quantity of a level.")


class PageInfo(msgspec.Struct, frozen=True, rename="camel"):
    has_next_page: bool
    end_cursor: str | None = None


class Page(msgspec.Struct, Generic[T], frozen=True):
    """What the shop had when it was asked. `asked_at` is a time of ours, from before it was asked; `after` is where the
    next page begins, also if there is none yet."""

    nodes: list[T]
    asked_at: datetime
    after: str | None


async def list_variants(api: AdminApi, after: str | None = None) -> AsyncIterator[Page[VariantNode]]:
    """Every variant of the shop behind a cursor, with its product and item. Raises ShopRefused and ShopUnavailable."""
    async for page in _pages(api, VARIANTS, "productVariants", VariantNode, after, first=VARIANTS_A_PAGE):
        yield page


async def lists_variants(api: AdminApi) -> bool:
    """Whether there is any. Raises ShopRefused and ShopUnavailable."""
    pages = _pages(api, VARIANTS, "productVariants", VariantNode, None, first=1)
    return bool((await anext(pages)).nodes)


async def list_locations(api: AdminApi) -> list[LocationNode]:
    """Those that are active."""
    pages = _pages(api, LOCATIONS, "locations", LocationNode, None, first=LOCATIONS_A_PAGE)
    return [node async for page in pages for node in page.nodes]


async def list_levels(
    api: AdminApi, location: LocationNode, after: str | None = None
) -> AsyncIterator[Page[LevelNode]]:
    """Every active level of the location behind a cursor. One that was closed meanwhile has none."""
    given = {"first": LEVELS_A_PAGE, "location": location.id}
    async for page in _pages(api, LEVELS, "location.inventoryLevels", LevelNode, after, **given):
        yield page


async def lists_levels(api: AdminApi, location: LocationNode) -> bool:
    """Whether there is any. Raises ShopRefused and ShopUnavailable."""
    pages = _pages(api, LEVELS, "location.inventoryLevels", LevelNode, None, first=1, location=location.id)
    async for page in pages:
        return bool(page.nodes)
    return False


def id_of(gid: str) -> int:
    """gid://shopify/Product/7 → 7. Raises ShopRefused."""
    found = GID.fullmatch(gid)
    number = int(found[1]) if found else LARGEST_BIGINT + 1
    if number > LARGEST_BIGINT:
        raise ShopRefused(f"The shop names something {gid[:100]!r}, which is no id.")
    return number


async def _pages(
    api: AdminApi, query: str, path: str, node: type[T], after: str | None, **variables: object
) -> AsyncIterator[Page[T]]:
    """Page by page, as far as there are any. Raises ShopRefused and ShopUnavailable."""
    while True:
        asked_at = clock.now()
        data = await api.ask(query, **variables, after=after)
        if data.get(NOT_THERE, data) is None:
            return
        found = _find(data, path)
        nodes, info = _read(found.get("nodes"), list[node]), _read(found.get("pageInfo"), PageInfo)  # type: ignore[valid-type] # Built at runtime.
        yield Page(nodes, asked_at, info.end_cursor or after)
        if not info.has_next_page:
            return
        if info.end_cursor is None or info.end_cursor == after:
            raise ShopRefused("The shop says that there is another page, and not where.")
        after = info.end_cursor


def _find(data: dict[str, Any], path: str) -> dict[str, Any]:
    """The connection at a path of names. Raises ShopRefused: what is not told is not nothing."""
    found: Any = data
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise ShopRefused(f"The shop tells no {path}.")
    return found


def _read(value: object, type_: type[T]) -> T:
    try:
        return msgspec.convert(without_nul(value), type_, strict=False)
    except msgspec.ValidationError as error:
        raise ShopRefused(f"The shop's answer has another shape: {str(error)[:300]}") from None
