"""What there is in a shop, and how Shopify writes it down in a webhook."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

LOCATIONS = (24_826_418, 24_826_419, 655_441_491, 9_007_199_254_740_993)
# Of variants: stock by place; only a number in the product; not counted at all.
KINDS = ("levels", "levels", "levels", "counted", "untracked")
Json = dict[str, Any]


@dataclass
class Variant:
    """`quantity` counts for the kind "counted" alone. `is_cost_told`: by an update, which a first cost is not."""

    id: int
    item: int
    sku: str | None
    title: str
    price: str
    kind: str
    quantity: int = 0
    compare_at: str | None = None
    cost: str | None = None
    is_cost_told: bool = False

    def payload(self, product_id: int, position: int, quantity: int, updated_at: str) -> Json:
        return {
            "admin_graphql_api_id": gid("ProductVariant", self.id),
            "id": self.id,
            "product_id": product_id,
            "title": self.title,
            "option1": self.title,
            "option2": None,
            "option3": None,
            "position": position,
            "sku": self.sku,
            "barcode": None,
            "price": self.price,
            "compare_at_price": self.compare_at,
            "inventory_policy": "deny",
            "inventory_item_id": self.item,
            "inventory_quantity": quantity,
            "old_inventory_quantity": quantity,
            "taxable": True,
            "image_id": None,
            "updated_at": updated_at,
        }

    def item_payload(self, updated_at: str) -> Json:
        return {
            "id": self.item,
            "admin_graphql_api_id": gid("InventoryItem", self.item),
            "sku": self.sku,
            "cost": self.cost,
            "tracked": self.kind != "untracked",
            "requires_shipping": True,
            "country_code_of_origin": None,
            "updated_at": updated_at,
        }

    def level_payload(self, location: int, available: int | None, updated_at: str) -> Json:
        return {
            "inventory_item_id": self.item,
            "location_id": location,
            "available": available,
            "updated_at": updated_at,
            "admin_graphql_api_id": f"{gid('InventoryLevel', location)}?inventory_item_id={self.item}",
        }


@dataclass
class Product:
    id: int
    title: str
    handle: str
    status: str = "active"
    variants: list[Variant] = field(default_factory=list)

    def payload(self, levels: Mapping[tuple[int, int], int], updated_at: str) -> Json:
        """`levels` is what lies where: {(item, location): available}."""
        variants = [
            variant.payload(self.id, position, self._count(variant, levels), updated_at)
            for position, variant in enumerate(self.variants, 1)
        ]
        return {
            "admin_graphql_api_id": gid("Product", self.id),
            "id": self.id,
            "title": self.title,
            "body_html": f"<p>{self.title}</p>",
            "handle": self.handle,
            "vendor": "Alder",
            "product_type": "Lamps",
            "status": self.status,
            "tags": "bright, light",
            "updated_at": updated_at,
            "options": [{"name": "Title" if self._is_plain else "Size", "position": 1}],
            "variants": variants,
            "variant_gids": [{"admin_graphql_api_id": variant["admin_graphql_api_id"]} for variant in variants],
            "images": [],
            "image": None,
            "category": None,
        }

    @property
    def _is_plain(self) -> bool:
        return [variant.title for variant in self.variants] == ["Default Title"]

    def _count(self, variant: Variant, levels: Mapping[tuple[int, int], int]) -> int:
        if variant.kind == "levels":
            return sum(available for (item, _location), available in levels.items() if item == variant.item)
        return variant.quantity

    def name_of(self, variant: Variant) -> str:
        return self.title if variant.title == "Default Title" else f"{self.title} - {variant.title}"


@dataclass
class Order:
    """`lines` are variants with quantities as they were sold: (id, sku, title, price, quantity)."""

    id: int
    name: str
    lines: list[tuple[Variant, int]]
    is_cancelled: bool = False
    refunds: dict[int, Decimal] = field(default_factory=dict)

    @property
    def total(self) -> Decimal:
        return sum((Decimal(self.prices[number]) * line[1] for number, line in enumerate(self.lines)), Decimal(0))

    def __post_init__(self) -> None:
        self.prices = [variant.price for variant, _quantity in self.lines]

    def payload(self, updated_at: str) -> Json:
        return {
            "id": self.id,
            "admin_graphql_api_id": gid("Order", self.id),
            "name": self.name,
            "email": "jo@example.com",
            "currency": "USD",
            "total_price": str(self.total),
            "subtotal_price": str(self.total),
            "total_tax": "0.00",
            "financial_status": "voided" if self.is_cancelled else "paid",
            "created_at": updated_at,
            "processed_at": updated_at,
            "updated_at": updated_at,
            "cancelled_at": updated_at if self.is_cancelled else None,
            "customer": {"id": self.id + 1, "email": "jo@example.com", "first_name": "Jo", "last_name": "Doe"},
            "shipping_address": None,
            "refunds": [],
            "line_items": [self._line(number) for number in range(len(self.lines))],
        }

    def _line(self, number: int) -> Json:
        variant, quantity = self.lines[number]
        return {
            "id": self.id + 10 + number,
            "variant_id": variant.id,
            "sku": variant.sku,
            "title": variant.title,
            "name": variant.title,
            "quantity": quantity,
            "price": self.prices[number],
            "total_discount": "0.00",
            "tax_lines": [],
        }

    def refund_payload(self, refund_id: int, updated_at: str) -> Json:
        return {
            "id": refund_id,
            "admin_graphql_api_id": gid("Refund", refund_id),
            "order_id": self.id,
            "created_at": updated_at,
            "processed_at": updated_at,
            "note": None,
            "restock": False,
            "refund_line_items": [],
            "order_adjustments": [],
            "transactions": [
                {
                    "id": refund_id + 1,
                    "kind": "refund",
                    "status": "success",
                    "amount": str(self.refunds[refund_id]),
                    "currency": "USD",
                }
            ],
        }


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"
