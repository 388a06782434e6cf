"""Cells that a spreadsheet would run are harmless on the way out, and themselves again on the way in."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.csv_safety import escape_formula, unescape_formula

DANGEROUS = "=+-@\t\r\x00"


@given(st.text(alphabet=st.one_of(st.sampled_from(f"'{DANGEROUS}"), st.characters()), max_size=20))
@example("'=1+1")
@example("''=1+1")
@example("'")
@example("'Tis")
def test_every_cell_comes_back_as_it_was(cell: str):
    assert unescape_formula(escape_formula(cell)) == cell


@given(st.text())
def test_no_cell_goes_out_as_a_formula(cell: str):
    assert not escape_formula(cell).startswith(tuple(DANGEROUS))


@pytest.mark.parametrize("cell", ["", "Lamp", "'Tis", "1.5", "a=b", "  =1"])
def test_an_ordinary_cell_stays_as_it_is(cell: str):
    assert escape_formula(cell) == cell
