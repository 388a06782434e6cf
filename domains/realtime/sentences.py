"""One sentence about an event, for people who watch."""

from collections.abc import Callable, Mapping
from typing import Any

Data = Mapping[str, Any]
Changes = Mapping[str, tuple[Any, Any]]

MOST_FIELDS = 3
LONGEST_VALUE = 40
LONGEST_REASON = 300
WORDS = {
    "inventory_quantity": "stock",
    "is_active": "active",
    "compare_at_price": "compare-at price",
    "sku": "SKU",
    "gtin": "GTIN",
}


def tell_event(topic: str, subject: str, data: Data, changes: Changes) -> str:
    """ "Lamp (L-1): price 19.99 → 24.99"; whatever stands in the event, there is a sentence."""
    if (tell := SENTENCES.get(topic)) is not None:
        return tell(data)
    if topic == "product.updated":
        return f"{_product(data)}: {_differences(changes)}"
    return f"{topic}: {subject}"


def _product(data: Data) -> str:
    return f"{data.get('name') or 'A product'} ({data.get('sku') or 'no SKU'})"


def _differences(changes: Changes) -> str:
    told = [_difference(name, old, new) for name, (old, new) in list(changes.items())[:MOST_FIELDS]]
    rest = len(changes) - len(told)
    return ", ".join([*told, f"and {rest} more"] if rest else told) or "changed"


def _difference(name: str, old: object, new: object) -> str:
    word = WORDS.get(name) or name.replace("_", " ")
    values = _value(old), _value(new)
    return f"{word} {values[0]} → {values[1]}" if None not in values else f"{word} changed"


def _value(value: object) -> str | None:
    """None for what is too long, or too deep, for a sentence."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "none"
    is_short = isinstance(value, str | int | float) and len(str(value)) <= LONGEST_VALUE
    return str(value) if is_short else None


def _import_completed(data: Data) -> str:
    counts = {name: _number(data, name) for name in ("created", "updated", "skipped")} | {
        "rejected": _number(data, "error_count")
    }
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return f"{_filename(data)} imported: {told or 'nothing changed'}"


def _import_failed(data: Data) -> str:
    reason = data.get("failure_detail") or data.get("failure_reason") or "for an unknown reason"
    return f"{_filename(data)} failed: {str(reason)[:LONGEST_REASON]}"


def _filename(data: Data) -> str:
    return str(data.get("filename") or "A file")


def _bulk_updated(data: Data) -> str:
    new, percent = _mapping(data, "set"), _mapping(data, "percent")
    told = [f"{WORDS.get(name) or name.replace('_', ' ')} set" for name in new]
    told += [f"{WORDS.get(name) or name.replace('_', ' ')} by {value} %" for name, value in percent.items()]
    return f"{_products(data)} changed at once: {', '.join(told) or 'several fields'}"


def _products(data: Data) -> str:
    count = _number(data, "changed")
    return f"{count:,} product{'' if count == 1 else 's'}"


def _low(data: Data) -> str:
    return str(data.get("message") or f"Stock of {data.get('sku') or 'a product'} is low")


def _number(data: Data, name: str) -> int:
    value = data.get(name)
    return value if isinstance(value, int) else 0


def _mapping(data: Data, name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


SENTENCES: dict[str, Callable[[Data], str]] = {
    "product.created": lambda data: f"{_product(data)} created",
    "product.deleted": lambda data: f"{_product(data)} deleted",
    "products.bulk_updated": _bulk_updated,
    "products.bulk_deleted": lambda data: f"{_products(data)} deleted at once",
    "import.completed": _import_completed,
    "import.failed": _import_failed,
    "inventory.low": _low,
}
