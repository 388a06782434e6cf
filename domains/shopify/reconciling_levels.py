"""What the shop says lies where against the levels here: compared a page at a time, repaired a level at a time."""

from collections.abc import Collection
from datetime import datetime

from msgspec import structs

from domains.shopify import levels
from domains.shopify.admin_api import AdminApi
from domains.shopify.comparison import (
    Comparison,
    Phase,
    Progress,
    find_left_locations,
    has_levels,
    is_listed,
    keep,
    leave_location,
)
from domains.shopify.outcomes import Outcome
from domains.shopify.places import reach_place
from domains.shopify.queries import LevelNode, LocationNode, Page, id_of, list_levels, list_locations, lists_levels
from domains.shopify.reconciliation import NothingListed, equal_as_of, tell
from domains.shopify.reconciliation_report import Difference, Report
from domains.shopify.repairing import raise_versions, repair
from domains.shopify.tables import Kind, ListedKind
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
IS_ITEM_LISTED = is_listed(ListedKind.ITEM, "p.shopify_inventory_item_id")
IS_LEVEL_LISTED = is_listed(ListedKind.LEVEL, "p.shopify_inventory_item_id", "$2")
# Levels at a location that the shop has told of, and that are not listed there: of listed items alone. Where $4 is
# false nothing is listed there any more. Relies on stock_level_location (location, product).
UNLISTED = f"""
    SELECT p.shopify_inventory_item_id AS item, p.sku, s.on_hand, s.product
    FROM location l JOIN stock_level s ON s.location = l.id JOIN product p ON p.id = s.product
    WHERE l.shopify_location_id = $2 AND s.product > $3 AND s.shopify_updated_at IS NOT NULL
        AND {IS_ITEM_LISTED} AND NOT ($4 AND {IS_LEVEL_LISTED})
    ORDER BY s.product LIMIT 2000
"""
IS_ANY_TOLD = f"""
    SELECT EXISTS (
        SELECT FROM stock_level s JOIN product p ON p.id = s.product
        WHERE s.shopify_updated_at IS NOT NULL AND {IS_ITEM_LISTED}
    )
"""
# Relies on there being few locations.
PLACES = "SELECT shopify_location_id AS id FROM location WHERE shopify_location_id IS NOT NULL ORDER BY id"


async def reconcile_levels(api: AdminApi, comparison: Comparison) -> None:
    """As far as that is not done yet. Levels of items that the shop does not list are not looked at: they go with their
    product. Raises ShopUnavailable, ShopRefused and NothingListed."""
    report, started_at = comparison.report, clock.now()
    locations = {id_of(location.id): location for location in await list_locations(api)}
    if report.counts.levels and not await _is_any_listed(api, locations.values()):
        raise NothingListed("The shop lists no stock any more: none of it was removed.")
    report.counts.locations = len(locations)
    left = await find_left_locations(report)
    # The one that was stopped at comes first: going on somewhere else forgets how far it was there.
    for location_id in sorted(locations.keys() - left, key=lambda it: (it != comparison.progress.location, it)):
        await _reconcile_location(api, locations[location_id], comparison)
    if not report.counts.levels and await fetch_value(IS_ANY_TOLD, report.id):
        raise NothingListed("The shop lists no stock, and has told of some: none of it was removed.")
    await _remove_elsewhere(comparison, locations.keys() & await find_left_locations(report), started_at)


async def _is_any_listed(api: AdminApi, locations: Collection[LocationNode]) -> bool:
    for location in locations:
        if await lists_levels(api, location):
            return True
    return False


async def _reconcile_location(api: AdminApi, location: LocationNode, comparison: Comparison) -> None:
    report, location_id = comparison.report, id_of(location.id)
    if comparison.progress.location != location_id:
        comparison.progress = Progress(Phase.LEVELS, clock.now(), location_id)
    if not report.dry_run:
        async with transaction():
            await reach_place(location_id, location.name)
    async for page in list_levels(api, location, comparison.progress.after):
        await _compare(page, location, report)
        report.counts.levels += len(page.nodes)
        listed = [(ListedKind.LEVEL, id_of(node.item.id), location_id) for node in page.nodes]
        await keep(comparison, structs.replace(comparison.progress, after=page.after), listed)
    if await has_levels(report, location_id):
        await _remove_unlisted(comparison, location_id, is_open=True)
        await leave_location(comparison, Progress(Phase.LEVELS, comparison.progress.since))


async def _remove_elsewhere(comparison: Comparison, stocked: Collection[int], started_at: datetime) -> None:
    """Where the shop has no level at all, or no location."""
    for row in await fetch(PLACES):
        if row["id"] not in stocked:
            comparison.progress = Progress(Phase.LEVELS, started_at)
            await _remove_unlisted(comparison, row["id"], is_open=False)


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


async def _remove_unlisted(comparison: Comparison, location_id: int, *, is_open: bool) -> None:
    """Unless `is_open` nothing is listed there any more."""
    report, field = comparison.report, f"available@{location_id}"
    while rows := await fetch(UNLISTED, report.id, location_id, comparison.progress.behind, is_open):
        for row in rows:
            report.differ(Difference("level", row["item"], row["sku"], field, row["on_hand"], None))
            if not report.dry_run:
                await _remove(row["item"], location_id, tell(comparison.progress.since), report)
        await keep(comparison, structs.replace(comparison.progress, behind=rows[-1]["product"]))


async def _remove(item_id: int, location_id: int, told: Told, report: Report) -> None:
    async def remove() -> Outcome:
        return await levels.remove_level(item_id, location_id, told)

    report.note(await repair(remove))
