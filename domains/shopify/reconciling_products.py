"""The shop's variants and items against the products here: compared a page at a time, repaired a product at a time.

What is equal only raises versions, where a webhook was lost that would have.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

import asyncpg
from msgspec import UNSET, structs

from domains.catalog import linking
from domains.shopify import inbox, items, products, removal, versions
from domains.shopify.admin_api import AdminApi
from domains.shopify.comparison import Comparison, Listed, Phase, Progress, is_listed, keep, note_version
from domains.shopify.mapping import ShopProduct, changes_of
from domains.shopify.outcomes import Became, Outcome, Result
from domains.shopify.queries import Page, VariantNode, id_of, list_variants, lists_variants
from domains.shopify.reconciliation import NothingListed, equal_as_of, tell
from domains.shopify.reconciliation_report import Difference, Report
from domains.shopify.repairing import KEPT, raise_versions, repair
from domains.shopify.snapshots import cost_of, is_price, map_products
from domains.shopify.tables import Kind, ListedKind
from domains.shopify.versions import Version
from domains.shopify.webhooks import Told
from piccolo_conf import fetch
from settings import settings

# Relies on product_shopify_variant_key and parked_sku_product_key.
FIND = f"""
    SELECT {linking.COLUMNS}, EXISTS (SELECT FROM parked_sku w WHERE w.product = product.id) AS waits
    FROM product WHERE shopify_variant_id = ANY($1::bigint[])
"""
# Relies on product_shopify_item_key.
FIND_COSTS = """
    SELECT shopify_inventory_item_id AS item, sku, cost_price FROM product
    WHERE shopify_inventory_item_id = ANY($1::bigint[])
"""
# What stands for a variant that is not listed, with what this comparison knows of its product. Those of other shops are
# none of this one's business. Relies on product_shopify_variant_key, shopify_listed_key and shopify_version_key.
UNLISTED = f"""
    SELECT p.id, p.sku, p.shopify_product_id, p.shopify_variant_id,
        l.id IS NULL AS is_gone, l.given_updated_at, l.given_triggered_at
    FROM product p LEFT JOIN LATERAL (
        SELECT id, given_updated_at, given_triggered_at FROM shopify_listed
        WHERE reconciliation = $1 AND kind = 'product' AND shopify_id = p.shopify_product_id AND location_id = 0 LIMIT 1
    ) l ON true
    WHERE p.shopify_variant_id > $2 AND NOT {is_listed(ListedKind.VARIANT, "p.shopify_variant_id")} AND NOT EXISTS (
        SELECT FROM shopify_version v
        WHERE v.shopify_id = p.shopify_product_id AND v.kind = 'product' AND v.shop <> '' AND v.shop <> $3 AND $3 <> '')
    ORDER BY p.shopify_variant_id LIMIT 2000
"""
STILL_LINKED = """
    SELECT p.id FROM product p JOIN unnest($1::int[], $2::bigint[]) AS g (id, variant)
        ON p.id = g.id AND p.shopify_variant_id = g.variant
"""


async def reconcile_products(api: AdminApi, comparison: Comparison) -> None:
    """As far as that is not done yet. Raises ShopUnavailable, ShopRefused and NothingListed."""
    if comparison.progress.phase is Phase.VARIANTS:
        await _read_variants(api, comparison)
    if comparison.progress.phase is Phase.UNLISTED:
        await _remove_unlisted(comparison)


async def _read_variants(api: AdminApi, comparison: Comparison) -> None:
    report, progress = comparison.report, comparison.progress
    if report.counts.variants and not await lists_variants(api):
        raise NothingListed("The shop lists no products any more: nothing was removed.")
    async for page in list_variants(api, progress.after):
        listed = [*await _compare_products(page, report), *await _compare_items(page, report)]
        report.counts.variants += len(page.nodes)
        await keep(comparison, structs.replace(progress, after=page.after), listed)
    await keep(comparison, Progress(Phase.UNLISTED, progress.since))


async def _compare_products(page: Page[VariantNode], report: Report) -> list[Listed]:
    products = map_products(page.nodes)
    variants = [variant.shopify_id for product in products for variant in product.variants]
    rows = {row["shopify_variant_id"]: dict(row) for row in await fetch(FIND, variants)}
    equal = []
    for product in products:
        found = _differences(product, rows)
        for difference in found:
            report.differ(difference)
        if found or _waits(product, rows):
            if not report.dry_run:
                await _repair_product(product, tell(page.asked_at, product.updated_at), report)
        elif product.updated_at is not None:
            equal.append((product.shopify_id, 0, equal_as_of(product.updated_at, page.asked_at)))
    if not report.dry_run:
        await raise_versions(Kind.PRODUCT, equal)
    listed = [(ListedKind.PRODUCT, product.shopify_id, 0) for product in products]
    return listed + [(ListedKind.VARIANT, variant, 0) for variant in variants]


def _differences(product: ShopProduct, rows: Mapping[int, Mapping[str, object]]) -> list[Difference]:
    found = []
    for variant in product.variants:
        row = rows.get(variant.shopify_id)
        sku = variant.sku if isinstance(variant.sku, str) else ""
        changes = {"exists": (False, True)} if row is None else changes_of(variant, row)
        for field, (ours, theirs) in changes.items():
            found.append(Difference("variant", variant.shopify_id, sku, field, ours, theirs))
    return found


def _waits(product: ShopProduct, rows: Mapping[int, Mapping[str, object]]) -> bool:
    """For a SKU that it was to have once, and may be to have no more."""
    return any(rows[variant.shopify_id]["waits"] for variant in product.variants if variant.shopify_id in rows)


async def _repair_product(product: ShopProduct, told: Told, report: Report) -> None:
    async def save() -> Outcome:
        if not await versions.advance(Kind.PRODUCT, product.shopify_id, told.version):
            return KEPT
        await note_version(report, product.shopify_id, told.version)
        outcome = await products.save_product(product, told)
        await inbox.tell_again(outcome.known)
        return outcome

    outcome = await repair(save)
    report.note(outcome)
    await inbox.wake(outcome.known)


async def _compare_items(page: Page[VariantNode], report: Report) -> list[Listed]:
    """Which there are, and what they cost; their SKU is their variant's. Behind the products, so that new ones are
    there. What the shop has no cost of keeps ours, unless the shop has changed it since it told of it last."""
    listed = {id_of(node.inventory_item.id): node.inventory_item for node in page.nodes}
    known = {it.shopify_id: it.version.updated_at for it in await versions.find_known(Kind.ITEM, list(listed))}
    equal = []
    for row in await fetch(FIND_COSTS, list(listed)):
        item, cost = listed[row["item"]], cost_of(listed[row["item"]])
        is_untold = cost is None and known.get(row["item"], item.updated_at) >= item.updated_at
        if is_untold or cost == row["cost_price"]:
            equal.append((row["item"], 0, equal_as_of(item.updated_at, page.asked_at)))
            continue
        report.differ(Difference("item", row["item"], row["sku"], "cost_price", row["cost_price"], cost))
        if not report.dry_run:
            await _repair_item(row["item"], cost, tell(page.asked_at, item.updated_at), report)
    if not report.dry_run:
        await raise_versions(Kind.ITEM, equal)
    return [(ListedKind.ITEM, item, 0) for item in listed]


async def _repair_item(item_id: int, cost: Decimal | None, told: Told, report: Report) -> None:
    async def save() -> Outcome:
        if cost is not None and not is_price(cost):
            return Outcome(results=(Result(Became.REFUSED, item_id),))
        return await items.save_item(item_id, sku=UNSET, cost=cost, told=told)

    report.note(await repair(save))


async def _remove_unlisted(comparison: Comparison) -> None:
    """Raises NothingListed: a shop without anything is more likely a token that may not see it."""
    report, progress = comparison.report, comparison.progress
    while gone := await fetch(UNLISTED, report.id, comparison.progress.behind, settings.shopify_shop):
        if not report.counts.variants:
            raise NothingListed("The shop lists no products, and there are some of it here: nothing was removed.")
        for row in gone:
            report.differ(Difference("variant", row["shopify_variant_id"], row["sku"], "exists", True, False))
        if not report.dry_run:
            await _remove(gone, report, tell(progress.since))
        await keep(comparison, structs.replace(progress, behind=gone[-1]["shopify_variant_id"]))
    await keep(comparison, Progress(Phase.LEVELS, progress.since))


async def _remove(gone: Sequence[asyncpg.Record], report: Report, told: Told) -> None:
    by_product: defaultdict[int | None, list[asyncpg.Record]] = defaultdict(list)
    for row in gone:
        by_product[row["shopify_product_id"]].append(row)
    for product_id, rows in by_product.items():
        report.note(await _remove_variants(product_id, rows, _with_own(told, rows[0]), is_gone=rows[0]["is_gone"]))


def _with_own(told: Told, row: asyncpg.Record) -> Told:
    """What this very comparison has written of a product must not stand in its way."""
    if row["given_updated_at"] is None:
        return told
    own = Version(row["given_updated_at"], row["given_triggered_at"], told.shop)
    return structs.replace(told, version=max(told.version, own))


async def _remove_variants(
    product_id: int | None, rows: Sequence[asyncpg.Record], told: Told, *, is_gone: bool
) -> Outcome:
    """`is_gone`: nothing of its product is listed any more."""
    variants = [row["id"] for row in rows], [row["shopify_variant_id"] for row in rows]

    async def remove() -> Outcome:
        if product_id is not None and not await versions.advance(
            Kind.PRODUCT, product_id, told.version, is_removed=is_gone
        ):
            return KEPT
        still = [row["id"] for row in await fetch(STILL_LINKED, *variants)]
        return Outcome(results=await removal.remove_variants(still, told))

    return await repair(remove)
