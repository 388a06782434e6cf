"""Cells that a spreadsheet would run as a formula: made harmless on the way out, restored on the way in."""

import re

FORMULA = re.compile(r"'*[=+\-@\t\r\x00]")
ESCAPED_FORMULA = re.compile(r"'+[=+\-@\t\r\x00]")


def escape_formula(cell: str) -> str:
    """Prefix a quote to what a spreadsheet would run, and to what already looks escaped."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """The cell as it was before `escape_formula`."""
    return cell[1:] if ESCAPED_FORMULA.match(cell) else cell
