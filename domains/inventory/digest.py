"""The mail about low stock: one letter for each reader, with every product that no letter has told of yet."""

from collections.abc import Sequence

import asyncpg
import msgspec

from domains.accounts import letters
from domains.inventory.readers import find_readers
from domains.mail import services as mail
from domains.mail.services import Fact, Template
from piccolo_conf import execute, fetch, transaction
from settings import settings

MOST_SHOWN = 50
LONGEST_NAME = 80

# Two digests at once would share the products out between two letters.
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(5207013)"

# Relies on low_stock_notification_unmailed, and for what was sold on stock_movement_product. It waits for no
# notification: whoever holds one is resolving it, or deleting its product.
CLAIM = f"""
    WITH due AS MATERIALIZED (
        SELECT id FROM low_stock_notification
        WHERE mailed_at IS NULL AND resolved_at IS NULL AND dismissed_at IS NULL FOR UPDATE SKIP LOCKED
    ),
    told AS (
        UPDATE low_stock_notification n SET mailed_at = now() FROM due WHERE n.id = due.id
        RETURNING n.product, n.threshold
    ),
    shown AS (
        SELECT p.id, p.name, p.sku, p.supplier_number, p.inventory_quantity AS stock, told.threshold,
               count(*) OVER () AS products, count(*) FILTER (WHERE p.inventory_quantity = 0) OVER () AS sold_out
        FROM told JOIN product p ON p.id = told.product
        ORDER BY stock, lower(p.name), p.id LIMIT {MOST_SHOWN}
    )
    SELECT s.*,
           (SELECT greatest(0, -sum(m.delta)) FROM stock_movement m
            WHERE m.product_id = s.id AND m.occurred_at > now() - interval '30 days'
                AND m.reason IN ('sale', 'cancellation')) AS sold,
           (SELECT count(*) FROM low_stock_notification WHERE resolved_at IS NULL AND dismissed_at IS NULL) AS low_now
    FROM shown s ORDER BY stock, lower(name), id
"""


class Digest(msgspec.Struct, frozen=True):
    """How many products were told of, to how many readers."""

    products: int = 0
    readers: int = 0

    def __str__(self) -> str:
        if not self.readers:
            return "Nobody to mail: no administrator has confirmed an address, and REPORT_RECIPIENTS is empty."
        if not self.products:
            return "Nothing new to mail."
        return f"Mailed {_many(self.products, 'product')} to {_many(self.readers, 'reader')}."


async def write_digest() -> Digest:
    """The letters and the marks that they were written are one transaction; ring for mail behind it.

    Without a reader nothing is marked: the first one who is there hears of all that is open.
    """
    async with transaction():
        await execute(ONE_AT_A_TIME)
        readers = await find_readers()
        rows = await fetch(CLAIM) if readers else []
        if rows:
            facts = _facts(rows)
            for reader in readers:
                await mail.write(reader.email, Template.LOW_STOCK, {**facts, "name": reader.name})
    return Digest(rows[0]["products"] if rows else 0, len(readers))


def _facts(rows: Sequence[asyncpg.Record]) -> dict[str, Fact]:
    products, sold_out, low_now = rows[0]["products"], rows[0]["sold_out"], rows[0]["low_now"]
    return {
        "subject": _subject(rows[0], products, sold_out),
        "headline": _headline(products, sold_out),
        "rows": [_shape(row) for row in rows],
        "more": _many(products - len(rows), "more product") if products > len(rows) else "",
        "low_now": str(low_now) if low_now > products else "",
        "link": letters.link(f"{settings.admin_path.rstrip('/')}/pages/stock/") if settings.admin_enabled else "",
    }


def _subject(first: asyncpg.Record, products: int, sold_out: int) -> str:
    if products == 1:
        return f"Low stock: {_name(first)} ({_left(first['stock'])})"
    return f"Low stock: {products} products{f', {sold_out} sold out' if sold_out else ''}"


def _headline(products: int, sold_out: int) -> str:
    if products == 1:
        return "One product has fallen below its threshold."
    gone = f", and {sold_out} of them {'is' if sold_out == 1 else 'are'} sold out" if sold_out else ""
    return f"{products} products have fallen below their thresholds{gone}."


def _shape(row: asyncpg.Record) -> dict[str, str]:
    number = f"supplier's number {row['supplier_number']}" if row["supplier_number"] else ""
    return {
        "product": _name(row),
        "sku": row["sku"],
        "supplier": number,
        "left": _left(row["stock"]),
        "is_sold_out": "yes" if row["stock"] == 0 else "",
        "threshold": str(row["threshold"]),
        "sold": str(row["sold"] or 0),
    }


def _name(row: asyncpg.Record) -> str:
    name: str = row["name"]
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1].rstrip()}…"


def _left(stock: int) -> str:
    return f"{stock} left" if stock else "sold out"


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
