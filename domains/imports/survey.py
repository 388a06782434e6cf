"""The first pass over a file: how many rows, and which of them a later row of the same SKU overwrites.

Knowing this beforehand makes the last row win across the whole file with one write per product, and a second import of
the same file change nothing.
"""

from array import array
from collections.abc import Iterable

from domains.imports.rows import Batch

BUCKETS = 64


class Survey:
    """Twelve bytes a row: hashes and row numbers in plain arrays, split into buckets to look for pairs in each."""

    def __init__(self) -> None:
        self.total = 0
        self.hashes = [array("q") for _ in range(BUCKETS)]
        self.numbers = [array("I") for _ in range(BUCKETS)]
        self.superseded = bytearray()

    def run(self, batches: Iterable[Batch]) -> "Survey":
        """Blocking: for a thread."""
        for batch in batches:
            self._note(batch)
        self.superseded = bytearray(self.total // 8 + 1)
        for hashes, numbers in zip(self.hashes, self.numbers, strict=True):
            self._mark(hashes, numbers)
        return self

    def is_superseded(self, row_number: int) -> bool:
        return bool(self.superseded[row_number >> 3] & 1 << (row_number & 7))

    def _note(self, batch: Batch) -> None:
        """A row with empty cells overwrites only a part: the lowest bit says whether a row can win.

        Two SKUs of one 64-bit hash would meet once in 10^8 files of 500,000 rows; the hash is keyed by process.
        """
        for number, row in zip(batch.numbers, batch.rows, strict=True):
            key = hash((row[0] or "").lower())
            self.hashes[key % BUCKETS].append(key)
            self.numbers[key % BUCKETS].append(number << 1 | (None not in row))
        self.total = batch.last

    def _mark(self, hashes: "array[int]", numbers: "array[int]") -> None:
        if len(set(hashes)) == len(hashes):
            return
        winners: dict[int, int] = {}
        for key, noted in zip(reversed(hashes), reversed(numbers), strict=True):
            number = noted >> 1
            if key in winners:
                self.superseded[number >> 3] |= 1 << (number & 7)
            elif noted & 1:
                winners[key] = number
