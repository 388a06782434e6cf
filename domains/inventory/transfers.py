"""Stock moved from one location to another: two movements for each product, and its total stays."""

from collections import Counter
from collections.abc import Sequence
from uuid import uuid4

from domains.catalog.references import find_ids
from domains.catalog.stock import Move, move_locked
from domains.catalog.tables import Reason
from domains.inventory.locations import Place, find_locations
from domains.inventory.locking import Held, hold
from domains.inventory.schemas import TransferIn, TransferLineIn, TransferLineOut, TransferOut
from lib.actor import acting
from lib.errors import FieldError, field_error, refuse_fields
from lib.integers import LARGEST_INTEGER
from piccolo_conf import transaction


async def transfer_stock(data: TransferIn) -> TransferOut:
    """All lines or none, in a number of statements that does not grow with them.

    Raises BadInput that names a field, and OutOfStock when too little lies at the first location.
    """
    lines, prefix = _lines_of(data)
    with acting(reference=f"transfer:{uuid4()}") as who:
        async with transaction():
            origin, destination = await _find_places(data)
            ids = await find_ids([line.product for line in lines], prefix + "product")
            held = await hold(ids, prefix + "product")
            wanted: Counter[int] = Counter()
            for product_id, line in zip(ids, lines, strict=True):
                wanted[product_id] += line.quantity
            _refuse_too_many(wanted, ids, held, destination, prefix)
            outgoing = [Move(product_id, -units, origin.id) for product_id, units in wanted.items()]
            incoming = [Move(product_id, units, destination.id) for product_id, units in wanted.items()]
            await move_locked([*outgoing, *incoming], reason=Reason.TRANSFER, note=data.note)
    moved = [_shape(product_id, units, held, origin, destination) for product_id, units in wanted.items()]
    return TransferOut(who.reference, origin.code, destination.code, data.note, moved)


def _lines_of(data: TransferIn) -> tuple[Sequence[TransferLineIn], str]:
    """The lines, and what stands before the names of their fields."""
    if data.lines is not None:
        if data.product is not None or data.quantity is not None:
            field = "quantity" if data.product is None else "product"
            raise field_error(field, "stands in the lines when there are lines")
        return data.lines, "lines[{}]."
    if data.product is None or data.quantity is None:
        raise field_error("product" if data.product is None else "quantity", "is required")
    return [TransferLineIn(product=data.product, quantity=data.quantity)], ""


async def _find_places(data: TransferIn) -> tuple[Place, Place]:
    """One after the other, so that each is named by its field."""
    (origin,) = await find_locations([data.from_location], "from_location")
    (destination,) = await find_locations([data.to_location], "to_location")
    if origin == destination:
        raise field_error("to_location", "is the same as from_location")
    return origin, destination


def _refuse_too_many(wanted: Counter[int], ids: Sequence[int], held: Held, destination: Place, prefix: str) -> None:
    """No level holds more than an integer of the database."""
    refuse_fields(
        FieldError(f"{prefix.format(ids.index(product_id))}quantity", f"would make it more than {LARGEST_INTEGER}")
        for product_id, units in wanted.items()
        if held.on_hand(product_id, destination.id) + units > LARGEST_INTEGER
    )


def _shape(product_id: int, units: int, held: Held, origin: Place, destination: Place) -> TransferLineOut:
    return TransferLineOut(
        product_id=product_id,
        sku=held.products[product_id].sku,
        quantity=units,
        from_on_hand=held.on_hand(product_id, origin.id) - units,
        to_on_hand=held.on_hand(product_id, destination.id) + units,
    )
