"""What a caller asks of the list of products: conditions, an order, a part."""

import functools
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from domains.catalog.filters import ACTIVE, FILTERS, Condition
from lib import filters
from lib.listing import Listing, Query, Sort

# Named with their table, because the page itself has a column `price` that is text.
# Each key is the leading column of an index that ends in id: product_pkey, product_sku_key, product_name_order, …
SORTS: dict[str, Sort] = {
    "id": Sort("product.id", "{0}::int", int, is_unique=True),
    "sku": Sort("lower(product.sku)", "lower({0}::text)", str, "~<~", "~>~", is_unique=True),
    "name": Sort("lower(product.name)", "lower({0}::text)", str),
    "price": Sort("product.price", "{0}::numeric", Decimal),
    "inventory_quantity": Sort("product.inventory_quantity", "{0}::int", int),
    "created_at": Sort("product.created_at", "{0}::timestamptz", datetime),
    "updated_at": Sort("product.updated_at", "{0}::timestamptz", datetime),
}


class ProductListing(Listing, frozen=True):
    """Newest first. Behind a range of times the index of times gets there without a search."""

    def first_for(self, conditions: Sequence[filters.Condition]) -> str:
        by_time = any(isinstance(one, Condition) and one.column == "created_at" for one in conditions)
        return "-created_at" if by_time else self.first


PRODUCTS = ProductListing(filters=FILTERS, sorts=SORTS, first="-id", aliases={"stock": "inventory_quantity"})


@functools.lru_cache(1024)
def read_list_query(query_string: bytes, *, internal: bool) -> Query:
    """Raises BadInput for whatever a list does not understand. Without `internal` only active products are listed."""
    return PRODUCTS.read(query_string, *(() if internal else (ACTIVE,)))
