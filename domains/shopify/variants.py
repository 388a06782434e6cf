"""What will be written of a product of the shop, decided before anything is."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from domains.catalog.linking import Linkable
from domains.shopify.mapping import ShopProduct, changes_of, differences
from domains.shopify.matching import Match, find_gone
from domains.shopify.outcomes import Became, Outcome, Result, name_item, name_sku
from domains.shopify.tables import InboundReason, InboundState
from domains.shopify.webhooks import Told

Values = dict[str, object]
ITEM = "shopify_inventory_item_id"


class Plan(msgspec.Struct, frozen=True):
    """`changed` by product id; `new` by the variant's id; `others` are the product's whose variants were not told."""

    matches: Sequence[Match]
    gone: list[Linkable]
    others: list[Linkable]
    changed: dict[int, Values]
    new: dict[int, Values]


def make_plan(
    product: ShopProduct,
    matches: Sequence[Match],
    locked: Collection[Linkable],
    silent: Collection[int],
    told: Told,
    *,
    is_again: bool,
) -> Plan:
    """`silent` are variants whose quantity says nothing."""
    taken = {match.product.id for match in matches if match.product}
    gone = [row for row in find_gone(product, locked) if row.id not in taken]
    left = [row for row in locked if row.shopify_product_id == product.shopify_id and row.id not in taken]
    others = [row for row in left if row not in gone]
    news = {"shopify_updated_at": told.version.updated_at}
    changed = {row.id: _theirs(differences(product.shared, row.values)) for row in others}
    new = {}
    for match in matches:
        if match.product and not match.is_out:
            changed[match.product.id] = _changes(match, match.product, silent, is_again=is_again)
        elif not match.is_out:
            new[match.variant.shopify_id] = _first_values(match, silent) | news
    return Plan(matches, gone, others, {id_: values | news for id_, values in changed.items() if values}, new)


def item_of(match: Match) -> int | None:
    """The shop's id of what is counted, as it will be known."""
    known = match.product.shopify_inventory_item_id if match.product else None
    return known if match.variant.item_id is None else match.variant.item_id


def find_relinked(plan: Plan) -> list[int]:
    """Products that stood for another item before: what was told of that one's levels does not count any more."""
    known = [match.product for match in plan.matches if match.product and match.product.shopify_inventory_item_id]
    return [row.id for row in known if ITEM in plan.changed.get(row.id, {})]


def conclude(plan: Plan, created: Mapping[int, int], removed: Sequence[Result]) -> Outcome:
    """What became of each variant, and of the webhook. `created` are ids by that of the variant."""
    results = [_tell(match, plan, created) for match in plan.matches]
    results += [
        Result(Became.UPDATED, row.shopify_variant_id, row.sku, row.id) for row in plan.others if row.id in plan.changed
    ]
    troubles = {match.became: match.detail for match in reversed(plan.matches) if match.became}
    state, reason, awaits = InboundState.PROCESSED, None, None
    if Became.PARKED in troubles:
        state, reason, awaits = InboundState.PARKED, InboundReason.SKU_TAKEN, _find_awaited(plan)
    elif Became.REFUSED in troubles:
        state, reason = InboundState.FAILED, InboundReason.BAD_PAYLOAD
    detail = troubles.get(Became.PARKED) or troubles.get(Became.REFUSED) or ""
    known = _find_linked_items(plan) + _find_left_skus(plan)
    return Outcome(state, reason, detail, (*results, *removed), awaits, known)


def _changes(match: Match, row: Linkable, silent: Collection[int], *, is_again: bool) -> Values:
    """What is told again books no stock of what it linked before: some of it may have been sold since."""
    told = msgspec.structs.replace(match.variant, sku=match.sku)
    values = _theirs(changes_of(told, row.values))
    total = _total(match, silent)
    is_old = is_again and row.shopify_variant_id == match.variant.shopify_id
    if total is not None and total != row.inventory_quantity and not is_old:
        values["inventory_quantity"] = total
    return values


def _first_values(match: Match, silent: Collection[int]) -> Values:
    variant = match.variant
    links = {"shopify_variant_id": variant.shopify_id, ITEM: variant.item_id}
    total = _total(match, silent) or 0
    return {"name": variant.first_name, **variant.values, **links, "sku": match.sku, "inventory_quantity": total}


def _total(match: Match, silent: Collection[int]) -> int | None:
    """What the product says lies everywhere; None where it says nothing that counts."""
    quantity = match.variant.quantity
    return max(0, quantity) if isinstance(quantity, int) and match.variant.shopify_id not in silent else None


def _theirs(changes: Mapping[str, tuple[object, object]]) -> Values:
    return {name: theirs for name, (_ours, theirs) in changes.items()}


def _tell(match: Match, plan: Plan, created: Mapping[int, int]) -> Result:
    variant = match.variant.shopify_id
    if match.product is None:
        became = match.became or Became.CREATED
        return Result(became, variant, match.sku, created.get(variant), detail=match.detail)
    became = match.became or (Became.UPDATED if match.product.id in plan.changed else Became.UNCHANGED)
    return Result(became, variant, match.sku, match.product.id, detail=match.detail)


def _find_linked_items(plan: Plan) -> tuple[str, ...]:
    """Those that others may have waited for."""
    found = [values.get(ITEM) for values in (*plan.changed.values(), *plan.new.values())]
    return tuple(name_item(item) for item in found if isinstance(item, int))


def _find_left_skus(plan: Plan) -> tuple[str, ...]:
    """Those that nobody has any more, or that whoever has them gives up."""
    known = [match.product for match in plan.matches if match.product]
    renamed = [row for row in known if "sku" in plan.changed.get(row.id, {})]
    return tuple(name_sku(row.folded) for row in (*renamed, *plan.gone))


def _find_awaited(plan: Plan) -> str:
    """One at a time. What is new here has nobody but its webhook to wait for its SKU: it comes first."""
    parked = [match for match in plan.matches if match.became is Became.PARKED]
    return name_sku(min(parked, key=lambda match: match.product is not None).awaits)
