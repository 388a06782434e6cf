"""What a sales order asks for, against the products that are locked for it."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec
from msgspec import UNSET

from domains.catalog.references import find_ids
from domains.catalog.stock import Locked
from domains.orders.schemas import SaleLineIn, SaleLineOut, SalesOrderIn
from lib.errors import FieldError, field_error, refuse_fields
from lib.integers import LARGEST_INTEGER
from lib.money import LARGEST

UNKNOWN = "there is no such product"
NOT_ON_SALE = "is not on sale: this product is not active"


class Basket(msgspec.Struct, frozen=True):
    """The product of each line as the client wrote them, and how much of each product is wanted all in all."""

    product_ids: Sequence[int]
    quantities: Mapping[int, int]
    is_flat: bool

    def field(self, place: int, name: str) -> str:
        """What the client calls a field of a line."""
        return name if self.is_flat else f"lines[{place}].{name}"


class Priced(msgspec.Struct, frozen=True):
    """One line for each product, at its price of now."""

    lines: list[SaleLineOut]
    currency: str
    total: Decimal


async def read_basket(data: SalesOrderIn) -> Basket:
    """Raises BadInput for no lines, for SKUs that no product has, and for quantities beyond all bounds."""
    is_flat = data.lines is UNSET
    lines = _read_lines(data)
    product_ids = await find_ids([line.product for line in lines], "product" if is_flat else "lines[{}].product")
    quantities: dict[int, int] = {}
    for place, line in enumerate(lines):
        wanted = quantities.get(product_ids[place], 0) + line.quantity
        if wanted > LARGEST_INTEGER:
            raise field_error(f"lines[{place}].quantity", f"all in all at most {LARGEST_INTEGER} of a product")
        quantities[product_ids[place]] = wanted
    return Basket(product_ids, quantities, is_flat)


def price(basket: Basket, products: Mapping[int, Locked], *, internal: bool) -> Priced:
    """Raises BadInput that names every line that cannot be sold, or when all of them together cost too much.

    Without `internal` a product that is not active is not there at all.
    """
    refuse_fields(_find_unsellable(basket, products, internal=internal))
    sold = [(products[key], quantity) for key, quantity in basket.quantities.items()]
    costs = [product.price * quantity for product, quantity in sold]
    if (total := sum(costs, Decimal(0))) > LARGEST:
        raise field_error(basket.field(0, "quantity") if basket.is_flat else "lines", f"cost more than {LARGEST}")
    lines = [
        SaleLineOut(product.id, product.sku, product.name, str(product.price), quantity, str(cost))
        for (product, quantity), cost in zip(sold, costs, strict=True)
    ]
    return Priced(lines, sold[0][0].currency, total)


def _read_lines(data: SalesOrderIn) -> Sequence[SaleLineIn]:
    if data.lines is not UNSET:
        if data.product is not UNSET or data.quantity is not UNSET:
            raise field_error("lines", "give either lines, or product and quantity")
        return data.lines
    if data.product is UNSET:
        raise field_error("product", "give product and quantity, or lines")
    if data.quantity is UNSET:
        raise field_error("quantity", "is required")
    return [SaleLineIn(product=data.product, quantity=data.quantity)]


def _find_unsellable(basket: Basket, products: Mapping[int, Locked], *, internal: bool) -> Iterator[FieldError]:
    first = products.get(basket.product_ids[0])
    for place, product_id in enumerate(basket.product_ids):
        product = products.get(product_id)
        if product is None or not (product.is_active or internal):
            yield FieldError(basket.field(place, "product"), UNKNOWN)
        elif not product.is_active:
            yield FieldError(basket.field(place, "product"), NOT_ON_SALE)
        elif first is not None and product.currency != first.currency:
            sentence = f"is sold in {product.currency}, the first line in {first.currency}"
            yield FieldError(basket.field(place, "product"), sentence)
