"""Which columns of a product are written and read, and how a row becomes a `ProductOut`."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import asyncpg
import msgspec

from domains.catalog.schemas import ProductOut

# What callers may write, in the order of the table, with the type that a parameter is cast to.
WRITABLE = {
    "sku": "text",
    "name": "text",
    "description": "text",
    "price": "numeric",
    "compare_at_price": "numeric",
    "cost_price": "numeric",
    "currency": "text",
    "is_active": "bool",
    "inventory_quantity": "int",
    "low_stock_threshold": "int",
    "brand": "text",
    "product_type": "text",
    "condition": "text",
    "gender": "text",
    "age_group": "text",
    "color": "text",
    "size": "text",
    "gtin": "text",
    "link": "text",
    "image_link": "text",
    "handle": "text",
    "options": "jsonb",
    "expiry_on": "date",
    "supplier_number": "text",
    "attributes": "jsonb",
    "external_id": "text",
}
INTERNAL = ("cost_price", "supplier_number")
NAMES = [field.name for field in msgspec.structs.fields(ProductOut)]


def select_list(*, internal: bool, table: str = "product") -> str:
    """The columns of a ProductOut in its order. Money leaves PostgreSQL as text: nothing decodes it in between."""
    names = [name for name in NAMES if internal or name not in INTERNAL]
    return ", ".join(f"{table}.{name}{'::text' if name.endswith('price') else ''}" for name in names)


PUBLIC_LIST = select_list(internal=False)
INTERNAL_LIST = select_list(internal=True)


def shape(records: Iterable[asyncpg.Record]) -> list[ProductOut]:
    """Rows of a `select_list`. Stored JSON goes out as it is, without being decoded."""
    products = [ProductOut(*record) for record in records]
    raw: Callable[[Any], Any] = msgspec.Raw
    for product in products:
        product.options = raw(product.options)
        product.attributes = raw(product.attributes)
    return products


def placeholders(names: Sequence[str], first: int = 1) -> str:
    """ "$1::text, $2::numeric" for columns of `WRITABLE`."""
    return ", ".join(f"${number}::{WRITABLE[name]}" for number, name in enumerate(names, first))
