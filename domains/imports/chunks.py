"""The second pass: rows by the chunk, ready to be staged, each key once."""

from collections.abc import Iterable, Iterator

import msgspec

from domains.catalog.merge import Rejected
from domains.imports.errors import RowError
from domains.imports.rows import Batch, Values
from domains.imports.survey import Survey


class Row(msgspec.Struct):
    number: int
    values: Values
    cells: list[str]

    @property
    def key(self) -> str:
        return (self.values[0] or "").lower()


class Chunk(msgspec.Struct):
    """What one transaction imports, up to row number `last`. `duplicates` are rows that a later row overwrites."""

    rows: list[Row]
    errors: list[RowError]
    duplicates: list[int]
    last: int

    def staged(self) -> list[tuple[int, Values]]:
        return [(row.number, row.values) for row in self.rows]

    def blame(self, rejected: list[Rejected]) -> list[RowError]:
        """Rejected rows with their original cells."""
        cells = {row.number: row.cells for row in self.rows} if rejected else {}
        return [RowError(it.row_number, it.sku, it.field, it.message, cells[it.row_number]) for it in rejected]

    def halves(self) -> "tuple[Chunk, Chunk]":
        """The same as two chunks, the first as far as the middle row."""
        middle = self.rows[len(self.rows) // 2 - 1].number
        return self.part(0, middle), self.part(middle, self.last)

    def part(self, after: int, last: int) -> "Chunk":
        return Chunk(
            [row for row in self.rows if after < row.number <= last],
            [error for error in self.errors if after < error.row_number <= last],
            [number for number in self.duplicates if after < number <= last],
            last,
        )


def make_chunks(
    batches: Iterable[Batch], survey: Survey, *, after: int, size: int, name_at: int | None
) -> Iterator[Chunk]:
    """Chunks of about `size` rows that follow row number `after`, in the order of the file.

    `name_at` is the place of the name among a row's values, None when the file has no names.
    """
    chunk = Chunk([], [], [], after)
    for batch in batches:
        if batch.last <= after:
            continue
        _add(chunk, batch, survey, after)
        if len(chunk.rows) + len(chunk.errors) + len(chunk.duplicates) >= size:
            yield from _finished(chunk, name_at)
            chunk = Chunk([], [], [], batch.last)
    if chunk.last > after and (chunk.rows or chunk.errors or chunk.duplicates):
        yield from _finished(chunk, name_at)


def _finished(chunk: Chunk, name_at: int | None) -> Iterator[Chunk]:
    """Cut where a name follows a row of its SKU without one: whether that row stands depends on the catalogue."""
    if name_at is None:
        yield _combined(chunk)
        return
    start, nameless = 0, set[str]()
    for row in chunk.rows:
        if row.values[name_at] is None:
            nameless.add(row.key)
        elif row.key in nameless:
            yield _combined(chunk.part(start, row.number - 1))
            start = row.number - 1
            nameless.clear()
    yield _combined(chunk.part(start, chunk.last) if start else chunk)


def _add(chunk: Chunk, batch: Batch, survey: Survey, after: int) -> None:
    for number, values, cells in zip(batch.numbers, batch.rows, batch.originals, strict=True):
        if number <= after:
            continue
        if survey.is_superseded(number):
            chunk.duplicates.append(number)
        else:
            chunk.rows.append(Row(number, values, cells))
    chunk.errors += [error for error in batch.errors if error.row_number > after]
    chunk.last = batch.last


def _combined(chunk: Chunk) -> Chunk:
    """Rows of one SKU become one: cell by cell the later wins, and its empty cells keep what the earlier said."""
    by_key: dict[str, Row] = {}
    for row in chunk.rows:
        if earlier := by_key.pop(row.key, None):
            row.values = [old if new is None else new for old, new in zip(earlier.values, row.values, strict=True)]
            chunk.duplicates.append(earlier.number)
        by_key[row.key] = row
    chunk.rows = list(by_key.values())
    return chunk
