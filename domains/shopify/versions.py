"""How new what we know of each thing of the shop is: webhooks come late, twice and in any order.

A version is claimed in the transaction that writes the thing, and first in it: its row is the lock of the thing, so
that of two webhooks on the same one waits, and then sees that it is the older.
"""

from collections.abc import Collection
from datetime import datetime

import msgspec

from domains.shopify.tables import Kind
from piccolo_conf import execute, fetch, fetch_value

# Relies on shopify_version_key.
ADVANCE = """
    INSERT INTO shopify_version AS v (shop, kind, shopify_id, location_id, updated_at, triggered_at, is_removed)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (shopify_id, kind, location_id) DO UPDATE
    SET shop = excluded.shop, updated_at = excluded.updated_at, triggered_at = excluded.triggered_at,
        is_removed = excluded.is_removed
    WHERE (v.updated_at, v.triggered_at) <= (excluded.updated_at, excluded.triggered_at)
    RETURNING id
"""
ADVANCE_ALL = """
    INSERT INTO shopify_version AS v (shop, kind, shopify_id, location_id, updated_at, triggered_at, is_removed)
    SELECT n.shop, $1, n.shopify_id, n.location_id, n.updated_at, n.triggered_at, $7
    FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
        AS n (shop, shopify_id, location_id, updated_at, triggered_at)
    ORDER BY n.shopify_id, n.location_id
    ON CONFLICT (shopify_id, kind, location_id) DO UPDATE
    SET shop = excluded.shop, updated_at = excluded.updated_at, triggered_at = excluded.triggered_at,
        is_removed = excluded.is_removed
    WHERE v.updated_at < excluded.updated_at OR v.is_removed <> excluded.is_removed
        AND (v.updated_at, v.triggered_at) <= (excluded.updated_at, excluded.triggered_at)
"""
FIND = """
    SELECT shop, shopify_id, location_id, updated_at, triggered_at, is_removed FROM shopify_version
    WHERE kind = $1 AND shopify_id = ANY($2::bigint[])
"""


class Version(msgspec.Struct, frozen=True, order=True):
    """When the thing was last changed in the shop, in whole seconds, and when Shopify told so, which tells the changes
    of one second apart; and which shop it was, "" where nobody said."""

    updated_at: datetime
    triggered_at: datetime
    shop: str = ""


class Known(msgspec.Struct, frozen=True):
    """What was last told of a thing; `location_id` is 0 but for levels."""

    shopify_id: int
    location_id: int
    version: Version
    is_removed: bool


async def advance(
    kind: Kind, shopify_id: int, version: Version, *, location_id: int = 0, is_removed: bool = False
) -> bool:
    """Whether nothing newer is known; then this is the newest, and the thing is locked until the transaction ends.

    The same version again passes: to apply it twice changes nothing.
    """
    given = (version.shop, kind, shopify_id, location_id, version.updated_at, version.triggered_at, is_removed)
    return await fetch_value(ADVANCE, *given) is not None


async def advance_all(kind: Kind, news: Collection[tuple[int, int, Version]], *, is_removed: bool = False) -> None:
    """Many at once, of (id, location id or 0, version): those that are newer than what is known. Within its second only
    one that goes, or comes back, is worth a write."""
    shops, ids, locations = [new[2].shop for new in news], [new[0] for new in news], [new[1] for new in news]
    updated, triggered = [new[2].updated_at for new in news], [new[2].triggered_at for new in news]
    await execute(ADVANCE_ALL, kind, shops, ids, locations, updated, triggered, is_removed)


async def find_known(kind: Kind, shopify_ids: Collection[int]) -> list[Known]:
    """Of a level, each of its item's: an item has one at each location."""
    rows = await fetch(FIND, kind, list(shopify_ids))
    return [
        Known(
            row["shopify_id"],
            row["location_id"],
            Version(row["updated_at"], row["triggered_at"], row["shop"]),
            row["is_removed"],
        )
        for row in rows
    ]
