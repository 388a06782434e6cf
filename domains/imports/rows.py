"""From cells to typed text. Batches are checked column by column: one expression runs over many cells at once."""

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import compress
from pathlib import Path
from typing import TypeAlias

import msgspec

from domains.imports.columns import CLEAR, SKU, BadCell, Column
from domains.imports.decoding import open_text
from domains.imports.errors import RowError
from domains.imports.layout import Layout, clean_header
from domains.imports.lines import BrokenRecord, EndOfTable, Lines
from lib.csv_safety import unescape_formula

BATCH_ROWS = 1000
BATCH_CHARACTERS = 4_000_000
UNREADABLE = re.compile("[\x00\ud800-\udfff]")
UNREADABLE_UTF_16 = re.compile("[\x00\ud800-\udfff\ufffd]")

Values: TypeAlias = list[str | None]
Numbered: TypeAlias = tuple[int, list[str] | BrokenRecord]


class Batch(msgspec.Struct):
    """Good rows, with `None` for an empty cell, and rejected ones. `last` is the number of the last row in it."""

    numbers: list[int]
    rows: list[Values]
    errors: list[RowError]
    originals: list[list[str]]
    last: int

    @property
    def is_long(self) -> bool:
        """It ended before its thousandth row: a chunk takes no more of the kind."""
        return len(self.rows) + len(self.errors) < BATCH_ROWS


def read_batches(path: Path, layout: Layout) -> Iterator[Batch]:
    """Every data row of the file, in order, numbered from 1 without the header and blank lines."""
    with open_text(path, layout.encoding) as file:
        records = _read_records(Lines(file), layout)
        for cells in records:
            if isinstance(cells, list) and clean_header(cells) == layout.header:
                break
        for batch in _batches(enumerate(records, start=1)):
            yield _check(batch, layout)


def _batches(numbered: Iterator[Numbered]) -> Iterator[list[Numbered]]:
    """By the thousand, sooner where rows are long: memory is bounded in bytes."""
    batch: list[Numbered] = []
    size = 0
    for number, record in numbered:
        batch.append((number, record))
        size += sum(map(len, record)) if isinstance(record, list) else len(record.text)
        if len(batch) >= BATCH_ROWS or size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read_records(lines: Lines, layout: Layout) -> Iterator[list[str] | BrokenRecord]:
    reader = csv.reader(lines, delimiter=layout.delimiter, strict=True)
    while True:
        try:
            cells = lines.read_record(reader)
        except EndOfTable:
            return
        except BrokenRecord as broken:
            yield broken
        else:
            if any(map(str.strip, cells)):
                yield cells


def _check(batch: list[Numbered], layout: Layout) -> Batch:
    """Split rows into good ones, as typed text by column, and rejected ones."""
    errors = [RowError(number, "", "", str(it), [it.text]) for number, it in batch if isinstance(it, BrokenRecord)]
    whole = [(number, it) for number, it in batch if isinstance(it, list)]
    numbers, records = [number for number, _ in whole], [cells for _, cells in whole]
    wrong = _wrong_widths(records, len(layout.header))
    table = [
        read_column(column, [cells[position] if position < len(cells) else "" for cells in records], layout, wrong)
        for column, position in zip(layout.columns, layout.positions, strict=True)
    ]
    errors += [
        RowError(numbers[index], table[0][index] or "", field, message, records[index])
        for index, (field, message) in wrong.items()
    ]
    good = [index not in wrong for index in range(len(records))]
    return Batch(
        numbers=list(compress(numbers, good)),
        rows=[list(values) for values in compress(zip(*table, strict=True), good)],
        errors=sorted(errors, key=lambda error: error.row_number),
        originals=list(compress(records, good)),
        last=batch[-1][0],
    )


def _wrong_widths(records: list[list[str]], width: int) -> dict[int, tuple[str, str]]:
    """Too few or too many cells, by index; empty ones at the end are let pass."""
    return {
        index: ("", f"the row has {len(cells)} cells, the header has {width}")
        for index, cells in enumerate(records)
        if len(cells) < width or any(cells[width:])
    }


def read_column(column: Column, cells: list[str], layout: Layout, wrong: dict[int, tuple[str, str]]) -> Values:
    """A column's cells as typed text; what is wrong is noted under its row's index, the first fault of a row only."""
    unreadable = UNREADABLE_UTF_16 if layout.encoding.startswith("utf-16") else UNREADABLE
    cells = [cell.strip() for cell in cells] if column.trimmed else [cell if cell.strip() else "" for cell in cells]
    cells = [unescape_formula(cell) if cell[:1] == "'" else cell for cell in cells]
    is_plain = CLEAR not in cells and not unreadable.search("".join(cells)) and (column is not SKU or all(cells))
    if is_plain:
        with suppress(BadCell):
            return [column.parse(cell) if cell else None for cell in cells]
    return [_read_or_note(column, cell, unreadable, index, wrong) for index, cell in enumerate(cells)]


def _read_or_note(
    column: Column, cell: str, unreadable: re.Pattern[str], index: int, wrong: dict[int, tuple[str, str]]
) -> str | None:
    try:
        return _read_cell(column, cell, unreadable)
    except BadCell as bad:
        wrong.setdefault(index, (column.name, f"{column.name} {bad}"))
        return cell


def _read_cell(column: Column, cell: str, unreadable: re.Pattern[str]) -> str | None:
    if unreadable.search(cell):
        raise BadCell("contains a NUL character" if "\x00" in cell else "contains bytes that cannot be read")
    if column is SKU and not cell:
        raise BadCell("is missing")
    if cell == CLEAR:
        if not column.can_clear:
            raise BadCell("cannot be cleared")
        return ""
    return column.parse(cell) if cell else None
