"""SKUs that the shop has given to products of ours while others have them.

Products that swap their SKUs are told one after the other, and each finds another in its way. What each one is to have
is kept here: those that wait for each other, or for what nobody has any more, get it in one write.
"""

from collections.abc import Mapping, Sequence

import msgspec

from domains.catalog import linking
from domains.shopify.outcomes import Became, Outcome, Result, name_sku
from domains.shopify.repairing import repair
from piccolo_conf import execute, fetch

# Relies on parked_sku_product_key.
FORGET = "DELETE FROM parked_sku WHERE product = ANY($1::int[])"
KEEP = """
    INSERT INTO parked_sku (product, sku) SELECT * FROM unnest($1::int[], $2::text[])
    ON CONFLICT (product) DO UPDATE SET sku = excluded.sku
"""
# Those that need not stay as they are: `holder` is None where nobody has the SKU but a product that gives it up. Relies
# on product_sku_key and parked_sku_product_key.
FIND = f"""
    SELECT w.product, w.sku, lower(w.sku) AS folded, lower(p.sku) AS left_behind, h.id AS holder
    FROM parked_sku w JOIN product p ON p.id = w.product
    LEFT JOIN product h ON lower(h.sku) = lower(w.sku) AND h.id <> w.product AND NOT ({linking.let_go_in_sql("h")})
    WHERE p.shopify_variant_id IS NOT NULL
        AND (h.id IS NULL OR EXISTS (SELECT FROM parked_sku o WHERE o.product = h.id))
    ORDER BY w.product
"""


class Parked(msgspec.Struct, frozen=True):
    """`folded` is the SKU as the unique index compares it, and `left_behind` the one that the product has so far."""

    product: int
    sku: str
    folded: str
    left_behind: str
    holder: int | None


async def note(told: Mapping[int, str | None]) -> None:
    """By product, which the caller has locked: the SKU that it cannot have yet, or None where it has what was told."""
    parked = {product_id: sku for product_id, sku in told.items() if sku is not None}
    if granted := [product_id for product_id in told if product_id not in parked]:
        await execute(FORGET, granted)
    if parked:
        await execute(KEEP, list(parked), list(parked.values()))


async def settle() -> Outcome:
    """Give what can be given; a result for each product that got one. Known are these SKUs and those that got free.

    Outside any transaction. What somebody else comes between is left for the next time.
    """
    if not (able := find_able(await _find())):
        return Outcome()

    async def give() -> Outcome:
        locked = {row.id: row for row in await linking.lock_linkable([parked.product for parked in able])}
        given = find_able([parked for parked in await _find() if parked.product in locked])
        await linking.free_skus([parked.sku for parked in given], list(locked))
        await linking.change_linked({parked.product: {"sku": parked.sku} for parked in given}, locked)
        await note(dict.fromkeys(parked.product for parked in given))
        results = tuple(Result(Became.UPDATED, sku=parked.sku, product=parked.product) for parked in given)
        known = tuple(name_sku(sku) for parked in given for sku in (parked.folded, parked.left_behind))
        return Outcome(results=results, known=known)

    return await repair(give)


def find_able(all_parked: Sequence[Parked]) -> list[Parked]:
    """Those that can have their SKUs at once: nobody has them, or those who have them are among these.

    Of several that are to have the same one it goes to one in a ring, else to one that others wait for.
    """
    moving = {parked.product: parked for parked in _drop_blocked(all_parked)}
    awaited = {parked.holder for parked in moving.values()}
    by_sku: dict[str, Parked] = {}
    for parked in sorted(moving.values(), key=lambda it: (not _is_in_ring(it, moving), it.product not in awaited)):
        by_sku.setdefault(parked.folded, parked)
    return _drop_blocked(list(by_sku.values()))


def _is_in_ring(parked: Parked, moving: Mapping[int, Parked]) -> bool:
    """Whoever has its SKU waits for somebody who waits for somebody …, who waits for this one."""
    holder, passed = parked.holder, set[int]()
    while holder is not None and holder not in passed:
        if holder == parked.product:
            return True
        passed.add(holder)
        holder = moving[holder].holder
    return False


def _drop_blocked(moving: Sequence[Parked]) -> list[Parked]:
    while True:
        leaving = {parked.product for parked in moving} | {None}
        left = [parked for parked in moving if parked.holder in leaving]
        if len(left) == len(moving):
            return left
        moving = left


async def _find() -> list[Parked]:
    return [Parked(**row) for row in await fetch(FIND)]
