"""Every filter, every order and their mixtures, with values that fit many products, few, or none."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, TypeAlias
from urllib.parse import urlencode

from bench.catalogue import RARE_WORD
from bench.servers import BenchFailed, Place, connect

LIST = "/api/products/"
ORDERS = ["id", "sku", "name", "price", "inventory_quantity", "created_at", "updated_at"]

SAMPLE = """
    SELECT p.*, (SELECT brand FROM product GROUP BY brand ORDER BY count(*), brand LIMIT 1) AS rare_brand,
        (SELECT brand FROM product GROUP BY brand ORDER BY count(*) DESC, brand LIMIT 1) AS common_brand,
        (SELECT product_type FROM product GROUP BY 1 ORDER BY count(*), 1 LIMIT 1) AS rare_type,
        (SELECT product_type FROM product GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1) AS common_type,
        (SELECT product_id FROM event WHERE product_id IS NOT NULL
            GROUP BY product_id ORDER BY count(*) DESC LIMIT 1) AS changed_id,
        (SELECT max(price) - 1 FROM product) AS high_price, (SELECT max(inventory_quantity) FROM product) AS most
    FROM product p WHERE sku LIKE 'SEED-%' AND external_id IS NOT NULL AND expiry_on IS NOT NULL
    ORDER BY id OFFSET (SELECT count(*) / 50 FROM product) LIMIT 1
"""

Question: TypeAlias = Mapping[str, Any]
Values: TypeAlias = Mapping[str, Any]


async def paths(place: Place) -> list[str]:
    """With values taken from the catalogue."""
    connection = await connect(place)
    try:
        found = await connection.fetchrow(SAMPLE, timeout=120)
    finally:
        await connection.close()
    if found is None:
        raise BenchFailed("There is no product to take the values of filters from.")
    row = dict(found)
    others = ["/api/filter-options/", "/api/jobs/", f"{LIST}{row['changed_id']}/history/"]
    pages = [f"{LIST}?{part}" for part in ("page=100", "offset=90000&limit=100", "page_size=100", "count=exact")]
    return [*(f"{LIST}?{urlencode(question)}" for question in questions(row)), *others, *pages]


def questions(row: Values) -> list[Question]:
    """Query parameters; `row` is a product with the values that are frequent and rare."""
    return [*_filters(row), *_searches(row), *_orders(), *_mixtures(row)]


def _filters(row: Values) -> list[Question]:
    same = ["color", "size", "age_group", "currency", "gtin", "external_id", "condition", "gender", "handle"]
    equal: list[Question] = [{name: row[name] or "new"} for name in same]
    several: list[Question] = [{f"{name}__in": f"{row[name] or 'new'},other"} for name in same]
    brands: list[Question] = [{"brand": row[name]} for name in ("rare_brand", "common_brand")]
    kinds: list[Question] = [{"product_type": row[name]} for name in ("rare_type", "common_type")]
    return [
        *equal,
        *several,
        *brands,
        *kinds,
        {"brand__in": f"{row['rare_brand']},{row['common_brand']}"},
        {"product_type__in": f"{row['rare_type']},{row['common_type']}"},
        *({f"sku{way}": row["sku"]} for way in ("", "__in", "__icontains", "__istartswith")),
        *({f"name{way}": row["name"]} for way in ("", "__in", "__icontains")),
        {"id": row["id"]},
        {"id__in": f"{row['id']},{row['id'] + 5}"},
        {"is_active": "true"},
        {"is_active": "false"},
        {"description__icontains": "every day"},
        {"description__icontains": "nothinglikethis"},
        *_ranges(row),
    ]


def _ranges(row: Values) -> list[Question]:
    created, updated = row["created_at"].isoformat(), row["updated_at"].isoformat()
    return [
        {"price": row["price"]},
        {"price__gte": row["high_price"]},
        {"price__gte": 1},
        {"price__lte": "2.01"},
        {"price__gte": 20, "price__lte": 21},
        {"inventory_quantity": row["most"]},
        {"inventory_quantity": 0},
        {"inventory_quantity__gte": 499},
        {"inventory_quantity__lte": 5},
        {"stock": 7},
        {"stock__gte": 499},
        {"stock__lte": 5},
        {"created_at__gte": created},
        {"created_at__lte": created},
        {"updated_at__gte": updated},
        {"updated_at__lte": updated},
        {"expiry_on": row["expiry_on"].isoformat()},
        {"expiry_on__gte": row["expiry_on"].isoformat()},
        {"expiry_on__lte": row["expiry_on"].isoformat()},
    ]


def _searches(row: Values) -> list[Question]:
    words = [RARE_WORD, "cotton", "cotton shirt", f"{RARE_WORD} cotton", "se", "seed-0", row["sku"], "nothinglikethis"]
    searches: list[Question] = [{"search": word} for word in (*words, "9973", "black 12")]
    return [*searches, *({"search": word, "ordering": "-price"} for word in words)]


def _orders() -> list[Question]:
    both = [f"{sign}{name}" for name in ORDERS for sign in ("", "-")]
    return [{"ordering": order} for order in (*both, "-price,name", "name,-price", "inventory_quantity,-created_at")]


def _mixtures(row: Values) -> list[Question]:
    """Each condition with each order: a walk along the order is right for the dense ones, a look-up for the sparse."""
    dense: Sequence[Question] = [{"brand": row["common_brand"]}, {"is_active": "true"}, {"condition": "new"}]
    sparse: Sequence[Question] = [
        {"brand": row["rare_brand"]},
        {"is_active": "false"},
        {"price__gte": row["high_price"]},
        {"inventory_quantity": 499},
        {"color": "sand", "brand": row["rare_brand"]},
        {"search": RARE_WORD, "is_active": "true"},
        {"search": "cotton", "brand": row["rare_brand"]},
        {"brand": row["common_brand"], "product_type": row["rare_type"]},
        {"color": "nothing"},
    ]
    orders = ["name", "-price", "-created_at", "inventory_quantity"]
    return [{**condition, "ordering": order} for condition, order in product([*dense, *sparse], orders)]
