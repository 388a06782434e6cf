"""The shop's locations here: one that is heard of for the first time is made."""

import msgspec

from domains.catalog.cleaning import CONTROL
from piccolo_conf import execute, fetch_row

LONGEST_NAME = 255

# Held until the transaction ends, so that it is not deactivated meanwhile. Relies on location_shopify_key.
FIND = "SELECT id, code, is_active FROM location WHERE shopify_location_id = $1 FOR KEY SHARE"
MAKE = "INSERT INTO location (code, name, shopify_location_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
# Whoever has given it a name of his own keeps it.
NAME = "UPDATE location SET name = $2 WHERE shopify_location_id = $1 AND name = $3 AND name <> $2"


class Place(msgspec.Struct, frozen=True):
    """`id` and `code` are ours."""

    id: int
    code: str
    is_active: bool


async def find_place(location_id: int) -> Place | None:
    """`location_id` is the shop's; held until the transaction ends."""
    row = await fetch_row(FIND, location_id)
    return None if row is None else Place(*row)


async def reach_place(location_id: int, name: str = "") -> Place:
    """The same, made where it is not here yet. `name` is the shop's, where it is known.

    Comes before any lock of a product, and before another place: a new row of locations waits for whoever changes them.
    """
    wanted = _fit(name)
    if wanted:
        await execute(NAME, location_id, wanted, _stand_in(location_id))
    number = 0
    # Two may hear of it at once: one makes it, and the other finds it behind that. Its code may be taken.
    while (found := await find_place(location_id)) is None:
        number += 1
        code = f"shopify-{location_id}" if number == 1 else f"shopify-{location_id}-{number}"
        await execute(MAKE, code, wanted or _stand_in(location_id), location_id)
    return found


def _stand_in(location_id: int) -> str:
    return f"Shopify location {location_id}"


def _fit(name: str) -> str:
    return CONTROL.sub(" ", name).strip()[:LONGEST_NAME].strip()
