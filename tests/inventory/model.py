"""A shop in plain Python: what stock, orders and purchases must come to, without locks, levels' rows or a ledger."""

from dataclasses import dataclass, field

DEFAULT_THRESHOLD = 5


class Refused(Exception):
    """With the status that the product must answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class Item:
    """`levels` has a key for each location where the product ever lay."""

    sku: str
    threshold: int | None
    is_active: bool = True
    levels: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.levels.values())

    @property
    def is_low(self) -> bool:
        threshold = DEFAULT_THRESHOLD if self.threshold is None else self.threshold
        return self.is_active and bool(self.levels) and self.total < threshold


@dataclass
class Order:
    """`taken` by product and location."""

    taken: dict[tuple[int, int], int]
    status: str = "placed"
    delivery: str = ""


@dataclass
class Receipt:
    location: int
    quantities: dict[int, int]
    is_reversed: bool = False


@dataclass
class Purchase:
    """Quantities by product; `status` as the product tells it."""

    ordered: dict[int, int]
    received: dict[int, int]
    cancelled: dict[int, int]
    receipts: dict[int, Receipt] = field(default_factory=dict)

    def outstanding(self) -> dict[int, int]:
        left = {key: n - self.received[key] - self.cancelled[key] for key, n in self.ordered.items()}
        return {key: n for key, n in left.items() if n}


class Shop:
    """`locations` with the default one first. Every verb does all or raises Refused and does nothing."""

    def __init__(self, locations: list[int]) -> None:
        self.locations = locations
        self.items: dict[int, Item] = {}
        self.orders: dict[int, Order] = {}
        self.purchases: dict[int, Purchase] = {}

    def place(self, order_id: int, quantities: dict[int, int]) -> None:
        """What is ordered comes from the default location first, then from the others in their order."""
        self.check_order(quantities)
        taken = {}
        for product, quantity in quantities.items():
            taken |= self.take(product, quantity)
        self.orders[order_id] = Order(taken)

    def check_order(self, quantities: dict[int, int]) -> None:
        if any(product not in self.items or not self.items[product].is_active for product in quantities):
            raise Refused(400)
        if any(self.items[product].total < quantity for product, quantity in quantities.items()):
            raise Refused(409)

    def take(self, product: int, quantity: int) -> dict[tuple[int, int], int]:
        """From wherever it lies; there is enough."""
        taken, levels = {}, self.items[product].levels
        for location in self.locations:
            part = min(quantity, levels.get(location, 0))
            if part:
                levels[location] -= part
                taken[product, location] = part
                quantity -= part
        return taken

    def cancel(self, order_id: int) -> None:
        """What was taken of products that are still there goes back to where it came from."""
        order = self.orders[order_id]
        if order.status != "placed":
            raise Refused(409)
        for (product, location), quantity in order.taken.items():
            if product in self.items:
                self.items[product].levels[location] += quantity
        order.status = "cancelled"
        order.delivery = "cancelled" if order.delivery else ""

    def deliver(self, order_id: int) -> None:
        order = self.orders[order_id]
        if order.status != "placed" or order.delivery == "pending":
            raise Refused(409)
        order.delivery = "pending"

    def step_delivery(self, order_id: int, status: str) -> None:
        """The status that it has already is no step."""
        order = self.orders[order_id]
        if status == order.delivery != "cancelled":
            return
        steps = {"pending": {"shipped", "cancelled"}, "shipped": {"delivered", "cancelled"}}
        if status not in steps.get(order.delivery, set()):
            raise Refused(409)
        order.delivery = status
        order.status = "placed" if status == "cancelled" else status

    def move(self, product: int, delta: int, location: int | None = None) -> None:
        """In at a location or the default one; out of a location, or of wherever it lies."""
        if product not in self.items:
            raise Refused(400)
        levels = self.items[product].levels
        if location is None and delta < 0:
            if self.items[product].total < -delta:
                raise Refused(409)
            self.take(product, -delta)
            return
        place = self.locations[0] if location is None else location
        if levels.get(place, 0) + delta < 0:
            raise Refused(409)
        if delta:
            levels[place] = levels.get(place, 0) + delta

    def transfer(self, product: int, quantity: int, origin: int, target: int) -> None:
        self.move(product, -quantity, origin)
        self.move(product, quantity, target)

    def receive(self, purchase_id: int, receipt_id: int, quantities: dict[int, int], location: int) -> None:
        purchase = self.purchases[purchase_id]
        for product, quantity in quantities.items():
            purchase.received[product] += quantity
            self.move(product, quantity, location)
        purchase.receipts[receipt_id] = Receipt(location, quantities)

    def reverse(self, purchase_id: int, receipt_id: int) -> None:
        purchase = self.purchases[purchase_id]
        receipt = purchase.receipts[receipt_id]
        there = {product: n for product, n in receipt.quantities.items() if product in self.items}
        short = any(self.items[product].levels.get(receipt.location, 0) < n for product, n in there.items())
        if receipt.is_reversed or short:
            raise Refused(409)
        for product, quantity in there.items():
            self.move(product, -quantity, receipt.location)
        for product, quantity in receipt.quantities.items():
            purchase.received[product] -= quantity
        receipt.is_reversed = True

    def cancel_rest(self, purchase_id: int) -> None:
        purchase = self.purchases[purchase_id]
        if not purchase.outstanding():
            raise Refused(409)
        for product, quantity in purchase.outstanding().items():
            purchase.cancelled[product] += quantity
