"""Products as the shop tells them: one of ours per variant, a handful of statements for all of them."""

from collections.abc import Collection, Mapping, Sequence

from domains.catalog import linking
from domains.catalog.linking import Linkable, Linked
from domains.shopify import removal, skus, versions
from domains.shopify.mapping import ShopProduct, map_product
from domains.shopify.matching import Match, find_gone, find_told_skus, find_yielding, match_variants, sku_of
from domains.shopify.outcomes import Outcome, stale
from domains.shopify.payloads import ProductPayload
from domains.shopify.tables import Kind
from domains.shopify.variants import Plan, conclude, find_relinked, item_of, make_plan
from domains.shopify.versions import Known
from domains.shopify.webhooks import Told
from piccolo_conf import transaction


async def take_product(payload: ProductPayload, told: Told) -> Outcome:
    """products/create and products/update."""
    known = await versions.find_known(Kind.PRODUCT, [payload.id])
    if not await versions.advance(Kind.PRODUCT, payload.id, told.version):
        return stale()
    is_again = any(thing.version == told.version for thing in known)
    return await save_product(map_product(payload), told, is_again=is_again)


async def save_product(product: ShopProduct, told: Told, *, is_again: bool = False) -> Outcome:
    """Write what differs; the caller has claimed the product's version.

    `is_again`: the same was told before, so that its stock is not booked again.
    """
    async with transaction():
        folded = await linking.fold_all({sku_of(variant) for variant in product.variants})
        found = await _find(product, folded)
        await _settle_items(product, found, told)
        locked = await linking.lock_linkable([link.id for link in found])
        # Asked behind the locks: an item that was written meanwhile is known then.
        items = await versions.find_known(Kind.ITEM, _items_of(product))
        newer = {item.shopify_id for item in items if item.version.updated_at > told.version.updated_at}
        matches = _match(product, locked, folded, items, newer, told)
        plan = make_plan(product, matches, locked, await _find_silent(matches), told, is_again=is_again)
        outcome = await _write(plan, locked, told)
        await skus.note(find_told_skus(matches, newer))
        return outcome


async def _find(product: ShopProduct, folded: Mapping[str, str]) -> list[Linked]:
    variants = [variant.shopify_id for variant in product.variants]
    return await linking.find_linked(product.shopify_id, variants, _items_of(product), set(folded.values()))


async def _settle_items(product: ShopProduct, found: Sequence[Linked], told: Told) -> None:
    """Before the products are locked: items of variants that are gone are buried, those of variants that came back
    are not."""
    known = await versions.find_known(Kind.ITEM, _items_of(product))
    await removal.bury_items(find_gone(product, found), told)
    back = [item.shopify_id for item in known if item.is_removed and item.version <= told.version]
    await versions.advance_all(Kind.ITEM, [(item, 0, told.version) for item in back])


def _match(
    product: ShopProduct,
    locked: Sequence[Linkable],
    folded: Mapping[str, str],
    items: Sequence[Known],
    newer: Collection[int],
    told: Told,
) -> list[Match]:
    """`newer` are items whose SKU was told later than what is told now."""
    buried = [item for item in items if item.is_removed and item.version > told.version]
    return match_variants(
        product,
        locked,
        folded=folded,
        newer_items=newer,
        buried_items={item.shopify_id for item in buried},
    )


async def _find_silent(matches: Sequence[Match]) -> set[int]:
    """Variants whose quantity says nothing: levels are known, which tell more, or perhaps the shop does not count it,
    and has never told what lies here. Asked behind the locks: a level that is written meanwhile is known then."""
    items = {item for match in matches if (item := item_of(match)) is not None}
    told = {level.shopify_id for level in await versions.find_known(Kind.LEVEL, items)}
    doubtful = {match.product.id for match in matches if match.product and match.variant.may_be_uncounted}
    ours = doubtful - await linking.find_stocked(doubtful) if doubtful else doubtful
    return {
        match.variant.shopify_id
        for match in matches
        if item_of(match) in told or (match.product and match.product.id in ours)
    }


async def _write(plan: Plan, locked: Sequence[Linkable], told: Told) -> Outcome:
    """What is gone first: its ids may be those of others now."""
    removed = await removal.remove_locked(plan.gone, told)
    if find_yielding(plan.matches, locked, plan.gone):
        moving = [match.sku for match in plan.matches if match.moves_to_sku]
        await linking.free_skus(moving, [match.product.id for match in plan.matches if match.product])
    await linking.let_go_of_levels(find_relinked(plan))
    await linking.change_linked(plan.changed, {row.id: row for row in locked})
    created = await linking.create_linked(list(plan.new.values()))
    return conclude(plan, created, removed)


def _items_of(product: ShopProduct) -> set[int]:
    return {variant.item_id for variant in product.variants if variant.item_id is not None}
