"""Products as the lines of a request name them: by id, or by "sku:…"."""

from collections.abc import Iterable, Sequence
from typing import Annotated, TypeAlias

import msgspec

from lib.errors import FieldError, refuse_fields
from lib.integers import LARGEST_INTEGER
from piccolo_conf import fetch

SKU = "sku:"

ProductRef: TypeAlias = (
    Annotated[int, msgspec.Meta(ge=1, le=LARGEST_INTEGER)]
    | Annotated[str, msgspec.Meta(pattern="^(sku:.{1,200}|[0-9]{1,9})$", examples=["sku:A-100"])]
)

# Relies on product_sku_key.
FIND = """
    SELECT w.place, p.id FROM unnest($1::text[]) WITH ORDINALITY AS w (sku, place)
    JOIN product p ON lower(p.sku) = lower(w.sku)
"""


async def find_ids(refs: Sequence[int | str], field: str) -> list[int]:
    """Ids in the order of the references, in one statement at most. An id is taken as it is: who locks it will see.

    `field` names a line's field ("lines[{}].product"). Raises BadInput with every SKU that no product has.
    """
    skus = [str(ref).removeprefix(SKU).strip() for ref in refs if _is_sku(ref)]
    known = {row["place"]: row["id"] for row in await fetch(FIND, skus)} if skus else {}
    places = iter(range(1, len(skus) + 1))
    found = [known.get(next(places)) if _is_sku(ref) else int(ref) for ref in refs]
    refuse_unknown((place for place, product_id in enumerate(found) if product_id is None), field)
    return [product_id for product_id in found if product_id is not None]


def refuse_unknown(places: Iterable[int], field: str) -> None:
    """Raises BadInput that names every line whose product is not there."""
    refuse_fields(FieldError(field.format(place), "there is no such product") for place in places)


def _is_sku(ref: int | str) -> bool:
    return isinstance(ref, str) and ref.startswith(SKU)
