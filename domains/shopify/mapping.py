"""From what the shop says of a product to what stands here, without a look at the database.

What describes a product is cut to what fits here; an image or a barcode that does not fit is left as it is. A price or
a SKU that cannot be stored refuses its variant: half of it would be a lie.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

import msgspec
from msgspec import UNSET, UnsetType

from domains.catalog.cleaning import LONGEST_NAME_BYTES, LONGEST_TYPE_BYTES, WEB_ADDRESS, clean_sku
from domains.shopify.payloads import Amount, ImagePayload, ProductPayload, VariantPayload
from lib.integers import LARGEST_INTEGER
from lib.money import CENT, LARGEST, parse_money, read_number

# Shopify's webhooks tell the first hundred variants of a product.
MOST_VARIANTS_TOLD = 100
LONGEST_NAME, LONGEST_SKU, LONGEST_DESCRIPTION = 500, 100, 100_000
LONGEST_TEXT, LONGEST_TYPE, LONGEST_GTIN, LONGEST_LINK, LONGEST_OPTION = 255, 750, 50, 2000, 100
NO_OPTION, NO_CHOICE = "Title", "Default Title"
IS_ACTIVE = {"active": True, "unlisted": True, "draft": False, "archived": False}
VARIANT_GID = re.compile("gid://shopify/ProductVariant/([0-9]{1,19})")
FINE_AMOUNT = re.compile(r"[0-9]{1,10}\.[0-9]{1,20}")


class ShopVariant(msgspec.Struct, frozen=True):
    """A variant as it should stand here. `values` are columns of ours by name, of what was told: without the SKU, which
    is never blank. `quantity` is UNSET where the shop does not count or does not tell, and nobody said that it counts
    where it `may_be_uncounted`; `problem` says why none of it can be stored; `first_name` is the name of a new one
    whose name is not among the values."""

    shopify_id: int
    item_id: int | None
    sku: str | UnsetType | None
    quantity: int | UnsetType | None
    values: dict[str, object]
    problem: str = ""
    first_name: str = ""
    may_be_uncounted: bool = False


class ShopProduct(msgspec.Struct, frozen=True):
    """`is_complete`: whatever variant is not among these does not exist. `shared` are values, by column, of each
    variant, also of those that are not told."""

    shopify_id: int
    updated_at: datetime | None
    variants: tuple[ShopVariant, ...]
    is_complete: bool
    shared: dict[str, object] = {}


def map_product(payload: ProductPayload) -> ShopProduct:
    """Of two variants with one id the last counts."""
    shared = _map_shared(payload)
    told = {variant.id: variant for variant in payload.variants or ()}
    return ShopProduct(
        shopify_id=payload.id,
        updated_at=payload.updated_at or None,
        variants=tuple(_map_variant(payload, variant, shared) for variant in told.values()),
        is_complete=_is_complete(payload, told),
        shared=shared,
    )


def changes_of(variant: ShopVariant, row: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    """What of a row of ours differs from the shop, by column: ours and theirs.

    `row` has sku, the columns of `values` and the three ids of the shop; its options are a dict, or JSON text.
    """
    theirs = variant.values | {"shopify_variant_id": variant.shopify_id}
    if variant.item_id is not None:
        theirs["shopify_inventory_item_id"] = variant.item_id
    if isinstance(variant.sku, str):
        theirs["sku"] = variant.sku
    return differences(theirs, row)


def differences(theirs: Mapping[str, object], row: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    """The same for any columns."""
    pairs = {name: (_read(name, row[name]), value) for name, value in theirs.items()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _read(name: str, ours: object) -> object:
    return msgspec.json.decode(ours) if name == "options" and isinstance(ours, str) else ours


def _map_shared(payload: ProductPayload) -> dict[str, object]:
    values: dict[str, object | UnsetType] = {
        "shopify_product_id": payload.id,
        "description": _told(payload.body_html, LONGEST_DESCRIPTION),
        "is_active": IS_ACTIVE.get(payload.status or "", UNSET),
        "brand": _told(payload.vendor, LONGEST_TEXT),
        "product_type": _told(payload.product_type, LONGEST_TYPE, LONGEST_TYPE_BYTES),
        "handle": _told(payload.handle, LONGEST_TEXT),
    }
    if values["description"] is None:
        values["description"] = ""
    return _without_unset(values)


def _map_variant(payload: ProductPayload, variant: VariantPayload, shared: Mapping[str, object]) -> ShopVariant:
    problem, sku, prices, quantity = "", variant.sku, {}, variant.inventory_quantity
    try:
        sku = read_sku(variant.sku)
        prices = _map_prices(variant)
        quantity = _map_quantity(variant)
    except ValueError as error:
        problem = str(error)
    values: dict[str, object | UnsetType] = {
        "name": _map_name(payload, variant),
        "gtin": _fitting(variant.barcode, LONGEST_GTIN),
        "options": _map_options(payload, variant),
        "image_link": _map_image(payload, variant),
    }
    return ShopVariant(
        shopify_id=variant.id,
        item_id=variant.inventory_item_id or None,
        sku=sku,
        quantity=quantity,
        may_be_uncounted=_may_be_uncounted(variant),
        values={**shared, **prices, **_without_unset(values)},
        problem=problem,
        first_name=_cut(_plain(payload.title), LONGEST_NAME, LONGEST_NAME_BYTES) or f"Shopify variant {variant.id}",
    )


def read_sku(told: str | UnsetType | None) -> str | UnsetType | None:
    """None for a blank one. Raises ValueError with a plain sentence that names the field."""
    if not isinstance(told, str):
        return told
    if not told.strip():
        return None
    try:
        sku = clean_sku(told)
    except ValueError as error:
        raise ValueError(f"sku: {error}") from None
    if len(sku) > LONGEST_SKU:
        raise ValueError(f"sku: must be at most {LONGEST_SKU} characters long")
    return sku


def _map_prices(variant: VariantPayload) -> dict[str, Decimal | None]:
    """A price of null is none that is told; a compare_at_price of null is none. Raises ValueError."""
    prices: dict[str, Decimal | None] = {}
    for name, told in (("price", variant.price), ("compare_at_price", variant.compare_at_price)):
        amount = read_amount(told, name)
        if amount is not UNSET and (amount is not None or name != "price"):
            prices[name] = amount
    return prices


def read_amount(told: Amount | UnsetType | None, field: str) -> Decimal | UnsetType | None:
    """None for null or blank. Raises ValueError with a plain sentence that names the field."""
    told = told.strip() if isinstance(told, str) else told
    if told is None or told is UNSET or told == "":
        return UNSET if told is UNSET else None
    try:
        return parse_money(told) if isinstance(told, str) else read_number(float(told))
    except (ValueError, OverflowError):
        raise ValueError(f"{field}: expected an amount of 0 to {LARGEST} with at most two decimals") from None


def read_cost(told: Amount | UnsetType | None) -> Decimal | UnsetType | None:
    """As above. A piece of a dozen may cost more decimals than money has here."""
    text = str(told).strip()
    return read_amount(str(round_cost(Decimal(text))) if FINE_AMOUNT.fullmatch(text) else told, "cost")


def round_cost(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def _map_quantity(variant: VariantPayload) -> int | UnsetType | None:
    """Raises ValueError with a plain sentence."""
    if variant.inventory_management is None:
        return UNSET
    if isinstance(variant.inventory_quantity, int) and variant.inventory_quantity > LARGEST_INTEGER:
        raise ValueError(f"inventory_quantity: must be at most {LARGEST_INTEGER}")
    return variant.inventory_quantity


def _may_be_uncounted(variant: VariantPayload) -> bool:
    """Since 2024-07 webhooks do not say what the shop counts; of what it does not count they tell zero or less."""
    quantity = variant.inventory_quantity
    return variant.inventory_management is UNSET and isinstance(quantity, int) and quantity <= 0


def _map_name(payload: ProductPayload, variant: VariantPayload) -> str | UnsetType:
    """ "Title - Variant"; UNSET unless both are told."""
    title, choice = _plain(payload.title), _plain(variant.title)
    if not title or variant.title is UNSET:
        return UNSET
    name = title if choice in ("", NO_CHOICE) else f"{title} - {choice}"
    return _cut(name, LONGEST_NAME, LONGEST_NAME_BYTES)


def _map_options(payload: ProductPayload, variant: VariantPayload) -> dict[str, str] | UnsetType:
    """What is chosen of each option, by its name; UNSET where names or choices are not told, and of a product that has
    no options there: those that it has here are ours."""
    given = [(option.position, _plain(option.name)) for option in payload.options or ()]
    if all(isinstance(position, int) for position, _name in given):
        given.sort(key=lambda option: option[0] or 0)
    pairs = list(zip(given, (variant.option1, variant.option2, variant.option3), strict=False))
    if not pairs or any(choice is UNSET for _option, choice in pairs):
        return UNSET
    if [(name, choice) for (_position, name), choice in pairs] == [(NO_OPTION, NO_CHOICE)]:
        return UNSET
    chosen = {_cut(name, LONGEST_OPTION): _cut(_plain(choice), LONGEST_TEXT) for (_place, name), choice in pairs}
    return {name: choice for name, choice in chosen.items() if name and choice}


def _map_image(payload: ProductPayload, variant: VariantPayload) -> str | UnsetType | None:
    """The variant's own, else the product's. UNSET where neither is told, or an address that is none of the web."""
    if payload.image is UNSET and payload.images is UNSET:
        return UNSET
    images = payload.images or ()
    own = [image for image in images if _shows(image, variant)]
    first = images[:1] if payload.image is UNSET else [payload.image or ImagePayload()]
    link = next((link for image in (*own, *first) if (link := _plain(image.src))), "")
    if link and not WEB_ADDRESS.fullmatch(link):
        return UNSET
    return _fitting(link, LONGEST_LINK)


def _shows(image: ImagePayload, variant: VariantPayload) -> bool:
    return bool(image.id and image.id == variant.image_id) or variant.id in (image.variant_ids or ())


def _is_complete(payload: ProductPayload, told: Mapping[int, VariantPayload]) -> bool:
    gids = [gid.admin_graphql_api_id for gid in payload.variant_gids or ()]
    return 0 < len(payload.variants or ()) < MOST_VARIANTS_TOLD and _ids_of(gids) <= set(told)


def _ids_of(gids: Sequence[str | UnsetType | None]) -> set[int]:
    """-1 stands for one that cannot be read."""
    found = [VARIANT_GID.fullmatch(gid or "") for gid in gids]
    return {int(gid[1]) if gid else -1 for gid in found}


def _told(text: str | UnsetType | None, most: int, most_bytes: int = 0) -> str | UnsetType | None:
    return text if text is UNSET else _cut(_plain(text), most, most_bytes) or None


def _fitting(text: str | UnsetType | None, most: int) -> str | UnsetType | None:
    """What identifies is never cut."""
    plain = _plain(text)
    return UNSET if text is UNSET or len(plain) > most else plain or None


def _plain(text: str | UnsetType | None) -> str:
    return text.replace("\0", "").strip() if isinstance(text, str) else ""


def _cut(text: str, most: int, most_bytes: int = 0) -> str:
    """By characters, and where an index asks for it by bytes of UTF-8."""
    short = text[:most]
    if most_bytes and len(short.encode()) > most_bytes:
        short = short.encode()[:most_bytes].decode(errors="ignore")
    return short.strip()


def _without_unset(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not UNSET}
