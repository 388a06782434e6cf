"""What a file's first lines say about the rest: delimiter, header, and which column holds what."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from domains.imports.columns import BY_NAME, SKU, Column, count_known, find_column
from domains.imports.decoding import detect_encoding, open_text
from domains.imports.errors import FileRefused
from domains.imports.lines import BrokenRecord, EndOfTable, Lines
from domains.imports.tables import FailureReason

DELIMITERS = ",;\t|"
MOST_COLUMNS = 1000
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)
IGNORED = ""
# What errors.csv adds: a mended file comes back with it.
ERROR_COLUMN = "_error"
ENCODING_NAMES = {"cp1252": "Windows-1252", "utf-8-sig": "UTF-8"}
SHOPIFY_HEADERS = {"handle", "url handle"}


class Layout(msgspec.Struct, frozen=True):
    """`columns[i]` is read from cell `positions[i]`; sku comes first."""

    encoding: str
    delimiter: str
    header: list[str]
    columns: list[Column]
    positions: list[int]
    warnings: list[str]

    @property
    def encoding_name(self) -> str:
        return ENCODING_NAMES.get(self.encoding, self.encoding.upper())


def read_layout(path: Path, mapping: dict[str, str]) -> Layout:
    """Raises FileRefused when this is no table with a SKU. `mapping`: header → column name, "" leaves it out."""
    encoding = detect_encoding(path)
    with open_text(path, encoding) as file:
        delimiter, header = _read_header(Lines(file), mapping)
    found = _assign(header, mapping)
    return Layout(
        encoding=encoding,
        delimiter=delimiter,
        header=header,
        columns=list(found.values()),
        positions=list(found),
        warnings=_warnings(encoding, header, found, mapping),
    )


def _read_header(lines: Lines, mapping: dict[str, str]) -> tuple[str, list[str]]:
    first = _first_line(lines)
    if said := SEPARATOR_LINE.fullmatch(first):
        lines.forget()
        return said[1], _parse_said_header(lines, said[1])
    guesses = []
    for delimiter in DELIMITERS:
        try:
            guesses.append((delimiter, _parse_header(lines, delimiter)))
        except BrokenRecord:
            guesses.append((delimiter, []))
        lines.rewind()
    best = max(guesses, key=lambda guess: (_fitness(guess[1], mapping), len(guess[1])))
    _refuse_no_table(first, best[1], mapping)
    return best


def _first_line(lines: Lines) -> str:
    for line in lines:
        if line.strip("\ufeff \t\r\n"):
            lines.keep_last()
            lines.rewind()
            return line
    raise FileRefused(FailureReason.EMPTY, "The file is empty.")


def _parse_said_header(lines: Lines, delimiter: str) -> list[str]:
    try:
        return _parse_header(lines, delimiter)
    except EndOfTable:
        raise FileRefused(FailureReason.EMPTY, "The file names a separator and has no header.") from None
    except BrokenRecord as broken:
        raise FileRefused(FailureReason.NOT_A_TABLE, f"The header cannot be read: {broken}.") from None


def _parse_header(lines: Lines, delimiter: str) -> list[str]:
    return clean_header(lines.read_record(csv.reader(lines, delimiter=delimiter, strict=True)))


def clean_header(cells: list[str]) -> list[str]:
    return [cell.strip("\ufeff \t\r\n") for cell in cells]


def _fitness(header: list[str], mapping: dict[str, str]) -> int:
    return count_known(header) + sum(cell in mapping for cell in header)


def _refuse_no_table(first: str, header: list[str], mapping: dict[str, str]) -> None:
    if CONTROL.search(first) or (len(header) <= 1 and not _fitness(header, mapping)):
        raise FileRefused(FailureReason.NOT_A_TABLE, "The first line is not the header of a table.")
    if len(header) > MOST_COLUMNS:
        raise FileRefused(FailureReason.UNKNOWN_HEADER, f"The header has more than {MOST_COLUMNS} columns.")
    names = {cell.lower() for cell in header}
    if names & SHOPIFY_HEADERS and {"title", "published"} <= names | {"published on online store", "published"}:
        _refuse_shopify(names)


def _refuse_shopify(names: set[str]) -> None:
    if any(name.startswith(("option1 ", "option1 name")) for name in names):
        raise FileRefused(FailureReason.UNKNOWN_HEADER, "This is a product export of Shopify, which is another format.")


def _assign(header: list[str], mapping: dict[str, str]) -> dict[int, Column]:
    """Position → column, sku first. Raises FileRefused for two columns of one meaning and for a missing SKU."""
    found: dict[int, Column] = {}
    for position, cell in enumerate(header):
        column = BY_NAME.get(mapping[cell]) if cell in mapping else find_column(cell)
        if column is None:
            continue
        if column in found.values():
            raise FileRefused(FailureReason.UNKNOWN_HEADER, f"Two columns mean {column.name}; {cell!r} is the second.")
        found[position] = column
    if SKU not in found.values():
        raise FileRefused(FailureReason.UNKNOWN_HEADER, f"The header has no column for the SKU: {_quote(header)}.")
    if len(found) == 1:
        raise FileRefused(
            FailureReason.UNKNOWN_HEADER, f"The header has a SKU and nothing else known: {_quote(header)}."
        )
    return dict(sorted(found.items(), key=lambda item: item[1] is not SKU))


def _warnings(encoding: str, header: list[str], found: dict[int, Column], mapping: dict[str, str]) -> list[str]:
    unknown = [
        cell
        for position, cell in enumerate(header)
        if position not in found and mapping.get(cell) != IGNORED and cell not in ("", ERROR_COLUMN)
    ]
    warnings = [f"Columns that are not known were left out: {_quote(unknown)}."] if unknown else []
    if encoding != "utf-8-sig":
        warnings.append(f"The file was read as {ENCODING_NAMES.get(encoding, encoding.upper())}.")
    return warnings


def _quote(cells: Iterable[str]) -> str:
    shown = [cell[:40] for cell in cells]
    more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
    return ", ".join(shown[:20]) + more
