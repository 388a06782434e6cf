"""Money: exact, never below zero, two decimals. It comes in as text or a JSON number and goes out as text ("29.99").

And percentages, as exact.
"""

import math
import re
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar.types.composite_types import TypeDecodersSequence

CENT = Decimal("0.01")
LARGEST = Decimal("9999999999.99")
# Zeros after the cents say nothing; more of them than this is not a price.
PATTERN = "[0-9]{1,10}(\\.[0-9]{1,2}0{0,20})?"
VALID = re.compile(PATTERN)
NUMBER = re.compile("(-?)([0-9]+)(\\.[0-9]+)?")
NOT_A_PRICE = "expected a number like 29.99"
NEGATIVE = "must not be negative"
TOO_LARGE = f"must be at most {LARGEST}"
TOO_FINE = "must have at most two decimals"
LOWEST_PERCENT, HIGHEST_PERCENT = -100, 1000
PERCENT = re.compile("-?[0-9]{1,4}(\\.[0-9]{1,4})?")


class Money(Decimal):
    """What a body may hold where a price belongs; `parse_money` says which texts are good."""


class Percent(Decimal):
    """By how much something changes: -100 to 1000, with up to four decimals."""


MoneyText: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,10}\\.[0-9]{2}$", examples=["29.99"])]


def parse_money(text: str) -> Decimal:
    """A price from text, with two decimals; raises ValueError with a plain sentence."""
    if VALID.fullmatch(text):
        return Decimal(text).quantize(CENT)
    if not (found := NUMBER.fullmatch(text)):
        raise ValueError(NOT_A_PRICE)
    sign, whole, _decimals = found.groups()
    if sign:
        raise ValueError(NEGATIVE)
    raise ValueError(TOO_LARGE if len(whole) > len(str(int(LARGEST))) else TOO_FINE)


def read_number(number: float) -> Decimal:
    """A price from a JSON number; raises ValueError with a plain sentence."""
    if math.isnan(number):
        raise ValueError(NOT_A_PRICE)
    if number < 0:
        raise ValueError(NEGATIVE)
    if number > LARGEST:
        raise ValueError(TOO_LARGE)
    cents = round(number, 2)
    if not _is_noise(cents, number):
        raise ValueError(TOO_FINE)
    return abs(Decimal(repr(cents)).quantize(CENT))


def _is_noise(rounded: float, number: float) -> bool:
    """The last bits of a double are no further decimal: 0.1 + 0.2 is 0.30000000000000004."""
    return math.isclose(rounded, number, rel_tol=1e-14, abs_tol=1e-14)


def decode_money(_type: type, value: Any) -> Money:
    if isinstance(value, str):
        return Money(parse_money(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Money(read_number(value))
    raise ValueError(NOT_A_PRICE)


def decode_percent(_type: type, value: Any) -> Percent:
    text = value if isinstance(value, str) else _without_noise(value)
    if not PERCENT.fullmatch(text):
        raise ValueError("expected a number with at most four decimals")
    if not LOWEST_PERCENT <= Decimal(text) <= HIGHEST_PERCENT:
        raise ValueError(f"must be from {LOWEST_PERCENT} to {HIGHEST_PERCENT}")
    return Percent(text)


def _without_noise(value: Any) -> str:
    if isinstance(value, float) and _is_noise(round(value, 4), value):
        return repr(round(value, 4))
    return repr(value)


def decode(type_: type, value: Any) -> Any:
    """For msgspec: raises ValueError with a plain sentence, NotImplementedError for what is not of this module."""
    if type_ is Money:
        return decode_money(type_, value)
    if type_ is Percent:
        return decode_percent(type_, value)
    raise NotImplementedError


def schema_hook(type_: type) -> dict[str, Any]:
    """The JSON schema of this module's types; raises NotImplementedError for others."""
    if type_ is Money:
        text = {"type": "string", "pattern": f"^{PATTERN}$"}
        number = {"type": "number", "minimum": 0, "maximum": float(LARGEST), "multipleOf": float(CENT)}
        return {"anyOf": [text, number], "description": "At most two decimals.", "examples": ["29.99"]}
    if type_ is Percent:
        text = {"type": "string", "pattern": "^-?[0-9]{1,2}(\\.[0-9]{1,4})?$"}
        number = {"type": "number", "minimum": LOWEST_PERCENT, "maximum": HIGHEST_PERCENT, "multipleOf": 0.0001}
        return {"anyOf": [text, number], "description": "From -100 to 1000, at most four decimals."}
    raise NotImplementedError


TYPE_DECODERS: TypeDecodersSequence = [
    (lambda type_: type_ is Money, decode_money),
    (lambda type_: type_ is Percent, decode_percent),
]
