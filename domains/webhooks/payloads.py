"""What receivers read: the body of a request, made from the event alone, so that it is the same at every attempt."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

# In the log money is text, lest a reader of JSON loses its cents; receivers are promised numbers.
MONEY = {"price", "compare_at_price", "cost_price", "unit_price", "unit_cost", "total", "cost"}
AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,4})?")
NOTHING = msgspec.Raw(b"{}")
ENCODER = msgspec.json.Encoder(decimal_format="number")


class Payload(msgspec.Struct, frozen=True):
    """`event_type` and `type` say the same: both names are in use out there."""

    event_type: str
    type: str
    timestamp: datetime
    data: msgspec.Raw
    changes: msgspec.Raw


def render(topic: str, occurred_at: datetime, data: str | None, changes: str | None) -> bytes:
    """`data` and `changes` are the JSON of an event; `changes` come out as {"price": [19.99, 24.99]}: old, then new."""
    # The row of a product holds its prices as numbers already, and is much the longest of all data.
    told = msgspec.Raw(data.encode()) if data and topic.startswith("product.") else _with_amounts(data)
    return ENCODER.encode(Payload(topic, topic, occurred_at, told, _with_amounts(changes)))


def _with_amounts(json: str | None) -> msgspec.Raw:
    if not json:
        return NOTHING
    return msgspec.Raw(ENCODER.encode(_amounts_in(msgspec.json.decode(json))))


def _amounts_in(value: Any, *, is_money: bool = False) -> Any:
    """The same, with texts that are amounts of money as numbers."""
    if isinstance(value, dict):
        return {name: _amounts_in(part, is_money=name in MONEY) for name, part in value.items()}
    if isinstance(value, list):
        return [_amounts_in(part, is_money=is_money) for part in value]
    if is_money and isinstance(value, str) and AMOUNT.fullmatch(value):
        return Decimal(value)
    return value
