"""Which lines of a purchase order a delivery of the supplier fills."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from domains.catalog.references import find_ids
from domains.catalog.stock import ProductGone
from domains.orders.purchase_rows import Line, Purchase
from domains.orders.purchase_schemas import ReceivedLineIn
from lib.errors import Conflict, FieldError, refuse_fields

# Stands for the product of what names a line instead; an id is taken as it is.
NO_PRODUCT = 0


class NothingOutstanding(Conflict):
    """Nothing of this purchase order is outstanding: all of it was received or cancelled."""


class Arrival(msgspec.Struct, frozen=True):
    """So much of a line, or of a product whose lines are filled one after another."""

    quantity: int
    line: int | None
    product_id: int

    @property
    def key(self) -> str:
        return "product" if self.line is None else "line"


async def read_arrivals(lines: Sequence[ReceivedLineIn] | None) -> list[Arrival] | None:
    """None means all that is outstanding. Raises BadInput for lines that name nothing, two things, or unknown SKUs."""
    if lines is None:
        return None
    sentence = "give either line or product"
    unclear = [place for place, line in enumerate(lines) if (line.line is None) == (line.product is None)]
    refuse_fields(FieldError(f"lines[{place}].line", sentence) for place in unclear)
    product_ids = await find_ids([line.product or NO_PRODUCT for line in lines], "lines[{}].product")
    return [Arrival(line.quantity, line.line, key) for line, key in zip(lines, product_ids, strict=True)]


def choose(purchase: Purchase, arrivals: Sequence[Arrival] | None) -> dict[int, int]:
    """Quantities by the ids of lines. Raises NothingOutstanding, ProductGone, and BadInput that names what is wrong."""
    rest = {line.id: line.outstanding for line in purchase.lines.values() if line.outstanding}
    if not rest:
        raise NothingOutstanding
    if arrivals is None:
        return _choose_all(purchase, rest)
    return _choose_these(purchase, rest, arrivals)


def _choose_all(purchase: Purchase, rest: Mapping[int, int]) -> dict[int, int]:
    """Nothing can come of a product that was deleted: its lines stay open until they are cancelled."""
    came = {key: quantity for key, quantity in rest.items() if purchase.lines[key].product is not None}
    if not came:
        raise ProductGone
    return came


def _choose_these(purchase: Purchase, rest: dict[int, int], arrivals: Sequence[Arrival]) -> dict[int, int]:
    came: defaultdict[int, int] = defaultdict(int)
    errors: list[FieldError] = []
    by_product = _by_product(purchase)
    for place, arrival in enumerate(arrivals):
        lines = by_product[arrival.product_id] if arrival.line is None else _by_id(purchase, arrival.line)
        free = sum(rest.get(line.id, 0) for line in lines)
        if problem := _find_problem(arrival, lines, free):
            name, sentence = problem
            errors.append(FieldError(f"lines[{place}].{name}", sentence))
            continue
        wanted = arrival.quantity
        for line in lines:
            taken = min(wanted, rest.get(line.id, 0))
            if taken:
                wanted -= taken
                rest[line.id] -= taken
                came[line.id] += taken
    refuse_fields(errors)
    return came


def _by_product(purchase: Purchase) -> defaultdict[int, list[Line]]:
    found: defaultdict[int, list[Line]] = defaultdict(list)
    for line in purchase.lines.values():
        if line.product is not None:
            found[line.product].append(line)
    return found


def _by_id(purchase: Purchase, line_id: int) -> list[Line]:
    return [purchase.lines[line_id]] if line_id in purchase.lines else []


def _find_problem(arrival: Arrival, lines: Sequence[Line], free: int) -> tuple[str, str] | None:
    """The field of the line that is wrong, and why."""
    if not lines:
        return arrival.key, "is not on this purchase order"
    if lines[0].product is None:
        return arrival.key, "its product was deleted: nothing can be received of it"
    if arrival.quantity > free:
        return "quantity", f"is more than the {free} that are outstanding"
    return None
