"""How a delivery goes on: which status may follow which, and the times that belong to them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import UNSET

from domains.orders.delivery_schemas import DeliveryOut, DeliveryPatch
from domains.orders.tables import DeliveryStatus
from lib import clock
from lib.errors import Conflict, field_error

PENDING, SHIPPED, DELIVERED, CANCELLED = DeliveryStatus
STEPS: Mapping[DeliveryStatus, set[DeliveryStatus]] = {
    PENDING: {SHIPPED, CANCELLED},
    SHIPPED: {DELIVERED, CANCELLED},
    DELIVERED: set(),
    CANCELLED: set(),
}
# In a zone of its own a time of the first days of all is beyond what the database's driver can tell.
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
TIME_OF = {SHIPPED: "shipped_at", DELIVERED: "delivered_at", CANCELLED: "cancelled_at"}
# In which status a delivery has each of the times that a client may give, the step that sets it first.
HAS_TIME = {"shipped_at": (SHIPPED, DELIVERED), "delivered_at": (DELIVERED,)}


class WrongStep(Conflict):
    """A delivery goes from pending to shipped to delivered; until it is delivered it can be cancelled."""


def plan(old: DeliveryOut, patch: DeliveryPatch) -> dict[str, object]:
    """What to write of a patch, by column. Raises WrongStep, and BadInput for times that cannot be."""
    status = old.status if patch.status is UNSET else patch.status
    if old.status is CANCELLED:
        raise WrongStep("This delivery is cancelled.")
    if status is not old.status and status not in STEPS[old.status]:
        raise WrongStep(f"A delivery that is {old.status} cannot become {status}.")
    _check_times(old, patch, status)
    given = {name: getattr(patch, name) for name in patch.__struct_fields__}
    values = {name: value for name, value in given.items() if value is not UNSET}
    if status is not old.status:
        values.setdefault(TIME_OF[status], clock.now())
    if isinstance(patch.tracking_number, str):
        values["tracking_number"] = patch.tracking_number.strip() or None
    if isinstance(patch.carrier, str):
        values["carrier"] = patch.carrier.strip()
    return values


def _check_times(old: DeliveryOut, patch: DeliveryPatch, status: DeliveryStatus) -> None:
    for name, statuses in HAS_TIME.items():
        time = getattr(patch, name)
        if not isinstance(time, datetime):
            continue
        if time > clock.now():
            raise field_error(name, "must not be in the future")
        if time < EARLIEST:
            raise field_error(name, "must not be before 1900")
        if status not in statuses:
            raise field_error(name, f"belongs to a delivery that is {statuses[0]}, and this one is {status}")
    if patch.shipped_at is UNSET and patch.delivered_at is UNSET:
        return
    shipped_at = old.shipped_at if patch.shipped_at is UNSET else patch.shipped_at
    delivered_at = old.delivered_at if patch.delivered_at is UNSET else patch.delivered_at
    if shipped_at is not None and delivered_at is not None and delivered_at < shipped_at:
        raise field_error("delivered_at", "must not be before shipped_at")
