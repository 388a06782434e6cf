"""The shop's items: which SKU they have, and what they cost. Which product stands for one is told by products."""

from decimal import Decimal

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from domains.catalog import linking
from domains.catalog.products import SkuTaken, change_product
from domains.catalog.races import Raced
from domains.catalog.schemas import ProductPatch
from domains.shopify import skus, versions
from domains.shopify.mapping import read_cost, read_sku
from domains.shopify.outcomes import Became, Outcome, Result, failed, ignored, name_item, name_sku, parked, stale
from domains.shopify.payloads import ItemPayload
from domains.shopify.tables import InboundReason, InboundState, Kind
from domains.shopify.webhooks import Told
from lib.money import Money
from piccolo_conf import fetch_row, fetch_value

# Relies on product_shopify_item_key.
LOCK = """
    SELECT id, sku, lower(sku) AS folded, cost_price, shopify_product_id FROM product
    WHERE shopify_inventory_item_id = $1 FOR NO KEY UPDATE
"""
# Relies on shopify_version_key and product_shopify_item_key.
IS_BURIED = """
    SELECT EXISTS (SELECT FROM shopify_version WHERE shopify_id = $1 AND kind = 'item' AND is_removed)
        AND NOT EXISTS (SELECT FROM product WHERE shopify_inventory_item_id = $1)
"""
# Relies on product_sku_key.
IS_TAKEN = "SELECT EXISTS (SELECT FROM product WHERE lower(sku) = lower($1) AND id <> $2)"


class Item(msgspec.Struct, frozen=True):
    """The product of ours that stands for an item; nobody else changes it until the transaction ends."""

    product_id: int
    sku: str
    folded: str
    cost: Decimal | None
    shopify_product_id: int | None


async def take_new_item(payload: ItemPayload, told: Told) -> Outcome:
    """inventory_items/create. What has no cost yet clears none that was entered here."""
    return await _take(payload, told, is_new=True)


async def take_item(payload: ItemPayload, told: Told) -> Outcome:
    """inventory_items/update."""
    return await _take(payload, told, is_new=False)


async def save_item(
    item_id: int, *, sku: str | UnsetType | None, cost: Decimal | UnsetType | None, told: Told
) -> Outcome:
    """Claims the version of the item. UNSET keeps what is here, and so does a SKU of null; a cost of null clears.

    In the open transaction, and before it holds any product. Outcomes: processed, ignored (stale, removed), parked
    (unknown_item, sku_taken) and failed for a SKU that cannot be stored; the cost is written also with the last two.
    """
    if await is_buried(item_id):
        return bury()
    if not await versions.advance(Kind.ITEM, item_id, told.version):
        return stale()
    if (item := await find_item(item_id)) is None:
        return await_item(item_id)
    tells_sku = sku is not UNSET and await _tells_sku(item, told)
    if tells_sku:
        await skus.note({item.product_id: None})
    try:
        wanted = read_sku(sku) or None
    except ValueError as error:
        await _write(item, None, cost)
        return failed(str(error))
    if wanted is None or not tells_sku:
        return await _save(item_id, item, item.sku, cost)
    if wanted != item.sku and await _is_taken(wanted, item.product_id):
        await _write(item, None, cost)
        return await _park(item_id, item, wanted)
    return await _save(item_id, item, wanted, cost)


async def find_item(item_id: int) -> Item | None:
    """Locks its product."""
    row: asyncpg.Record | None = await fetch_row(LOCK, item_id)
    return None if row is None else Item(*row)


async def is_buried(item_id: int) -> bool:
    """The shop has removed it, and nothing here stands for it any more."""
    return bool(await fetch_value(IS_BURIED, item_id))


def bury() -> Outcome:
    return ignored(InboundReason.REMOVED, "The shop has removed the variant of this item.")


def await_item(item_id: int) -> Outcome:
    detail = "No product stands for this item yet: it is processed when one is told of."
    return parked(InboundReason.UNKNOWN_ITEM, detail, name_item(item_id))


async def _take(payload: ItemPayload, told: Told, *, is_new: bool) -> Outcome:
    try:
        cost = read_cost(payload.cost)
    except ValueError as error:
        return failed(str(error))
    return await save_item(payload.id, sku=payload.sku, cost=UNSET if is_new and cost is None else cost, told=told)


async def _tells_sku(item: Item, told: Told) -> bool:
    """Products tell SKUs as well: the newer of the two counts. Behind the lock of the product, which both write."""
    if item.shopify_product_id is None:
        return True
    known = await versions.find_known(Kind.PRODUCT, [item.shopify_product_id])
    return all(told.version.updated_at >= of_product.version.updated_at for of_product in known)


async def _is_taken(sku: str, product_id: int) -> bool:
    """By a product that keeps it: what the shop has no more gives it up."""
    if not await fetch_value(IS_TAKEN, sku, product_id):
        return False
    await linking.free_skus([sku], [product_id])
    return bool(await fetch_value(IS_TAKEN, sku, product_id))


async def _save(item_id: int, item: Item, sku: str, cost: Decimal | UnsetType | None) -> Outcome:
    is_renamed = sku != item.sku
    became = await _write(item, sku if is_renamed else None, cost)
    known = (name_sku(item.folded),) if is_renamed else ()
    return Outcome(results=(Result(became, item_id, sku=sku, product=item.product_id),), known=known)


async def _write(item: Item, sku: str | None, cost: Decimal | UnsetType | None) -> Became:
    patch = ProductPatch(sku=UNSET if sku is None else sku)
    if cost != item.cost and not isinstance(cost, UnsetType):
        patch.cost_price = None if cost is None else Money(cost)
    if patch == ProductPatch():
        return Became.UNCHANGED
    try:
        await change_product(str(item.product_id), patch, None, internal=True)
    except SkuTaken:
        # It was free a moment ago.
        raise Raced from None
    return Became.UPDATED


async def _park(item_id: int, item: Item, sku: str) -> Outcome:
    await skus.note({item.product_id: sku})
    folded = (await linking.fold_all([sku]))[sku]
    detail = f"Another product has the SKU {sku}."
    result = Result(Became.PARKED, item_id, sku=item.sku, product=item.product_id, detail=detail)
    return Outcome(InboundState.PARKED, InboundReason.SKU_TAKEN, detail, (result,), name_sku(folded))
