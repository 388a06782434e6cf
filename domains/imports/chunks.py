"""The second pass: rows by the chunk, ready to be staged, each key once."""

from collections.abc import Iterable, Iterator

import msgspec

from domains.catalog.merge import Rejected, fold
from domains.imports.errors import RowError
from domains.imports.rows import Batch, Values
from domains.imports.survey import Survey


class Row(msgspec.Struct):
    number: int
    values: Values
    cells: list[str]

    @property
    def key(self) -> str:
        return fold(self.values[0])


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


def make_chunks(batches: Iterable[Batch], survey: Survey, *, after: int, size: int) -> Iterator[Chunk]:
    """Chunks of about `size` rows that follow row number `after`, in the order of the file.

    Rows up to `after` are looked at too: what a later row carries on of them is not in the catalogue yet.
    """
    carried: dict[str, Values] = {}
    chunk = Chunk([], [], [], after)
    for batch in batches:
        _add(chunk, batch, survey, after, carried)
        is_full = len(chunk.rows) + len(chunk.errors) + len(chunk.duplicates) >= size
        if is_full or (batch.is_long and chunk.rows):
            yield _combined(chunk)
            chunk = Chunk([], [], [], batch.last)
    if chunk.last > after and (chunk.rows or chunk.errors or chunk.duplicates):
        yield _combined(chunk)


def _add(chunk: Chunk, batch: Batch, survey: Survey, after: int, carried: dict[str, Values]) -> None:
    for number, values, cells in zip(batch.numbers, batch.rows, batch.originals, strict=True):
        row = Row(number, values, cells)
        is_duplicate = number in survey.superseded or number in survey.carried
        if carried and number not in survey.superseded and (earlier := carried.pop(row.key, None)):
            row.values = overlay(earlier, values)
        if number in survey.carried:
            carried[row.key] = row.values
        if number > after:
            chunk.duplicates.append(number) if is_duplicate else chunk.rows.append(row)
    chunk.errors += [error for error in batch.errors if error.row_number > after]
    chunk.last = max(batch.last, after)


def overlay(earlier: Values, later: Values) -> Values:
    return [old if new is None else new for old, new in zip(earlier, later, strict=True)]


def _combined(chunk: Chunk) -> Chunk:
    """Of rows of one SKU that the survey left beside each other one stays, with what the earlier ones said."""
    by_key: dict[str, Row] = {}
    for row in chunk.rows:
        if earlier := by_key.pop(row.key, None):
            row.values = overlay(earlier.values, row.values)
            chunk.duplicates.append(earlier.number)
        by_key[row.key] = row
    chunk.rows = list(by_key.values())
    return chunk
