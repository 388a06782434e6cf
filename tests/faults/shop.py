"""A shop beside a test: products, stock and orders that change, a webhook for each change, and what is so at the end.

Its clock runs through a day that is over. Often several things change within one second: `updated_at` is in whole
seconds, as Shopify's is, and only the moment of the telling tells those apart.
"""

import json
import random
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

from tests.faults.shop_things import KINDS, LOCATIONS, Json, Order, Product, Variant

SHOP_ZONE = timezone(timedelta(hours=-5))
# Beyond what a double holds exactly.
FIRST_ID = 8_000_000_000_000_000_000
NOISE = ("orders/paid", "collections/update", "carts/update", "shop/update")
LARGEST_STOCK = 300
FIRST_PRODUCTS = 6


class Event(NamedTuple):
    """A webhook as Shopify would send it, before it is signed."""

    topic: str
    body: bytes
    triggered_at: datetime
    webhook_id: str


class Shop:
    """`products`, `levels` ({(item, location): available}) and `orders` are what is so in the shop now; `buried` are
    the items that it no longer has. `imported` are SKUs that products here had before: until one of those stands for
    a variant nobody takes its SKU from it, and so these are not passed on."""

    def __init__(self, rng: random.Random, imported: Collection[str] = ()) -> None:
        self.rng = rng
        self.kept = {None, *imported}
        self.now = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
        self.products: dict[int, Product] = {}
        self.levels: dict[tuple[int, int], int] = {}
        self.orders: dict[int, Order] = {}
        self.buried: set[int] = set()
        self.free_skus: list[str] = []
        self.events: list[Event] = []
        self._ids = 0

    def live(self, events: int) -> list[Event]:
        """Go on until so many were told; all of them."""
        ways: dict[Callable[[], None], int] = {
            self._set_level: 40,
            self._change_product: 15,
            self._sell: 12,
            self._change_item: 8,
            self._open_product: 6,
            self._change_variants: 4,
            self._open_or_close_level: 4,
            self._cancel: 3,
            self._refund: 3,
            self._close_product: 2,
            self._rename_sku: 2,
            self._make_noise: 2,
            self._swap_skus: 1,
            self._pass_skus_on: 2,
        }
        while len(self.events) < events:
            is_small = len(self.products) < FIRST_PRODUCTS
            way = self._open_product if is_small else self.rng.choices(list(ways), list(ways.values()))[0]
            way()
        return self.events

    def _open_product(self) -> None:
        product = Product(self._id(), f"Thing {self._ids}", f"thing-{self._ids}")
        product.variants = [self._make_variant() for _ in range(self.rng.choice((1, 1, 2, 4)))]
        if len(product.variants) == 1:
            product.variants[0].title = "Default Title"
        self.products[product.id] = product
        self._tell_product(product, "create")
        for variant in product.variants:
            self._introduce(variant)

    def _make_variant(self) -> Variant:
        """One in ten has no SKU; a SKU that nothing has any more is used again."""
        number, draw = self._ids, self.rng.random()
        sku: str | None = f"SHOP-{number}"
        if draw < 0.1:
            sku = None
        elif draw < 0.5 and self.free_skus:
            sku = self.free_skus.pop()
        kind = self.rng.choice(KINDS)
        quantity = self.rng.randrange(LARGEST_STOCK) if kind == "counted" else 0
        return Variant(self._id(), self._id(), sku, f"Size {number}", self._price(), kind, quantity)

    def _introduce(self, variant: Variant) -> None:
        """What Shopify tells of a new variant behind its product."""
        self._tell("inventory_items/create", variant.item_payload, is_same_second=True)
        if variant.kind == "levels":
            for location in self.rng.sample(LOCATIONS, self.rng.randint(1, 3)):
                self.put(variant, location, self.rng.randrange(LARGEST_STOCK), "connect")
        elif variant.kind == "untracked":
            self._tell("inventory_levels/connect", lambda at: variant.level_payload(LOCATIONS[0], None, at))

    def _set_level(self) -> None:
        """Stock may fall below zero there; now and then Shopify tells the product too."""
        product = self._any_product()
        variant = self.rng.choice(product.variants)
        places = self._places_of(variant)
        if places:
            available = self.rng.choice((-3, 0, *[self.rng.randrange(LARGEST_STOCK)] * 8))
            self.put(variant, self.rng.choice(places), available)
        elif variant.kind == "counted":
            variant.quantity = self.rng.randrange(-2, LARGEST_STOCK)
        if not places or self.rng.random() < 0.3:
            self._tell_product(product, is_same_second=True)

    def _open_or_close_level(self) -> None:
        """Perhaps the last one of its item, perhaps open again within the second."""
        variant = self.rng.choice(self._any_product().variants)
        if variant.kind != "levels":
            return
        location = self.rng.choice(LOCATIONS)
        if self.levels.pop((variant.item, location), None) is not None:
            gone = {"inventory_item_id": variant.item, "location_id": location}
            self._tell("inventory_levels/disconnect", lambda _at: gone)
        if self.rng.random() < 0.6:
            self.put(variant, location, self.rng.randrange(LARGEST_STOCK), "connect")

    def put(self, variant: Variant, location: int, available: int, how: str = "update") -> None:
        self.levels[variant.item, location] = available
        self._tell(f"inventory_levels/{how}", lambda at: variant.level_payload(location, available, at))

    def _change_product(self) -> None:
        product = self._any_product()
        product.title = f"{product.title.split(' v')[0]} v{self.rng.randrange(1000)}"
        product.status = self.rng.choice(("active", "active", "active", "draft", "archived", "unlisted"))
        variant = self.rng.choice(product.variants)
        variant.price = self._price()
        variant.compare_at = self.rng.choice((None, self._price()))
        self._tell_product(product)

    def _change_item(self) -> None:
        variant = self.rng.choice(self._any_product().variants)
        variant.cost = self.rng.choice((None, self._price()))
        variant.is_cost_told = True
        self._tell("inventory_items/update", variant.item_payload)

    def _rename_sku(self) -> None:
        product = self._any_product()
        variant = self.rng.choice(product.variants)
        if variant.sku is not None:
            self.free_skus.append(variant.sku)
            variant.sku = f"RENAMED-{self._ids}-{len(self.events)}"
            self._tell_skus(product, [variant])

    def _swap_skus(self) -> None:
        product = self._any_product()
        named = [variant for variant in product.variants if variant.sku is not None]
        if len(named) > 1:
            named[0].sku, named[1].sku = named[1].sku, named[0].sku
            self._tell_skus(product, named[:2])

    def _pass_skus_on(self) -> None:
        """In a ring of products, one after the other: for a while two have the same."""
        products = [product for product in self.products.values() if product.variants[0].sku not in self.kept]
        ring = self.rng.sample(products, min(len(products), self.rng.choice((2, 2, 3, 4))))
        skus = [product.variants[0].sku for product in ring]
        for product, sku in zip(ring, skus[1:] + skus[:1], strict=True):
            product.variants[0].sku = sku
            self._tell_skus(product, product.variants[:1])

    def _tell_skus(self, product: Product, variants: list[Variant]) -> None:
        """Shopify tells product and items, in this order or the other."""
        is_product_first = self.rng.random() < 0.5
        if is_product_first:
            self._tell_product(product)
        for variant in variants:
            variant.is_cost_told = True
            self._tell("inventory_items/update", variant.item_payload, is_same_second=is_product_first)
        if not is_product_first:
            self._tell_product(product, is_same_second=True)

    def _change_variants(self) -> None:
        product = self._any_product()
        if len(product.variants) > 1 and self.rng.random() < 0.5:
            self._bury(product.variants.pop(self.rng.randrange(len(product.variants))))
            self._tell_product(product)
            return
        variant = self._make_variant()
        product.variants.append(variant)
        self._tell_product(product)
        self._introduce(variant)

    def _close_product(self) -> None:
        """Sometimes another one comes at once, with its SKUs."""
        product = self.products.pop(self._any_product().id)
        for variant in product.variants:
            self._bury(variant)
        self._tell("products/delete", lambda _at: {"id": product.id})
        if self.rng.random() < 0.5:
            self._open_product()

    def _bury(self, variant: Variant) -> None:
        self.buried.add(variant.item)
        for location in self._places_of(variant):
            del self.levels[variant.item, location]
        if variant.sku is not None:
            self.free_skus.append(variant.sku)

    def _sell(self) -> None:
        variants = [self.rng.choice(self._any_product().variants) for _ in range(self.rng.randint(1, 3))]
        lines = [(variant, self.rng.randint(1, 3)) for variant in variants]
        order = Order(self._id(), f"#{1000 + len(self.orders)}", lines)
        self._ids += 100
        self.orders[order.id] = order
        self._tell("orders/create", order.payload)
        for variant, quantity in order.lines:
            self._take(variant, quantity)

    def _cancel(self) -> None:
        standing = [order for order in self.orders.values() if not order.is_cancelled]
        if standing:
            order = self.rng.choice(standing)
            order.is_cancelled = True
            self._tell("orders/cancelled", order.payload)
            for variant, quantity in order.lines:
                self._take(variant, -quantity)

    def _take(self, variant: Variant, quantity: int) -> None:
        """From the first place; what has none takes none."""
        if places := self._places_of(variant):
            self.put(variant, places[0], self.levels[variant.item, places[0]] - quantity)

    def _refund(self) -> None:
        if self.orders:
            order, refund = self.rng.choice(list(self.orders.values())), self._id()
            self._ids += 100
            order.refunds[refund] = Decimal(self._price())
            self._tell("refunds/create", lambda at: order.refund_payload(refund, at))

    def _make_noise(self) -> None:
        number = self._id()
        self._tell(self.rng.choice(NOISE), lambda at: {"id": number, "updated_at": at})

    def _tell_product(self, product: Product, how: str = "update", *, is_same_second: bool = False) -> None:
        self._tell(f"products/{how}", lambda at: product.payload(self.levels, at), is_same_second=is_same_second)

    def _tell(self, topic: str, write: Callable[[str], Json], *, is_same_second: bool = False) -> None:
        """`write` is given the time of the change. No two webhooks are triggered at the same moment."""
        is_soon = is_same_second or self.rng.random() < 0.3
        self.now += timedelta(milliseconds=self.rng.randint(1, 40 if is_soon else 30_000))
        body = json.dumps(write(self.now.astimezone(SHOP_ZONE).isoformat(timespec="seconds"))).encode()
        self.events.append(Event(topic, body, self.now, f"event-{len(self.events)}"))

    def _any_product(self) -> Product:
        return self.rng.choice(list(self.products.values()))

    def _places_of(self, variant: Variant) -> list[int]:
        return [location for item, location in self.levels if item == variant.item]

    def _price(self) -> str:
        return f"{self.rng.randint(100, 99_999) / 100:.2f}"

    def _id(self) -> int:
        self._ids += 1
        return FIRST_ID + self._ids
