"""The rows of purchase orders: locked, read, and brought to the status that their lines make.

Lock order: the purchase order's row, then its products by id, then levels, lines and receipts. Deleting a product
writes to lines, so nobody locks a product behind them.
"""

from collections.abc import Mapping, Sequence

import asyncpg
import msgspec

from domains.catalog import stock
from domains.orders.purchase_schemas import PurchaseLineOut, PurchaseOrderOut, ReceiptOut
from domains.orders.tables import PurchaseStatus
from lib.errors import NotFound
from piccolo_conf import execute, fetch, fetch_row

LOCK = "SELECT id, number FROM purchase_order WHERE id = $1 FOR UPDATE"

# Relies on purchase_order_line_order.
LINES = """
    SELECT id, product, sku, quantity - received_quantity - cancelled_quantity AS outstanding
    FROM purchase_order_line WHERE purchase_order = $1 ORDER BY id
"""

ADD_RECEIVED = """
    UPDATE purchase_order_line l SET received_quantity = l.received_quantity + t.quantity
    FROM unnest($1::int[], $2::int[]) AS t (id, quantity) WHERE l.id = t.id
"""

SETTLE = """
    UPDATE purchase_order SET status = CASE
        WHEN t.outstanding > 0 AND t.received > 0 THEN 'partly_received'
        WHEN t.outstanding > 0 THEN 'ordered'
        WHEN t.received > 0 THEN 'received'
        ELSE 'cancelled' END
    FROM (
        SELECT sum(received_quantity) AS received,
               sum(quantity::bigint - received_quantity - cancelled_quantity) AS outstanding
        FROM purchase_order_line WHERE purchase_order = $1
    ) AS t
    WHERE id = $1
"""

# One statement sees one moment: what lines have received is what their receipts say. Relies on
# purchase_order_line_order, receipt_order and receipt_line_key.
READ = """
    SELECT o.id, o.number, o.supplier_name, o.purchase_on, o.status, o.currency, o.total::text, o.created_by,
           o.created_at, o.cancelled_at,
    (SELECT coalesce(json_agg(l ORDER BY l.id), '[]') FROM (
        SELECT id, product, sku, name, unit_cost::text, quantity, received_quantity, cancelled_quantity,
               quantity - received_quantity - cancelled_quantity AS outstanding_quantity
        FROM purchase_order_line WHERE purchase_order = o.id
    ) AS l) AS lines,
    (SELECT coalesce(json_agg(t ORDER BY t.id), '[]') FROM (
        SELECT r.id, r.location, d.code AS location_code, r.note, r.received_by, r.received_at, r.reversed_by,
               r.reversed_at,
        (SELECT coalesce(json_agg(k ORDER BY k.line), '[]') FROM (
            SELECT l.id AS line, l.product, l.sku, c.quantity
            FROM receipt_line c JOIN purchase_order_line l ON l.id = c.order_line WHERE c.receipt = r.id
        ) AS k) AS lines
        FROM receipt r JOIN location d ON d.id = r.location WHERE r.purchase_order = o.id
    ) AS t) AS receipts
    FROM purchase_order o WHERE o.id = ANY($1::int[])
"""

LINES_OUT = msgspec.json.Decoder(list[PurchaseLineOut])
RECEIPTS_OUT = msgspec.json.Decoder(list[ReceiptOut])


class PurchaseNotFound(NotFound):
    """There is no such purchase order."""


class Line(msgspec.Struct, frozen=True):
    """A line that is locked with its order. Nothing can come of one without `product`, which was deleted."""

    id: int
    product: int | None
    sku: str
    outstanding: int


class Purchase(msgspec.Struct, frozen=True):
    """A purchase order that nobody else changes until the transaction ends; its lines by their ids."""

    id: int
    number: str
    lines: Mapping[int, Line]


async def lock_purchase(purchase_id: int) -> Purchase:
    """With its products, in a transaction. Raises PurchaseNotFound."""
    found = await fetch_row(LOCK, purchase_id)
    if found is None:
        raise PurchaseNotFound
    # A statement of its own: only what begins behind the lock sees what those before have written.
    rows = await fetch(LINES, purchase_id)
    here = await stock.lock_products({row["product"] for row in rows if row["product"] is not None})
    lines = [Line(**{**row, "product": row["product"] if row["product"] in here else None}) for row in rows]
    return Purchase(purchase_id, found["number"], {line.id: line for line in lines})


async def add_received(quantities: Mapping[int, int]) -> None:
    """By the ids of lines; below zero for what is taken back."""
    await execute(ADD_RECEIVED, list(quantities), list(quantities.values()))


async def settle(purchase_id: int) -> None:
    """The status becomes what the lines make of it: behind every change of them."""
    await execute(SETTLE, purchase_id)


async def read_purchase(purchase_id: int) -> PurchaseOrderOut:
    """With its lines and receipts. Raises PurchaseNotFound."""
    found = await read_purchases([purchase_id])
    if not found:
        raise PurchaseNotFound
    return found[0]


async def read_purchases(purchase_ids: Sequence[int]) -> list[PurchaseOrderOut]:
    """Those that exist, in the order of the ids, in one statement."""
    rows = {row["id"]: row for row in await fetch(READ, purchase_ids)}
    return [_shape(rows[purchase_id]) for purchase_id in purchase_ids if purchase_id in rows]


def _shape(row: asyncpg.Record) -> PurchaseOrderOut:
    lines, receipts = LINES_OUT.decode(row["lines"]), RECEIPTS_OUT.decode(row["receipts"])
    return PurchaseOrderOut(**{**row, "status": PurchaseStatus(row["status"]), "lines": lines, "receipts": receipts})
