"""Which products a form means: the filters of the list, ids, or all of them."""

import re
from typing import Any
from urllib.parse import urlencode

from admin.pages import Form
from lib.errors import field_error

# What the form calls a field, and the filter of the list that it is.
FILTERS = {
    "search": "search",
    "sku": "sku__istartswith",
    "brand": "brand",
    "product_type": "product_type",
    "active": "is_active",
    "price_from": "price__gte",
    "price_to": "price__lte",
    "stock_from": "stock__gte",
    "stock_to": "stock__lte",
}
# What people read beside the fields that this or the services call so.
LABELS = {
    "search": "Words in name or SKU",
    "sku__istartswith": "SKU begins with",
    "brand": "Brand",
    "product_type": "Product type",
    "price__gte": "Price from",
    "price__lte": "Price to",
    "stock__gte": "Stock from",
    "stock__lte": "Stock to",
    "set.price": "New price",
    "percent.price": "By percent",
}
IDS, ALL = "ids", "everything"
FIELDS = (*FILTERS, IDS, ALL)
SEPARATORS = re.compile(r"[\s,;]+")
# Piccolo finds text inside a text unless it is told otherwise; the API compares these exactly.
EXACT = {"brand__match": "exact", "product_type__match": "exact"}


def filters_of(form: Form) -> dict[str, str]:
    return {filter_: text for field, filter_ in FILTERS.items() if (text := form.get(field, "").strip())}


def read(form: Form) -> dict[str, Any]:
    """As the API's bulk change takes it; raises BadInput when it is unclear."""
    filters, ids = filters_of(form), [part for part in SEPARATORS.split(form.get(IDS, "")) if part]
    chosen: dict[str, Any] = {}
    if filters:
        chosen["filter"] = filters
    if ids:
        chosen["ids"] = [_id(part) for part in ids]
    if form.get(ALL):
        chosen["all"] = True
    if len(chosen) != 1:
        raise field_error("products", "choose by filters, or by ids, or tick all products: one of the three")
    return chosen


def link(form: Form) -> str:
    """Into the list of products."""
    filters = filters_of(form)
    if ids := [part for part in SEPARATORS.split(form.get(IDS, "")) if part]:
        filters["id__in"] = ",".join(ids)
    exact = {name: value for name, value in EXACT.items() if name.partition("__")[0] in filters}
    return f"#/product?{urlencode(filters | exact)}"


def _id(text: str) -> int:
    if not text.isdecimal() or len(text) > 10:
        raise field_error("ids", f"{text[:20]} is no id")
    return int(text)
