"""The first pass over a file: how many rows, and what becomes of rows whose SKU comes again later in the file.

Rows of one SKU are one product: cell by cell the later wins, and an empty cell leaves what an earlier row said. Knowing
this beforehand means one write for each product, and a second import of the same file that changes nothing.
"""

from array import array
from collections.abc import Iterable
from hashlib import blake2b

from domains.catalog.merge import fold
from domains.imports.rows import Batch, Values

BUCKETS = 64
# Carried from one row to a later one in memory; a file with more of them has the rest written row by row.
MOST_CARRIED = 20_000


class RowSet:
    """Row numbers, a bit for each."""

    def __init__(self, size: int) -> None:
        self.bits = bytearray(size // 8 + 1)

    def add(self, number: int) -> None:
        self.bits[number >> 3] |= 1 << (number & 7)

    def __contains__(self, number: int) -> bool:
        return bool(self.bits[number >> 3] & 1 << (number & 7))


class Survey:
    """Sixteen bytes a row: hash, row number and filled cells, in plain arrays split into buckets to compare within."""

    def __init__(self) -> None:
        self.total = 0
        self.hashes = [array("q") for _ in range(BUCKETS)]
        self.numbers = [array("I") for _ in range(BUCKETS)]
        self.masks = [array("I") for _ in range(BUCKETS)]
        self.superseded = RowSet(0)
        self.carried = RowSet(0)
        self._carried = 0

    def run(self, batches: Iterable[Batch]) -> "Survey":
        """Blocking: for a thread."""
        for batch in batches:
            self._note(batch)
        self.superseded, self.carried = RowSet(self.total), RowSet(self.total)
        for columns in zip(self.hashes, self.numbers, self.masks, strict=True):
            self._mark(*columns)
        self.hashes, self.numbers, self.masks = [], [], []
        return self

    def _note(self, batch: Batch) -> None:
        """Two SKUs of one 64-bit hash would meet once in 10^8 files of 500,000 rows.

        Whoever takes an import over has to find the same pairs, so the hash is the same in every process.
        """
        for number, row in zip(batch.numbers, batch.rows, strict=True):
            digest = blake2b(fold(row[0]).encode(), digest_size=8).digest()
            key = int.from_bytes(digest, "little", signed=True)
            bucket = key % BUCKETS
            self.hashes[bucket].append(key)
            self.numbers[bucket].append(number)
            self.masks[bucket].append(_filled(row))
        self.total = batch.last

    def _mark(self, hashes: "array[int]", numbers: "array[int]", masks: "array[int]") -> None:
        """Backwards: a row is superseded when later rows of its SKU fill every cell that it fills."""
        if len(set(hashes)) == len(hashes):
            return
        later: dict[int, int] = {}
        for key, number, mask in zip(reversed(hashes), reversed(numbers), reversed(masks), strict=True):
            filled = later.get(key)
            later[key] = mask | (filled or 0)
            if filled is None:
                continue
            if mask & ~filled == 0:
                self.superseded.add(number)
            elif self._carried < MOST_CARRIED:
                self._carried += 1
                self.carried.add(number)


def _filled(row: Values) -> int:
    """A bit for each cell that says something."""
    if None not in row:
        return (1 << len(row)) - 1
    return sum(1 << place for place, value in enumerate(row) if value is not None)
