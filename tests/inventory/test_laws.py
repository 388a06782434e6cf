"""Any sequence of sales, purchases, corrections, imports and deletions: after each step every law of stock holds, and
the shop is what a plain model of it is."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.imports.uploads import make_csv
from tests.inventory.front_door import FrontDoor
from tests.inventory.model import Item, Purchase, Refused, Shop

Json = dict[str, Any]
Thing = TypeVar("Thing")

SKUS = ["A", "B", "C", "D"]
RARE = 9
WHICH = st.integers(0, RARE)
FEW = st.integers(1, 6)
THRESHOLDS = st.sampled_from([None, 0, 3, 10])
TWICE = st.booleans()
CODES = ["main", "shop"]
NEXT_STEP = {"pending": "shipped", "shipped": "delivered"}


class StockMachine(RuleBasedStateMachine):
    door: FrontDoor

    @initialize(quantities=st.tuples(FEW, FEW))
    def open(self, quantities: tuple[int, int]) -> None:
        self.shop = Shop(self.door.empty())
        self.known: list[int] = []
        for sku, quantity in zip(SKUS, quantities, strict=False):
            self._create(sku, quantity, None)
            self._adjust(self.known[-1], 4, self.shop.locations[1])

    def _create(self, sku: str, quantity: int, threshold: int | None) -> None:
        body = {
            "sku": sku,
            "name": sku,
            "price": "2.50",
            "inventory_quantity": quantity,
            "low_stock_threshold": threshold,
        }
        answer = self.door.ask("POST", "/api/products/", body)
        if any(item.sku == sku for item in self.shop.items.values()):
            assert answer.status_code == 409
            return
        levels = {self.shop.locations[0]: quantity} if quantity else {}
        self.shop.items[answer.json()["id"]] = Item(sku, threshold, levels=levels)
        self.known.append(answer.json()["id"])

    def _product(self, which: int) -> int:
        """Seldom one that was deleted."""
        gone = [product for product in self.known if product not in self.shop.items]
        some = gone if which == RARE and gone else list(self.shop.items)
        return some[which % len(some)]

    def _expect(self, answer: httpx.Response, done: int, act: Callable[[Json], None]) -> None:
        """The model does the same, or refuses with the same status."""
        try:
            act(answer.json() if answer.content else {})
        except Refused as refused:
            assert answer.status_code == refused.status, answer.text
        else:
            assert answer.status_code == done, answer.text

    @rule(sku=st.sampled_from(SKUS), quantity=st.integers(0, 9), threshold=THRESHOLDS)
    def create_product(self, sku: str, quantity: int, threshold: int | None) -> None:
        self._create(sku, quantity, threshold)

    @precondition(lambda self: len(self.shop.items) > 1)
    @rule(which=WHICH)
    def delete_product(self, which: int) -> None:
        product = self._product(which)
        answer = self.door.ask("DELETE", f"/api/products/{product}/")
        assert answer.status_code == (204 if self.shop.items.pop(product, None) else 404)

    @rule(which=WHICH, threshold=THRESHOLDS, is_active=st.integers(0, RARE))
    def change_product(self, which: int, threshold: int | None, is_active: int) -> None:
        product = self._product(which)
        body = {"low_stock_threshold": threshold, "is_active": is_active < RARE}
        answer = self.door.ask("PATCH", f"/api/products/{product}/", body)
        assert answer.status_code == (200 if product in self.shop.items else 404)
        if product in self.shop.items:
            self.shop.items[product].threshold, self.shop.items[product].is_active = threshold, is_active < RARE

    @rule(wanted=st.lists(st.tuples(WHICH, FEW), min_size=1, max_size=3), twice=TWICE)
    def place(self, wanted: list[tuple[int, int]], twice: bool) -> None:
        lines = [{"product": self._product(which), "quantity": quantity} for which, quantity in wanted]
        quantities: dict[int, int] = {}
        for line in lines:
            quantities[line["product"]] = quantities.get(line["product"], 0) + line["quantity"]
        answer = self.door.ask("POST", "/api/sales-orders/", {"lines": lines}, twice=twice)
        self._expect(answer, 201, lambda order: self.shop.place(order.get("id", 0), quantities))

    @rule(which=WHICH, quantity=FEW)
    def place_at_once(self, which: int, quantity: int) -> None:
        product = self._product(which)
        answer = self.door.ask("POST", "/api/sales-orders/", {"product": product, "quantity": quantity})
        self._expect(answer, 201, lambda order: self.shop.place(order.get("id", 0), {product: quantity}))

    @precondition(lambda self: self.shop.orders)
    @rule(which=WHICH, twice=TWICE)
    def cancel(self, which: int, twice: bool) -> None:
        order = self._pick(self.shop.orders, which, lambda it: it.status == "placed")
        answer = self.door.ask("POST", f"/api/sales-orders/{order}/cancellation", twice=twice)
        self._expect(answer, 200, lambda _: self.shop.cancel(order))

    def _pick(self, some: dict[int, Thing], which: int, is_ripe: Callable[[Thing], object]) -> int:
        """One of the latest that can take the step; seldom one that cannot."""
        ripe = [key for key, thing in some.items() if which < RARE - 1 and is_ripe(thing)] or list(some)
        return ripe[-1 - which % min(len(ripe), 3)]

    @rule(which=WHICH, delta=st.integers(-5, 8), where=st.sampled_from([None, 0, 1]), twice=TWICE)
    def adjust(self, which: int, delta: int, where: int | None, twice: bool) -> None:
        place = None if where is None else self.shop.locations[where]
        self._adjust(self._product(which), delta or 1, place, twice=twice)

    def _adjust(self, product: int, delta: int, place: int | None, *, twice: bool = False) -> None:
        body = {"product": product, "delta": delta, "note": "found", "location": place}
        answer = self.door.ask("POST", "/api/stock/adjustments/", body, twice=twice)
        self._expect(answer, 201, lambda _: self.shop.move(product, delta, place))

    @rule(which=WHICH, quantity=st.integers(0, 9), where=st.sampled_from([0, 1]), stale=st.sampled_from([0, 0, 1]))
    def count(self, which: int, quantity: int, where: int, stale: int) -> None:
        product, place = self._product(which), self.shop.locations[where]
        there = self.shop.items[product].levels.get(place, 0) if product in self.shop.items else 0
        body = {"product": product, "quantity": quantity, "location": CODES[where], "expected_quantity": there + stale}

        def act(_: Json) -> None:
            if stale and product in self.shop.items:
                raise Refused(409)
            self.shop.move(product, quantity - there, place)

        self._expect(self.door.ask("POST", "/api/stock/adjustments/", body), 201, act)

    @rule(which=WHICH, quantity=FEW, back=st.booleans(), twice=TWICE)
    def transfer(self, which: int, quantity: int, back: bool, twice: bool) -> None:
        product, (origin, target) = self._product(which), sorted(self.shop.locations, reverse=back)
        body = {"product": product, "quantity": quantity, "from_location": origin, "to_location": target}
        answer = self.door.ask("POST", "/api/stock/transfers/", body, twice=twice)
        self._expect(answer, 201, lambda _: self.shop.transfer(product, quantity, origin, target))

    @rule(
        which=WHICH,
        where=st.sampled_from([None, 1]),
        cells=st.lists(st.tuples(st.sampled_from(SKUS), st.integers(0, 9)), min_size=1, max_size=3),
    )
    def import_(self, which: int, where: int | None, cells: list[tuple[str, int]]) -> None:
        quantities = dict(cells)
        content = make_csv(*((sku, sku, n) for sku, n in quantities.items()), header="sku,name,inventory_quantity")
        job = self.door.import_csv(content, **({} if where is None else {"location": CODES[where]}))
        assert job["status"] == "completed"
        for sku, quantity in quantities.items():
            self._import_row(sku, quantity, where)

    def _import_row(self, sku: str, quantity: int, where: int | None) -> None:
        """A quantity is the location's, or all that there is: then the default location has to make up for it."""
        place = self.shop.locations[where or 0]
        for product, item in self.shop.items.items():
            if item.sku == sku:
                before = item.total if where is None else item.levels.get(place, 0)
                if item.levels.get(place, 0) + quantity - before >= 0:
                    self.shop.move(product, quantity - before, place)
                return
        product = self.door.find_product(sku)
        self.shop.items[product] = Item(sku, None, levels={place: quantity} if quantity else {})
        self.known.append(product)

    @rule(
        wanted=st.dictionaries(WHICH, FEW, min_size=1, max_size=2),
        received=st.booleans(),
        where=st.sampled_from([0, 1]),
    )
    def buy(self, wanted: dict[int, int], received: bool, where: int) -> None:
        quantities = {self._product(which): quantity for which, quantity in wanted.items()}
        place = self.shop.locations[where]
        body = {"supplier_name": "Smith", "receive": received, "location": place if received else None}
        body["lines"] = [{"product": product, "quantity": n} for product, n in quantities.items()]
        answer = self.door.ask("POST", "/api/purchase-orders/", body)

        def act(purchase: Json) -> None:
            if not quantities.keys() <= self.shop.items.keys():
                raise Refused(400)
            nothing = dict.fromkeys(quantities, 0)
            self.shop.purchases[purchase["id"]] = Purchase(quantities, dict(nothing), dict(nothing))
            if received:
                self.shop.receive(purchase["id"], purchase["receipts"][-1]["id"], quantities, place)

        self._expect(answer, 201, act)

    @precondition(lambda self: self.shop.purchases)
    @rule(which=WHICH, part=st.booleans(), where=st.sampled_from([0, 1]), twice=TWICE)
    def receive(self, which: int, part: bool, where: int, twice: bool) -> None:
        purchase = self._pick(self.shop.purchases, which, lambda it: it.outstanding())
        place, left = self.shop.locations[where], self.shop.purchases[purchase].outstanding()
        coming = {product: n for product, n in left.items() if product in self.shop.items}
        body: Json = {"location": place}
        if part and coming:
            coming = dict.fromkeys(list(coming)[:1], 1)
            body["lines"] = [{"product": product, "quantity": n} for product, n in coming.items()]
        answer = self.door.ask("POST", f"/api/purchase-orders/{purchase}/receipt", body, twice=twice)
        if not coming:
            assert answer.status_code in (400, 409), answer.text
        else:
            assert answer.status_code == 201, answer.text
            self.shop.receive(purchase, answer.json()["receipts"][-1]["id"], coming, place)

    @precondition(lambda self: any(purchase.receipts for purchase in self.shop.purchases.values()))
    @rule(which=WHICH, twice=TWICE)
    def reverse(self, which: int, twice: bool) -> None:
        receipts = {
            key: (it, number) for number, order in self.shop.purchases.items() for key, it in order.receipts.items()
        }
        receipt = self._pick(receipts, which, lambda it: not it[0].is_reversed)
        purchase = receipts[receipt][1]
        path = f"/api/purchase-orders/{purchase}/receipts/{receipt}/reversal"
        self._expect(self.door.ask("POST", path, twice=twice), 200, lambda _: self.shop.reverse(purchase, receipt))

    @precondition(lambda self: self.shop.purchases)
    @rule(which=WHICH)
    def cancel_purchase(self, which: int) -> None:
        purchase = self._pick(self.shop.purchases, which, lambda it: it.outstanding())
        answer = self.door.ask("POST", f"/api/purchase-orders/{purchase}/cancellation")
        self._expect(answer, 200, lambda _: self.shop.cancel_rest(purchase))

    @precondition(lambda self: self.shop.orders)
    @rule(which=WHICH)
    def deliver(self, which: int) -> None:
        order = self._pick(self.shop.orders, which, lambda it: it.status == "placed" and it.delivery != "pending")
        answer = self.door.ask("POST", f"/api/sales-orders/{order}/delivery", {"carrier": "Post"})
        self._expect(answer, 201, lambda _: self.shop.deliver(order))

    @precondition(lambda self: any(order.delivery for order in self.shop.orders.values()))
    @rule(which=WHICH, status=st.sampled_from(["", "", "", "shipped", "delivered", "cancelled"]))
    def step_delivery(self, which: int, status: str) -> None:
        """Mostly the next step."""
        known = {key: order for key, order in self.shop.orders.items() if order.delivery}
        order = self._pick(known, which, lambda it: it.delivery in NEXT_STEP)
        status = status or NEXT_STEP.get(known[order].delivery, "shipped")
        answer = self.door.ask("PATCH", f"/api/sales-orders/{order}/delivery", {"status": status})
        self._expect(answer, 200, lambda _: self.shop.step_delivery(order, status))

    @invariant()
    def every_law_holds(self) -> None:
        assert self.door.find_wrong() == []

    @invariant()
    def the_shop_is_what_the_model_says(self) -> None:
        assert self.door.levels() == {key: item.levels for key, item in self.shop.items.items()}
        assert self.door.orders() == {key: order.status for key, order in self.shop.orders.items()}
        left = {key: sum(purchase.outstanding().values()) for key, purchase in self.shop.purchases.items()}
        assert self.door.outstanding() == left


async def keep_laws(admin: httpx.AsyncClient, examples: int, steps: int, *, random: bool = False) -> None:
    machine = type("Machine", (StockMachine,), {"door": FrontDoor(admin)})
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=not random,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=how)


@pytest.mark.timeout(300)
async def test_every_step_keeps_the_laws_of_stock(admin: httpx.AsyncClient) -> None:
    await keep_laws(admin, examples=60, steps=20)
