"""What a shop holds, as its Admin API shows it and as its webhooks would tell it. Ids are larger than 2^53."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec

FIRST_ID = 9_007_199_254_750_000


class ShopItem(msgspec.Struct):
    """A variant and its inventory item."""

    id: int
    item_id: int
    product_id: int
    sku: str | None
    title: str = "Default Title"
    price: str = "10.00"
    compare_at_price: str | None = None
    barcode: str | None = None
    options: dict[str, str] = msgspec.field(default_factory=lambda: {"Title": "Default Title"})
    image: str | None = None
    cost: str | None = None
    is_tracked: bool = True
    updated_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


class ShopProduct(msgspec.Struct):
    id: int
    title: str
    status: str = "ACTIVE"
    description: str = ""
    vendor: str = "Acme"
    product_type: str = ""
    handle: str = ""
    image: str | None = None
    video: str | None = None
    updated_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


class ShopLevel(msgspec.Struct):
    available: int
    updated_at: datetime


class SimulatedShop:
    """Tests change it as they like: `touch` says that a product was changed just now."""

    def __init__(self) -> None:
        self._numbers = count(FIRST_ID)
        self.products: dict[int, ShopProduct] = {}
        self.items: dict[int, ShopItem] = {}
        self.locations: dict[int, str] = {}
        # Those of the locations that fulfilment services have.
        self.services: set[int] = set()
        self.levels: dict[tuple[int, int], ShopLevel] = {}

    def add_product(self, title: str = "Lamp", **traits: Any) -> ShopProduct:
        id_ = next(self._numbers)
        product = ShopProduct(id_, title, **{"handle": f"{title.lower()}-{id_}"} | traits)
        self.products[id_] = product
        return product

    def add_variant(self, product: ShopProduct, sku: str | None, **traits: Any) -> ShopItem:
        variant = ShopItem(next(self._numbers), next(self._numbers), product.id, sku, **traits)
        self.items[variant.id] = variant
        return variant

    def add_lamp(self, sku: str, **traits: Any) -> ShopItem:
        """A product with one variant."""
        return self.add_variant(self.add_product(f"Lamp {sku}"), sku, **traits)

    def add_location(self, name: str = "Warehouse") -> int:
        id_ = next(self._numbers)
        self.locations[id_] = name
        return id_

    def stock(self, variant: ShopItem, location_id: int, available: int, updated_at: datetime | None = None) -> None:
        self.levels[location_id, variant.item_id] = ShopLevel(available, updated_at or long_ago())

    def remove(self, variant: ShopItem) -> None:
        """With its levels, and with its product when it was the last."""
        del self.items[variant.id]
        self.levels = {key: level for key, level in self.levels.items() if key[1] != variant.item_id}
        if not any(it.product_id == variant.product_id for it in self.items.values()):
            del self.products[variant.product_id]

    def touch(self, product_id: int) -> None:
        self.products[product_id].updated_at = datetime.now(UTC).replace(microsecond=0)

    def variant_nodes(self) -> list[dict[str, Any]]:
        return [self._variant_node(item) for _, item in sorted(self.items.items())]

    def level_nodes(self, location_id: int) -> list[dict[str, Any]]:
        items = {item.item_id: item for item in self.items.values()}
        return [
            _level_node(location_id, items[item_id], level)
            for (place, item_id), level in sorted(self.levels.items())
            if place == location_id and item_id in items
        ]

    def product_payload(self, product: ShopProduct) -> dict[str, Any]:
        """As products/update tells it."""
        variants = [item for item in self.items.values() if item.product_id == product.id]
        names = list(variants[0].options) if variants else []
        return {
            "id": product.id,
            "title": product.title,
            "body_html": product.description,
            "vendor": product.vendor,
            "product_type": product.product_type,
            "handle": product.handle,
            "status": product.status.lower(),
            "updated_at": _text(product.updated_at),
            "options": [{"name": name, "position": number} for number, name in enumerate(names, 1)],
            "image": {"src": product.image} if product.image else None,
            "images": [{"id": it.id, "src": it.image, "variant_ids": [it.id]} for it in variants if it.image],
            "variants": [_variant_payload(variant) for variant in variants],
        }

    def _variant_node(self, item: ShopItem) -> dict[str, Any]:
        return {
            "id": gid("ProductVariant", item.id),
            "title": item.title,
            "sku": item.sku,
            "price": item.price,
            "compareAtPrice": item.compare_at_price,
            "barcode": item.barcode,
            "updatedAt": _text(item.updated_at),
            "selectedOptions": [{"name": name, "value": value} for name, value in item.options.items()],
            "image": {"url": item.image} if item.image else None,
            "product": _product_node(self.products[item.product_id]),
            "inventoryItem": _item_node(item),
        }


def long_ago() -> datetime:
    """An hour, in whole seconds: before anything that a reconciliation might think of as just now."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


def gid(kind: str, id_: int) -> str:
    return f"gid://shopify/{kind}/{id_}"


def _product_node(product: ShopProduct) -> dict[str, Any]:
    return {
        "id": gid("Product", product.id),
        "title": product.title,
        "descriptionHtml": product.description,
        "vendor": product.vendor,
        "productType": product.product_type,
        "handle": product.handle,
        "status": product.status,
        "updatedAt": _text(product.updated_at),
        "featuredMedia": _media(product),
    }


def _media(product: ShopProduct) -> dict[str, Any] | None:
    if product.video:
        preview = {"image": {"url": product.video}}
        return {"__typename": "Video", "mediaContentType": "VIDEO", "preview": preview}
    if product.image:
        preview = {"image": {"url": product.image}}
        return {"__typename": "MediaImage", "mediaContentType": "IMAGE", "preview": preview}
    return None


def _item_node(item: ShopItem) -> dict[str, Any]:
    return {
        "id": gid("InventoryItem", item.item_id),
        "sku": item.sku,
        "tracked": item.is_tracked,
        "updatedAt": _text(item.updated_at),
        "unitCost": {"amount": item.cost, "currencyCode": "USD"} if item.cost else None,
    }


def _level_node(location_id: int, item: ShopItem, level: ShopLevel) -> dict[str, Any]:
    return {
        "id": f"{gid('InventoryLevel', location_id)}?inventory_item_id={item.item_id}",
        "updatedAt": _text(level.updated_at),
        "item": _item_node(item),
        "quantities": lambda _info, names: [{"name": name, "quantity": level.available} for name in names],
    }


def _variant_payload(item: ShopItem) -> dict[str, Any]:
    values = [*item.options.values(), None, None, None]
    return {
        "id": item.id,
        "title": item.title,
        "sku": item.sku,
        "price": item.price,
        "compare_at_price": item.compare_at_price,
        "barcode": item.barcode,
        "option1": values[0],
        "option2": values[1],
        "option3": values[2],
        "image_id": item.id if item.image else None,
        "inventory_item_id": item.item_id,
        "inventory_quantity": 0,
        "inventory_management": "shopify" if item.is_tracked else None,
    }


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
