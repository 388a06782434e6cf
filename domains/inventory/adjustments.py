"""Stock corrected by hand: by a delta, or to what was counted."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import uuid4

import msgspec

from domains.catalog.references import find_ids
from domains.catalog.stock import Move, move_locked
from domains.catalog.tables import Reason
from domains.inventory.locations import Place, find_locations
from domains.inventory.locking import Held, hold
from domains.inventory.schemas import AdjustmentIn, AdjustmentLineIn, AdjustmentLineOut, AdjustmentOut
from lib.actor import acting
from lib.errors import Conflict, FieldError, field_error, refuse_fields
from lib.integers import LARGEST_INTEGER
from piccolo_conf import transaction

LINE = "lines[{}]."
FLAT = ("product", "delta", "quantity", "expected_quantity", "location")


class StaleQuantity(Conflict):
    """Something else lies there than was expected; read it again."""


class Target(msgspec.Struct, frozen=True):
    """The level that a line means; without a place, all levels of its product."""

    product_id: int
    place: Place | None


async def adjust_stock(data: AdjustmentIn) -> AdjustmentOut:
    """All lines or none, in a number of statements that does not grow with them.

    Raises BadInput that names a line's field, StaleQuantity and OutOfStock with the `items` that do not fit.
    """
    lines, prefix = _lines_of(data)
    reason = _reason_of(data, lines)
    with acting(reference=f"adjustment:{uuid4()}") as who:
        async with transaction():
            targets = await _find_targets(lines, prefix)
            held = await hold([target.product_id for target in targets], prefix + "product")
            booked = [_work_out(line, target, held) for line, target in zip(lines, targets, strict=True)]
            _refuse_stale(lines, booked)
            _refuse_too_many(lines, booked, prefix)
            moves = [Move(line.product_id, line.delta, line.location_id) for line in booked]
            await move_locked(moves, reason=reason, note=data.note)
    return AdjustmentOut(who.reference, reason, data.note, booked)


def _lines_of(data: AdjustmentIn) -> tuple[Sequence[AdjustmentLineIn], str]:
    """The lines, and what stands before the names of their fields. Raises BadInput unless each says one quantity."""
    given = {name: getattr(data, name) for name in FLAT if getattr(data, name) is not None}
    if data.lines is not None:
        if given:
            raise field_error(next(iter(given)), "stands in the lines when there are lines")
        lines, prefix = data.lines, LINE
    elif data.product is None:
        raise field_error("product", "is required")
    else:
        lines, prefix = [AdjustmentLineIn(**given)], ""
    refuse_fields(
        FieldError(f"{prefix.format(number)}quantity", "say exactly one of delta and quantity")
        for number, line in enumerate(lines)
        if (line.delta is None) == (line.quantity is None)
    )
    return lines, prefix


def _reason_of(data: AdjustmentIn, lines: Sequence[AdjustmentLineIn]) -> Reason:
    if data.reason is not None:
        return Reason(data.reason.value)
    counted = {line.quantity is not None for line in lines}
    if len(counted) > 1:
        raise field_error("reason", "is required where some lines have a delta and some a quantity")
    return Reason.COUNT if counted == {True} else Reason.ADJUSTMENT


async def _find_targets(lines: Sequence[AdjustmentLineIn], prefix: str) -> list[Target]:
    """Raises BadInput for what is not there, and for a level that two lines mean."""
    ids = await find_ids([line.product for line in lines], prefix + "product")
    places = await find_locations([line.location for line in lines], prefix + "location")
    targets = [
        Target(product_id, None if _is_from_anywhere(line) else place)
        for line, product_id, place in zip(lines, ids, places, strict=True)
    ]
    met: defaultdict[int, list[Place | None]] = defaultdict(list)
    errors = []
    for number, target in enumerate(targets):
        others = met[target.product_id]
        if others and (target.place is None or target.place in others or None in others):
            errors.append(FieldError(f"{prefix.format(number)}product", "is in another line for the same location"))
        others.append(target.place)
    refuse_fields(errors)
    return targets


def _is_from_anywhere(line: AdjustmentLineIn) -> bool:
    """Whoever expects a certain number speaks of one level."""
    return (line.delta or 0) < 0 and line.location is None and line.expected_quantity is None


def _work_out(line: AdjustmentLineIn, target: Target, held: Held) -> AdjustmentLineOut:
    location_id = target.place.id if target.place else None
    before = held.on_hand(target.product_id, location_id)
    delta = line.delta if line.delta is not None else (line.quantity or 0) - before
    return AdjustmentLineOut(
        product_id=target.product_id,
        sku=held.products[target.product_id].sku,
        location_id=location_id,
        location=target.place.code if target.place else None,
        before=before,
        delta=delta,
        on_hand=before + delta,
    )


def _refuse_stale(lines: Sequence[AdjustmentLineIn], booked: Sequence[AdjustmentLineOut]) -> None:
    stale = [
        {
            "product_id": found.product_id,
            "sku": found.sku,
            "location_id": found.location_id,
            "location": found.location,
            "expected_quantity": line.expected_quantity,
            "on_hand": found.before,
        }
        for line, found in zip(lines, booked, strict=True)
        if line.expected_quantity not in {None, found.before}
    ]
    if stale:
        first = stale[0]
        raise StaleQuantity(
            f"{first['on_hand']} of {first['sku']} lie at {first['location']}, "
            f"{first['expected_quantity']} were expected.",
            extra={"items": stale},
        )


def _refuse_too_many(lines: Sequence[AdjustmentLineIn], booked: Sequence[AdjustmentLineOut], prefix: str) -> None:
    refuse_fields(
        FieldError(f"{prefix.format(number)}delta", f"would make it more than {LARGEST_INTEGER}")
        for number, (line, found) in enumerate(zip(lines, booked, strict=True))
        if line.delta is not None and found.on_hand > LARGEST_INTEGER
    )
