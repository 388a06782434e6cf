"""Orders of a shop for tests, and what is left of a person."""

from typing import Any

import asyncpg

from piccolo_conf import fetch, fetch_value
from tests.shopify.making import load

ORDER_ID = 6123456789012345678
CUSTOMER_ID = 7123456789012345678
ORDERS = "/api/sales-orders/"
# Of whom the examples tell.
PERSON = ("Mira", "Sample", "mira@example.com", "+49 30", "Lamp Lane", "Office Row")


def order(**changes: Any) -> dict[str, Any]:
    return load("order") | changes


def cancelled(**changes: Any) -> dict[str, Any]:
    """The same order an hour later."""
    told = {"cancelled_at": "2030-03-01T11:00:00+01:00", "cancel_reason": "customer"}
    return order(**told, updated_at="2030-03-01T11:00:00+01:00") | changes


def refund(**changes: Any) -> dict[str, Any]:
    return load("refund") | changes


async def order_rows() -> list[asyncpg.Record]:
    return list(await fetch("SELECT * FROM sales_order ORDER BY id"))


async def topics_told() -> list[str]:
    rows = await fetch("SELECT topic FROM event WHERE topic LIKE 'order.%' ORDER BY id")
    return [row["topic"] for row in rows]


async def find_person(*tables: str) -> list[str]:
    """The words of the person that still stand in one of these tables."""
    texts = [str(await fetch_value(f"SELECT string_agg(t::text, ' ') FROM {table} AS t")) for table in tables]
    return [word for word in PERSON if any(word in text for text in texts)]
