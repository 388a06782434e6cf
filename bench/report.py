"""Rows of the table: what was measured, its limit of the same run, and whether the reach is kept."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results" / "latest.json"
EVEN_BY = 0.25


class Verdict(StrEnum):
    OK = "ok"
    MISSED = "MISSED"
    INFORMS = "-"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """`ratio` is product / limit. `reach` says what is required of it, or of the product's figure itself."""

    what: str
    unit: str
    product: float
    limit: float | None = None
    reach: str = ""
    verdict: Verdict = Verdict.INFORMS
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.product / self.limit if self.limit else None


def at_most(times: float, what: str, product: float, limit: float, unit: str = "s", note: str = "") -> Row:
    """For times: the product may take `times` the limit."""
    return _judged(product <= times * limit, f"≤ {times:g} x", what, product, limit, unit, note)


def at_least(times: float, what: str, product: float, limit: float, unit: str = "/s", note: str = "") -> Row:
    """For rates: the product must reach `times` the limit."""
    return _judged(product >= times * limit, f"≥ {times:g} x", what, product, limit, unit, note)


def as_fast(what: str, product: float, limit: float, unit: str = "rows/s", note: str = "") -> Row:
    """For rates that must not fall: within a quarter of the other one. Faster is no fault."""
    return at_least(1 - EVEN_BY, what, product, limit, unit, note)


def below(bound: float, what: str, product: float, unit: str, limit: float | None = None, note: str = "") -> Row:
    return _judged(product <= bound, f"≤ {_show(bound, unit)}", what, product, limit, unit, note)


def above(bound: float, what: str, product: float, unit: str, limit: float | None = None, note: str = "") -> Row:
    return _judged(product >= bound, f"≥ {_show(bound, unit)}", what, product, limit, unit, note)


def equal(what: str, product: float, expected: float, unit: str = "rows", note: str = "") -> Row:
    return _judged(product == expected, f"= {expected:,.0f}", what, product, None, unit, note)


def inform(what: str, product: float, unit: str, limit: float | None = None, note: str = "") -> Row:
    return Row(what=what, unit=unit, product=product, limit=limit, note=note)


def _judged(ok: bool, reach: str, what: str, product: float, limit: float | None, unit: str, note: str) -> Row:  # noqa: FBT001
    verdict = Verdict.OK if ok else Verdict.MISSED
    return Row(what=what, unit=unit, product=product, limit=limit, reach=reach, verdict=verdict, note=note)


def print_table(groups: Mapping[str, Sequence[Row]]) -> None:
    table = Table()
    for heading in ("what", "product", "limit", "ratio", "reach", "", "note"):
        table.add_column(heading, justify="right" if heading in {"product", "limit", "ratio"} else "left")
    for name, rows in groups.items():
        table.add_row(name.upper())
        for row in rows:
            table.add_row(*_cells(row))
        table.add_section()
    # Files and pipes have no width of their own; cut words are worse than long lines.
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(table)


def _cells(row: Row) -> list[str]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    limit = "" if row.limit is None else _show(row.limit, row.unit)
    return [row.what, _show(row.product, row.unit), limit, ratio, row.reach, row.verdict, row.note]


def save(facts: Mapping[str, object], groups: Mapping[str, Sequence[Row]]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    found = {name: [msgspec.to_builtins(row) | {"ratio": row.ratio} for row in rows] for name, rows in groups.items()}
    RESULTS.write_text(json.dumps({**facts, "groups": found}, indent=2) + "\n")


def _show(value: float, unit: str) -> str:
    shown: Callable[[float], str] = FORMATS.get(unit, "{:,.0f}".format)
    return f"{shown(value)} {unit}".replace(" /s", "/s")


FORMATS: dict[str, Callable[[float], str]] = {"s": "{:.2f}".format, "ms": "{:.2f}".format, "of \\copy": "{:.2f}".format}
