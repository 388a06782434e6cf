"""Which product of ours stands for which variant, and what SKU it will have, decided before anything is written."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import UNSET

from domains.catalog.linking import Linkable, Linked
from domains.shopify.mapping import ShopProduct, ShopVariant
from domains.shopify.outcomes import Became

L = TypeVar("L", bound=Linked)


class Match(msgspec.Struct):
    """`product` is None for a variant that is new here. `became` is told already where it cannot be written as it is:
    one that is parked keeps its SKU, or is not created; what else is told of it is written. `awaits` is the SKU that it
    is parked for, as the unique index compares it."""

    variant: ShopVariant
    product: Linkable | None
    sku: str
    folded: str
    became: Became | None = None
    detail: str = ""
    awaits: str = ""

    @property
    def moves_to_sku(self) -> bool:
        return self.became is None and (self.product is None or self.folded != self.product.folded)

    @property
    def is_out(self) -> bool:
        """Nothing of it is written."""
        return self.became in (Became.REFUSED, Became.KEPT) or (self.became is Became.PARKED and self.product is None)

    @property
    def parked_sku(self) -> str | None:
        """The one that it is to have as soon as nobody else has it."""
        sku = self.variant.sku
        return sku if self.became is Became.PARKED and isinstance(sku, str) else None

    def keep_out(self, became: Became, detail: str) -> None:
        self.became, self.detail = became, detail


def sku_of(variant: ShopVariant) -> str:
    """As it was told, or one of ours."""
    return variant.sku if isinstance(variant.sku, str) else f"shopify-{variant.shopify_id}"


def find_gone(product: ShopProduct, products: Collection[L]) -> list[L]:
    """Those of its products whose variant does not exist any more."""
    told = {variant.shopify_id for variant in product.variants}
    own = [row for row in products if row.shopify_product_id == product.shopify_id]
    return [row for row in own if row.shopify_variant_id not in told] if product.is_complete else []


def match_variants(
    product: ShopProduct,
    products: Collection[Linkable],
    *,
    folded: Mapping[str, str],
    newer_items: Collection[int],
    buried_items: Collection[int],
) -> list[Match]:
    """By the variant's id, else by the SKU of a product that stands for no variant, or for none that still exists.

    `folded` has each SKU as the database compares it; items whose SKU is newer here keep it.
    """
    known = {row.shopify_variant_id: row for row in products if row.shopify_variant_id is not None}
    gone = find_gone(product, products)
    free = {row.folded: row for row in products if row.shopify_variant_id is None or row in gone}
    matches = [_match(variant, known, free, folded, newer_items) for variant in product.variants]
    for match in matches:
        _refuse(match, buried_items)
    _refuse_foreign_items(matches, products)
    _park_taken(matches, products, find_yielding(matches, products, gone))
    return matches


def find_yielding(matches: Sequence[Match], products: Collection[Linkable], gone: Collection[Linkable]) -> set[int]:
    """Products that stand for no variant any more, and give their SKUs to those that the shop gives them to."""
    own = {match.product.id for match in matches if match.product}
    return {row.id for row in products if (row.is_let_go or row in gone) and row.id not in own}


def find_told_skus(matches: Sequence[Match], newer_items: Collection[int]) -> dict[int, str | None]:
    """By product: the SKU that was told and that another one has, or None where nothing is in the way."""
    told = [
        (match, match.product)
        for match in matches
        if match.variant.sku is not UNSET and match.became is not Became.KEPT
    ]
    return {row.id: match.parked_sku for match, row in told if row and row.shopify_inventory_item_id not in newer_items}


def _match(
    variant: ShopVariant,
    known: Mapping[int, Linkable],
    free: dict[str, Linkable],
    folded: Mapping[str, str],
    newer_items: Collection[int],
) -> Match:
    sku = sku_of(variant)
    row = known.get(variant.shopify_id)
    if row is None:
        return Match(variant, None if variant.problem else free.pop(folded[sku], None), sku, folded[sku])
    if not isinstance(variant.sku, str) or row.shopify_inventory_item_id in newer_items:
        return Match(variant, row, row.sku, row.folded)
    return Match(variant, row, sku, folded[sku])


def _refuse(match: Match, buried_items: Collection[int]) -> None:
    if match.variant.problem:
        match.keep_out(Became.REFUSED, match.variant.problem)
    elif match.variant.item_id in buried_items:
        match.keep_out(Became.KEPT, "The shop has removed it since.")


def _refuse_foreign_items(matches: Sequence[Match], products: Collection[Linkable]) -> None:
    """An item belongs to one variant for good: anything else is no payload of Shopify's."""
    holders = {row.shopify_inventory_item_id: row.id for row in products}
    seen: set[int | None] = {None}
    for match in matches:
        item = match.variant.item_id
        if item is None or match.is_out:
            continue
        own = match.product.id if match.product else None
        if item in seen or holders.get(item, own) != own:
            match.keep_out(Became.REFUSED, f"Its inventory item {item} belongs to another variant.")
        seen.add(item)


def _park_taken(matches: Sequence[Match], products: Collection[Linkable], yielding: Collection[int]) -> None:
    """Until nothing more is in the way: who cannot have a new SKU keeps the old one, and is in the way of others."""
    while True:
        moving = [match for match in matches if match.moves_to_sku]
        vacating = {match.product.id for match in moving if match.product}.union(yielding)
        held = {row.folded for row in products if row.id not in vacating}
        blocked = []
        for match in moving:
            if match.folded in held:
                blocked.append(match)
            held.add(match.folded)
        if not blocked:
            return
        for match in blocked:
            match.keep_out(Became.PARKED, f"Another product has the SKU {match.sku}.")
            match.awaits = match.folded
            if match.product:
                match.sku, match.folded = match.product.sku, match.product.folded
