"""What lies where, as the shop tells it: levels are set, never added to, so that none counts twice.

A version of a level is removed when the shop's word that nothing lies there has taken effect. That is how a product of
which the shop has told before is told from one of which it never has.
"""

from domains.catalog import told_levels
from domains.catalog.told_levels import Levels
from domains.shopify import versions
from domains.shopify.items import Item, await_item, bury, find_item, is_buried
from domains.shopify.outcomes import Became, Outcome, Result, failed, ignored, parked, stale
from domains.shopify.payloads import LevelPayload
from domains.shopify.places import Place, find_place, reach_place
from domains.shopify.tables import InboundReason, Kind
from domains.shopify.webhooks import Told
from lib.integers import LARGEST_INTEGER
from piccolo_conf import fetch

# Those that stand for none of the shop's any more, among a few.
LEFT = "SELECT id FROM location WHERE id = ANY($1::int[]) AND shopify_location_id IS NULL"
MOVED = "Shopify tells of it elsewhere"
GONE = "Shopify does not stock it here any more"


async def take_level(payload: LevelPayload, told: Told) -> Outcome:
    """inventory_levels/update and connect."""
    available = payload.available if isinstance(payload.available, int) else None
    return await set_level(payload.inventory_item_id, payload.location_id, available, told)


async def take_level_removal(payload: LevelPayload, told: Told) -> Outcome:
    """inventory_levels/disconnect."""
    return await remove_level(payload.inventory_item_id, payload.location_id, told)


async def set_level(item_id: int, location_id: int, available: int | None, told: Told, *, name: str = "") -> Outcome:
    """Ids are the shop's; `name` is the location's, where it is known. Claims the version of the level.

    In the open transaction, and before it holds any product or location: one level in each. Below zero is none.
    """
    if available is None:
        # It claims no version: what says nothing must not make older news stale.
        return ignored(InboundReason.UNTRACKED, "The shop does not count this item.")
    if available > LARGEST_INTEGER:
        return failed(f"available: must be at most {LARGEST_INTEGER}")
    if not await versions.advance(Kind.LEVEL, item_id, told.version, location_id=location_id):
        return stale()
    place = await reach_place(location_id, name)
    if (item := await find_item(item_id)) is None:
        return await _miss(item_id)
    if available > 0 and not place.is_active:
        return parked(InboundReason.LOCATION_CLOSED, f"The location {place.code} is not active.")
    return await _lay(item_id, item, place, available, told)


async def remove_level(item_id: int, location_id: int, told: Told) -> Outcome:
    """The shop does not stock the item there any more. Claims the version of the level; otherwise as `set_level`."""
    if not await versions.advance(Kind.LEVEL, item_id, told.version, location_id=location_id):
        return stale()
    place = await find_place(location_id)
    if (item := await find_item(item_id)) is None:
        return await _miss(item_id)
    levels = await told_levels.read_levels(item.product_id)
    is_first = await _is_first(item_id, levels)
    place_id = None if place is None else place.id
    await told_levels.remove_level(levels, place_id, note=GONE, is_first=is_first)
    await versions.advance(Kind.LEVEL, item_id, told.version, location_id=location_id, is_removed=True)
    became = Became.REMOVED if place_id in levels.by_location else Became.UNCHANGED
    return Outcome(results=(Result(became, item_id, sku=item.sku, product=item.product_id),))


async def _lay(item_id: int, item: Item, place: Place, available: int, told: Told) -> Outcome:
    levels, on_hand = await told_levels.read_levels(item.product_id), max(0, available)
    before, is_first = levels.on_hand(place.id), await _is_first(item_id, levels)
    levels = await _empty_left(levels, place)
    if on_hand + (0 if is_first else levels.elsewhere(place.id)) > LARGEST_INTEGER:
        return failed(f"available: there would be more than {LARGEST_INTEGER} of {item.sku} in stock")
    note = f"Shopify tells {available}" if available < 0 else ""
    await told_levels.set_level(levels, place.id, on_hand, told.version.updated_at, note=note, is_first=is_first)
    became = Became.UNCHANGED if before == on_hand else Became.UPDATED
    detail = f"{on_hand} instead of {before} at {place.code}" if before != on_hand else f"{on_hand} at {place.code}"
    return Outcome(results=(Result(became, item_id, sku=item.sku, product=item.product_id, detail=detail),))


async def _empty_left(levels: Levels, place: Place) -> Levels:
    """What the shop told of a location that stands for none of its own any more lies at the one that does now: at this
    one, if this is the first that is told of it."""
    here = levels.by_location.get(place.id)
    if here is not None and here.is_told:
        return levels
    told = [location for location, level in levels.by_location.items() if level.is_told and location != place.id]
    left = await fetch(LEFT, told) if told else []
    for row in left:
        await told_levels.remove_level(levels, row["id"], note=MOVED, is_first=False)
    return await told_levels.read_levels(levels.product_id) if left else levels


async def _miss(item_id: int) -> Outcome:
    return bury() if await is_buried(item_id) else await_item(item_id)


async def _is_first(item_id: int, levels: Levels) -> bool:
    """Whether the shop has not told yet where the product lies. Behind the lock of the product."""
    if levels.is_any_told:
        return False
    return not any(known.is_removed for known in await versions.find_known(Kind.LEVEL, [item_id]))
