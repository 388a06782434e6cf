"""The catalogue as CSV, with the columns that an import reads, a thousand rows at a time.

Pages by id instead of one long cursor: a client that reads slowly holds neither a connection nor a snapshot.
"""

import csv
import io
from collections.abc import AsyncIterator, Sequence

import asyncpg

from domains.catalog.columns import WRITABLE
from lib.csv_safety import escape_formula
from lib.filters import Condition
from lib.listing import Binder
from piccolo_conf import fetch

ROWS_AT_ONCE = 1000
EMPTY_JSON = "{}"


async def export_csv(conditions: Sequence[Condition] = ()) -> AsyncIterator[str]:
    """Lines of text: the header, then products by id. Empty cells stand for null, which an import leaves alone."""
    yield _lines([list(WRITABLE)])
    last_id = 0
    while rows := await _page(conditions, last_id):
        yield _lines([[_cell(value) for value in row[1:]] for row in rows])
        last_id = rows[-1]["id"]


async def _page(conditions: Sequence[Condition], after: int) -> Sequence[asyncpg.Record]:
    """Relies on product_pkey."""
    binder = Binder()
    where = binder.where(conditions, f"product.id > {binder.bind(after)}")
    columns = ", ".join(_text(name, type_) for name, type_ in WRITABLE.items())
    return await fetch(
        f"SELECT product.id, {columns} FROM product {where} ORDER BY product.id LIMIT {ROWS_AT_ONCE}", *binder.values
    )


def _text(name: str, type_: str) -> str:
    if type_ == "jsonb":
        return f"nullif(product.{name}::text, '{EMPTY_JSON}') AS {name}"
    return f"product.{name}::text AS {name}"


def _cell(value: str | None) -> str:
    return escape_formula(value) if value else ""


def _lines(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
