"""What products may hold, beyond their shape: texts are trimmed, blanks become null, refusals name their field."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET

from lib.errors import FieldError, refuse_fields

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
WEB_ADDRESS = re.compile(r"https?://[^\s]+")
LARGEST_ATTRIBUTES_BYTES = 64 * 1024
DEEPEST = 8
LONGEST_NAME_BYTES, LONGEST_TYPE_BYTES = 1_300, 2_600


def clean(product: msgspec.Struct) -> dict[str, Any]:
    """Values by column, ready to be stored, of what is set; raises BadInput that names every wrong field."""
    values, errors = try_clean(product)
    refuse_fields(errors)
    return values


def try_clean(product: msgspec.Struct) -> tuple[dict[str, Any], list[FieldError]]:
    """The same for many products at once: what is wrong is handed back."""
    given = {name: value for name in product.__struct_fields__ if (value := getattr(product, name)) is not UNSET}
    errors = _settle_stock(given)
    for name, rule in RULES.items():
        if given.get(name) is not None:
            try:
                given[name] = rule(given[name])
            except ValueError as error:
                errors.append(FieldError(name, str(error)))
    return given, errors


def clean_sku(text: str) -> str:
    """Raises ValueError with a plain sentence."""
    trimmed = text.strip()
    if not trimmed:
        raise ValueError("must not be blank")
    if CONTROL.search(trimmed):
        raise ValueError("must not contain control characters")
    return trimmed


def clean_name(text: str) -> str:
    """Raises ValueError with a plain sentence."""
    if not (trimmed := text.strip()):
        raise ValueError("must not be blank")
    return _fitting(trimmed, LONGEST_NAME_BYTES)


def clean_product_type(text: str) -> str | None:
    """Raises ValueError with a plain sentence."""
    return _fitting(text.strip(), LONGEST_TYPE_BYTES) or None


def _fitting(text: str, most: int) -> str:
    """Indexes hold 2,704 bytes; that of the names holds each of them twice."""
    if len(text.encode("utf-8", "replace")) > most:
        raise ValueError(f"must be at most {most} bytes long in UTF-8")
    return text


def clean_text(text: str) -> str | None:
    return text.strip() or None


def clean_web_address(text: str) -> str | None:
    """Raises ValueError with a plain sentence."""
    trimmed = text.strip()
    if trimmed and not WEB_ADDRESS.fullmatch(trimmed):
        raise ValueError("must be a web address with http or https")
    return trimmed or None


def clean_json(value: dict[str, Any]) -> str:
    """As JSON text; raises ValueError with a plain sentence."""
    if _depth(value) > DEEPEST:
        raise ValueError(f"must not be nested deeper than {DEEPEST}")
    encoded = msgspec.json.encode(value)
    if len(encoded) > LARGEST_ATTRIBUTES_BYTES:
        raise ValueError(f"must not be larger than {LARGEST_ATTRIBUTES_BYTES // 1024} kB")
    return encoded.decode()


RULES: dict[str, Callable[[Any], Any]] = {
    "sku": clean_sku,
    "name": clean_name,
    "brand": clean_text,
    "product_type": clean_product_type,
    "condition": clean_text,
    "gender": clean_text,
    "age_group": clean_text,
    "color": clean_text,
    "size": clean_text,
    "gtin": clean_text,
    "link": clean_web_address,
    "image_link": clean_web_address,
    "handle": clean_text,
    "options": clean_json,
    "supplier_number": clean_text,
    "attributes": clean_json,
    "external_id": clean_text,
}


def _settle_stock(given: dict[str, Any]) -> list[FieldError]:
    """`stock` is another name of `inventory_quantity`: both may stand there, but not differ."""
    stock = given.pop("stock", None)
    if stock is None:
        return []
    if given.setdefault("inventory_quantity", stock) != stock:
        return [FieldError("stock", "differs from inventory_quantity, which means the same")]
    return []


def _depth(value: Any) -> int:
    """Counts no further than needed: what is too deep must not exhaust the stack."""
    level: list[Any] = [value]
    for depth in range(DEEPEST + 1):
        level = [inner for part in level for inner in _inside(part)]
        if not level:
            return depth
    return DEEPEST + 1


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
