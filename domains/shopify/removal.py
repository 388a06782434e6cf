"""What the shop no longer has: taken out of sale here and unlinked, or deleted where the settings say so."""

from collections.abc import Collection, Sequence

from domains.catalog import linking
from domains.catalog.linking import Linkable, Linked
from domains.shopify import versions
from domains.shopify.outcomes import Became, Outcome, Result, ignored, name_sku, stale
from domains.shopify.payloads import GonePayload
from domains.shopify.tables import InboundReason, Kind
from domains.shopify.webhooks import Told
from piccolo_conf import transaction
from settings import settings


async def take_product_removal(payload: GonePayload, told: Told) -> Outcome:
    """products/delete. Its version stays also where nothing was here, so that what comes late is stale."""
    if not await versions.advance(Kind.PRODUCT, payload.id, told.version, is_removed=True):
        return stale()
    found = await linking.find_linked(payload.id, (), (), ())
    if not found:
        return ignored(InboundReason.NOT_HERE, "No product here stands for it.")
    results = await remove_variants([product.id for product in found], told)
    left = await linking.fold_all({result.sku for result in results if result.became is Became.REMOVED})
    return Outcome(results=results, known=tuple(name_sku(folded) for folded in left.values()))


async def remove_variants(product_ids: Sequence[int], told: Told) -> tuple[Result, ...]:
    """Products of ours whose variants the shop does not have as of `told.version`. Those are kept of whose product
    something newer is known, and those that stand for no variant are left."""
    async with transaction():
        found = await linking.find_linked_among(product_ids)
        newer = await _find_newer({link.shopify_product_id for link in found}, told)
        going = [link for link in found if link.shopify_product_id not in newer]
        await bury_items(going, told)
        rows = await linking.lock_linkable([link.id for link in going])
        removed = await remove_locked([row for row in rows if row.shopify_variant_id is not None], told)
    return removed + tuple(_tell_kept(link) for link in found if link not in going)


async def bury_items(gone: Sequence[Linked], told: Told) -> None:
    """Before the products are locked: a version comes first. What is told of the items from now on is told in vain."""
    items = {link.shopify_inventory_item_id for link in gone} - {None}
    await versions.advance_all(Kind.ITEM, [(item, 0, told.version) for item in items if item], is_removed=True)


async def remove_locked(gone: Sequence[Linkable], told: Told) -> tuple[Result, ...]:
    """The same for products that the caller has locked, and whose items it has buried."""
    if not gone:
        return ()
    deletes = settings.shopify_deletes_products
    await linking.let_go([row.id for row in gone], told.version.updated_at, deletes=deletes)
    detail = "deleted" if deletes else "taken out of sale"
    return tuple(Result(Became.REMOVED, row.shopify_variant_id, row.sku, row.id, detail=detail) for row in gone)


async def _find_newer(shopify_ids: Collection[int | None], told: Told) -> set[int | None]:
    """Those of which something newer is known. The others are locked by their versions."""
    ids = [shopify_id for shopify_id in shopify_ids if shopify_id is not None]
    await versions.advance_all(Kind.PRODUCT, [(shopify_id, 0, told.version) for shopify_id in ids])
    known = await versions.find_known(Kind.PRODUCT, ids)
    return {thing.shopify_id for thing in known if thing.version > told.version}


def _tell_kept(link: Linked) -> Result:
    return Result(Became.KEPT, link.shopify_variant_id, product=link.id, detail="Something newer is known of it.")
