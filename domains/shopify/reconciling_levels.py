"""What the shop says lies where against the levels here: compared a page at a time, repaired a level at a time."""

from domains.shopify import levels
from domains.shopify.admin_api import AdminApi
from domains.shopify.outcomes import Outcome
from domains.shopify.places import reach_place
from domains.shopify.queries import LevelNode, LocationNode, Page, id_of, list_levels, list_locations
from domains.shopify.reconciliation import Difference, NothingListed, Report, equal_as_of, keep, tell
from domains.shopify.repairing import raise_versions, repair
from domains.shopify.tables import Kind
from domains.shopify.webhooks import Told
from lib import clock
from piccolo_conf import fetch, fetch_value, transaction

# What the shop has told of each item's level at one of its locations; None for a level that it has not told of.
# Relies on product_shopify_item_key and location_shopify_key.
FIND = """
    SELECT p.shopify_inventory_item_id AS item, p.sku, s.on_hand
    FROM product p LEFT JOIN (
        SELECT s.product, s.on_hand FROM stock_level s JOIN location l ON l.id = s.location
        WHERE l.shopify_location_id = $2 AND s.shopify_updated_at IS NOT NULL
    ) s ON s.product = p.id
    WHERE p.shopify_inventory_item_id = ANY($1::bigint[])
"""
# Relies on stock_level_location (location, product).
TOLD = """
    SELECT p.shopify_inventory_item_id AS item, p.sku, s.on_hand, s.product
    FROM location l JOIN stock_level s ON s.location = l.id JOIN product p ON p.id = s.product
    WHERE l.shopify_location_id = $1 AND s.product > $2 AND s.shopify_updated_at IS NOT NULL
        AND p.shopify_inventory_item_id IS NOT NULL
    ORDER BY s.product LIMIT 2000
"""
IS_ANY_TOLD = """
    SELECT EXISTS (
        SELECT FROM stock_level s JOIN product p ON p.id = s.product
        WHERE s.shopify_updated_at IS NOT NULL AND p.shopify_inventory_item_id = ANY($1::bigint[])
    )
"""
# Relies on there being few locations.
PLACES = "SELECT shopify_location_id AS id FROM location WHERE shopify_location_id IS NOT NULL ORDER BY id"


async def reconcile_levels(api: AdminApi, report: Report, items: set[int]) -> None:
    """Levels of others than these, which the shop lists, are not looked at: they go with their product.

    Raises ShopUnavailable, ShopRefused and NothingListed.
    """
    started_at = clock.now()
    locations = await list_locations(api)
    report.counts.locations = len(locations)
    stocked = {id_of(location.id) for location in locations if await _reconcile_location(api, location, report, items)}
    if not report.counts.levels and await fetch_value(IS_ANY_TOLD, list(items)):
        raise NothingListed("The shop lists no stock, and has told of some: none of it was removed.")
    for row in await fetch(PLACES):
        if row["id"] not in stocked:
            await _remove_unlisted(row["id"], items, tell(started_at), report)
    await keep(report)


async def _reconcile_location(api: AdminApi, location: LocationNode, report: Report, items: set[int]) -> bool:
    """Whether it has any level at all."""
    location_id, started_at = id_of(location.id), clock.now()
    if not report.dry_run:
        async with transaction():
            await reach_place(location_id, location.name)
    seen: set[int] = set()
    async for page in list_levels(api, location):
        await _compare(page, location, report)
        seen.update(id_of(node.item.id) for node in page.nodes)
        report.counts.levels += len(page.nodes)
        await keep(report)
    if seen:
        await _remove_unlisted(location_id, items - seen, tell(started_at), report)
    return bool(seen)


async def _compare(page: Page[LevelNode], location: LocationNode, report: Report) -> None:
    """What the shop does not count is not compared; below zero is none."""
    location_id = id_of(location.id)
    listed = {id_of(node.item.id): node for node in page.nodes if node.item.tracked}
    rows = await fetch(FIND, list(listed), location_id)
    report.counts.unknown += len(listed) - len(rows)
    equal = []
    for row in rows:
        node = listed[row["item"]]
        if row["on_hand"] == max(0, node.available):
            equal.append((row["item"], location_id, equal_as_of(node.updated_at, page.asked_at)))
            continue
        field = f"available@{location_id}"
        report.differ(Difference("level", row["item"], row["sku"], field, row["on_hand"], node.available))
        if not report.dry_run:
            await _repair(row["item"], location, node, tell(page.asked_at, node.updated_at), report)
    if not report.dry_run:
        await raise_versions(Kind.LEVEL, equal)


async def _repair(item_id: int, location: LocationNode, node: LevelNode, told: Told, report: Report) -> None:
    async def save() -> Outcome:
        return await levels.set_level(item_id, id_of(location.id), node.available, told, name=location.name)

    report.note(await repair(save))


async def _remove_unlisted(location_id: int, unlisted: set[int], told: Told, report: Report) -> None:
    """Levels of these items that the shop has told of."""
    behind = -1
    while rows := await fetch(TOLD, location_id, behind):
        behind = rows[-1]["product"]
        for row in rows:
            if row["item"] not in unlisted:
                continue
            field = f"available@{location_id}"
            report.differ(Difference("level", row["item"], row["sku"], field, row["on_hand"], None))
            if not report.dry_run:
                await _remove(row["item"], location_id, told, report)


async def _remove(item_id: int, location_id: int, told: Told, report: Report) -> None:
    async def remove() -> Outcome:
        return await levels.remove_level(item_id, location_id, told)

    report.note(await repair(remove))
