import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiences.pure.csv_export import csv_lines, neutralise, restore

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1+1"])
def test_a_formula_becomes_text(cell):
    assert neutralise(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["Jane", "-5", "-5.25", "12", "", "jane@x.org", "'quoted'"])
def test_what_is_no_formula_stays(cell):
    assert neutralise(cell) == cell


@given(CELLS | st.builds(lambda a, b: a + b, st.sampled_from(["=", "'=", "''@", "+", "-"]), CELLS))
def test_reading_back_gives_what_was_written(cell):
    assert restore(neutralise(cell)) == cell


@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=4))
def test_a_file_reads_back_as_it_was_and_no_cell_runs(rows):
    text = "".join(csv_lines(rows))
    back = list(csv.reader(io.StringIO(text, newline="")))
    assert [[restore(cell) for cell in row] for row in back] == rows
