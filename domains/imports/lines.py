"""Physical lines under the CSV reader, remembered so that a broken record costs itself and nothing after it."""

import csv
from collections import deque
from collections.abc import Iterator
from typing import TextIO

from domains.imports.errors import FileRefused
from domains.imports.tables import FailureReason

LONGEST_LINE = 4 << 20
LONGEST_CELL = 1 << 20
MOST_RESTARTS = 100

csv.field_size_limit(LONGEST_CELL)

SENTENCES = {
    "unexpected end of data": "a quote is opened and never closed",
    f"field larger than field limit ({LONGEST_CELL})": "a cell is too long, or a quote is opened and never closed",
}


class EndOfTable(Exception):
    """There are no more records. Not StopIteration: that cannot cross from a thread to whoever awaits it."""


class BrokenRecord(ValueError):
    """A record cannot be read; `text` is how it begins."""

    def __init__(self, message: str, text: str) -> None:
        self.text = text
        super().__init__(message)


class Lines:
    """Feeds the CSV reader. `read_record` raises BrokenRecord and goes on with the physical line after its first."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.again: deque[str] = deque()
        self.taken: list[str] = []
        self.restarts = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.again.popleft() if self.again else self.file.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.taken.append(line)
        if len(line) >= LONGEST_LINE and not line.endswith("\n"):
            self._skip_rest_of_line()
            raise csv.Error("the line is too long")
        return line

    def read_record(self, reader: "Iterator[list[str]]") -> list[str]:
        """The next record's cells, [] for a blank line. Raises EndOfTable."""
        self.taken.clear()
        try:
            return next(reader)
        except StopIteration:
            raise EndOfTable from None
        except csv.Error as error:
            text = self.taken[0] if self.taken else ""
            self._restart()
            raise BrokenRecord(SENTENCES.get(str(error), str(error)), text) from None

    def rewind(self) -> None:
        """Read everything since the last record began once more."""
        self.again.extendleft(reversed(self.taken))
        self.taken.clear()

    def keep_last(self) -> None:
        del self.taken[:-1]

    def forget(self) -> None:
        """Leave the line that a rewind put back."""
        self.again.popleft()

    def _restart(self) -> None:
        if len(self.taken) <= 1:
            return
        self.restarts += 1
        if self.restarts > MOST_RESTARTS:
            raise FileRefused(
                FailureReason.NOT_A_TABLE, f"More than {MOST_RESTARTS} rows open a quote and never close it."
            )
        del self.taken[0]
        self.rewind()

    def _skip_rest_of_line(self) -> None:
        while (piece := self.file.readline(LONGEST_LINE)) and not piece.endswith("\n"):
            pass
