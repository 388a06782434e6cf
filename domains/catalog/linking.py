"""Products that stand for the variants of a shop: found, locked and written in sets, however many they are.

Whoever writes has locked the products: `lock_linkable`. Each gets one write, one version and one event.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from domains.catalog import low_stock, stock
from domains.catalog.stock import Move
from domains.catalog.tables import Reason
from piccolo_conf import execute, fetch
from settings import settings

# What a shop tells, and what a new product has of it where nothing is told.
TOLD: dict[str, object] = {
    "sku": "",
    "name": "",
    "description": "",
    "price": "0",
    "compare_at_price": None,
    "is_active": True,
    "inventory_quantity": 0,
    "brand": None,
    "product_type": None,
    "gtin": None,
    "image_link": None,
    "handle": None,
    "options": {},
    "shopify_product_id": None,
    "shopify_variant_id": None,
    "shopify_inventory_item_id": None,
    "shopify_updated_at": None,
}
COLUMNS = ", ".join(TOLD)


def let_go_in_sql(of: str) -> str:
    """The condition: the shop had it and has it no more, and nobody has put it on sale here again."""
    return f"{of}.shopify_variant_id IS NULL AND {of}.shopify_updated_at IS NOT NULL AND NOT {of}.is_active"


FOLD = "SELECT sku, lower(sku) AS folded FROM unnest($1::text[]) AS w (sku)"

# Relies on product_shopify_product, product_shopify_variant_key, product_shopify_item_key and product_sku_key.
FIND = """
    SELECT id, shopify_product_id, shopify_variant_id, shopify_inventory_item_id FROM product
    WHERE id IN (
        SELECT id FROM product WHERE shopify_product_id = $1
        UNION ALL SELECT id FROM product WHERE shopify_variant_id = ANY($2::bigint[])
        UNION ALL SELECT id FROM product WHERE shopify_inventory_item_id = ANY($3::bigint[])
        UNION ALL SELECT p.id FROM unnest($4::text[]) AS w (folded) JOIN product p ON lower(p.sku) = w.folded
    )
"""
FIND_AMONG = """
    SELECT id, shopify_product_id, shopify_variant_id, shopify_inventory_item_id FROM product
    WHERE id = ANY($1::int[]) AND shopify_variant_id IS NOT NULL
"""

LOCK = f"""
    SELECT id, lower(sku) AS folded, {COLUMNS} FROM product WHERE id = ANY($1::int[]) ORDER BY id FOR NO KEY UPDATE
"""

# Relies on stock_movement_product.
FIND_STOCKED = "SELECT DISTINCT product_id FROM stock_movement WHERE product_id = ANY($1::int[]) AND reason = 'shopify'"

# An index refuses the first of two that change their SKUs with each other: whoever's SKU is wanted lets go of it first.
VACATE = "UPDATE product SET sku = 'vacated-' || gen_random_uuid() WHERE id = ANY($1::int[])"

CHANGE = f"""
    UPDATE product p SET {", ".join(f"{name} = n.{name}" for name in TOLD)}
    FROM jsonb_populate_recordset(NULL::product, $1::jsonb) AS n WHERE p.id = n.id
"""
CREATE = f"""
    INSERT INTO product (currency, {COLUMNS})
    SELECT $2, {COLUMNS} FROM jsonb_populate_recordset(NULL::product, $1::jsonb) ORDER BY lower(sku)
    RETURNING id, shopify_variant_id
"""

LET_GO = """
    UPDATE product SET is_active = false, shopify_product_id = NULL, shopify_variant_id = NULL,
        shopify_inventory_item_id = NULL, shopify_updated_at = $2
    WHERE id = ANY($1::int[])
"""

# Relies on product_sku_key.
FREE_SKUS = f"""
    UPDATE product SET sku = left(sku, 80) || '-removed-' || id
    WHERE lower(sku) IN (SELECT lower(w.sku) FROM unnest($1::text[]) AS w (sku)) AND id <> ALL($2::int[])
        AND {let_go_in_sql("product")}
"""
# Relies on stock_level_key.
LET_GO_OF_LEVELS = """
    UPDATE stock_level SET shopify_updated_at = NULL WHERE product = ANY($1::int[]) AND shopify_updated_at IS NOT NULL
"""
DELETE = "DELETE FROM product WHERE id = ANY($1::int[])"


class Linked(msgspec.Struct, frozen=True):
    """What a product stands for in the shop, by the shop's ids."""

    id: int
    shopify_product_id: int | None
    shopify_variant_id: int | None
    shopify_inventory_item_id: int | None


class Linkable(Linked, frozen=True):
    """A locked product. `folded` is its SKU as the unique index compares it; `values` are the columns of TOLD."""

    sku: str
    folded: str
    inventory_quantity: int
    values: dict[str, object]

    @property
    def is_let_go(self) -> bool:
        """The shop had it and has it no more, and it is not on sale here."""
        was_there = self.shopify_variant_id is None and self.values["shopify_updated_at"] is not None
        return was_there and not self.values["is_active"]


async def fold_all(skus: Collection[str]) -> dict[str, str]:
    """Each SKU as the unique index compares it."""
    return {row["sku"]: row["folded"] for row in await fetch(FOLD, list(skus))}


async def find_linked(
    shopify_id: int, variant_ids: Collection[int], item_ids: Collection[int], folded: Collection[str]
) -> list[Linked]:
    """All that a product of the shop may concern: its own, those of its variants and items, those with these SKUs."""
    return [Linked(**row) for row in await fetch(FIND, shopify_id, list(variant_ids), list(item_ids), list(folded))]


async def find_linked_among(product_ids: Collection[int]) -> list[Linked]:
    """Those of them that stand for a variant."""
    return [Linked(**row) for row in await fetch(FIND_AMONG, list(product_ids))]


async def lock_linkable(product_ids: Collection[int]) -> list[Linkable]:
    """Those that exist, by id; nobody else changes them until the transaction ends."""
    rows = [dict(row) for row in await fetch(LOCK, list(product_ids))]
    return [
        Linkable(**{name: row[name] for name in Linkable.__struct_fields__ if name != "values"}, values=row)
        for row in rows
    ]


async def find_stocked(product_ids: Collection[int]) -> set[int]:
    """Those of them of which a shop has ever told how many there are."""
    return {row["product_id"] for row in await fetch(FIND_STOCKED, list(product_ids))}


async def change_linked(changes: Mapping[int, Mapping[str, object]], locked: Mapping[int, Linkable]) -> None:
    """Write what differs, by product id and column of TOLD. A total is booked: in at the default location, out of
    wherever it lies."""
    if not changes:
        return
    await _vacate(changes, locked)
    rows = [{name: locked[id_].values[name] for name in TOLD} | dict(new) | {"id": id_} for id_, new in changes.items()]
    await execute(CHANGE, _encode(rows))
    booked = {id_: new["inventory_quantity"] for id_, new in changes.items() if "inventory_quantity" in new}
    await _book([Move(id_, _whole(total) - locked[id_].inventory_quantity) for id_, total in booked.items()])
    await low_stock.review([id_ for id_, new in changes.items() if low_stock.decides(new)])


async def create_linked(new: Sequence[Mapping[str, object]]) -> dict[int, int]:
    """Ids by that of the variant. Each has its SKU, its name and its variant; its total is booked at the default
    location."""
    if not new:
        return {}
    rows = await fetch(CREATE, _encode([TOLD | dict(values) for values in new]), settings.default_currency)
    ids = {row["shopify_variant_id"]: row["id"] for row in rows}
    totals = {values["shopify_variant_id"]: values.get("inventory_quantity", 0) for values in new}
    await _book([Move(id_, _whole(totals[variant_id])) for variant_id, id_ in ids.items()])
    await low_stock.review(list(ids.values()))
    return ids


async def let_go(product_ids: Collection[int], at: datetime | None, *, deletes: bool) -> None:
    """Take them out of sale, and unlink them: a variant that comes again with the same SKU takes them over. With
    `deletes` they are gone for good."""
    ids = list(product_ids)
    if deletes:
        await execute(DELETE, ids)
        return
    await execute(LET_GO, ids, at)
    await let_go_of_levels(ids)
    await low_stock.review(ids)


async def free_skus(skus: Collection[str], keepers: Collection[int]) -> None:
    """The shop gives them to others: whoever was let go of, and is none of the keepers, has another one from now on."""
    await execute(FREE_SKUS, list(skus), list(keepers))


async def let_go_of_levels(product_ids: Collection[int]) -> None:
    """The shop has told nothing of where they lie: they stand for another item now, or for none."""
    await execute(LET_GO_OF_LEVELS, list(product_ids))


async def _vacate(changes: Mapping[int, Mapping[str, object]], locked: Mapping[int, Linkable]) -> None:
    moving = {id_ for id_, new in changes.items() if "sku" in new}
    wanted = await fold_all({str(changes[id_]["sku"]) for id_ in moving})
    holders = {locked[id_].folded: id_ for id_ in moving}
    found = {id_: holders.get(wanted[str(changes[id_]["sku"])]) for id_ in moving}
    if vacated := [holder for id_, holder in found.items() if holder is not None and holder != id_]:
        await execute(VACATE, vacated)


async def _book(moves: Sequence[Move]) -> None:
    """The totals stand in the products' own write."""
    if moving := [move for move in moves if move.delta]:
        await stock.record_moves(moving, reason=Reason.SHOPIFY)


def _encode(rows: Sequence[Mapping[str, object]]) -> str:
    return msgspec.json.encode([_readable(row) for row in rows]).decode()


def _readable(row: Mapping[str, object]) -> dict[str, object]:
    """Options that were read are JSON already."""
    options = row["options"]
    return dict(row) | {"options": msgspec.Raw(options.encode()) if isinstance(options, str) else options}


def _whole(number: object) -> int:
    return number if isinstance(number, int) else 0
