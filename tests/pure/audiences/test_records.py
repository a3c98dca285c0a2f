import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from audiences.pure.records import LINE_MAX, LINES_MAX, records

CELLS = st.text(st.sampled_from("ab,;\"\n 'é"), max_size=6)


def read(text, delimiter=","):
    found = records(io.StringIO(text, newline=""), delimiter=delimiter)
    return [(record.line, record.cells or record.problem) for record in found]


def test_a_quoted_line_break_stays_in_its_cell_and_lines_are_those_of_the_file():
    assert read('a,b\r\n"x\r\ny",2\r\n3,4') == [(1, ["a", "b"]), (2, ["x\r\ny", "2"]), (4, ["3", "4"])]


def test_all_three_kinds_of_line_ends_may_be_mixed():
    assert read("a,b\r1,2\n3,4\r\n5,6") == [(1, ["a", "b"]), (2, ["1", "2"]), (3, ["3", "4"]), (4, ["5", "6"])]


def test_a_quotation_mark_that_is_never_closed_costs_one_line():
    sentence = "A quotation mark is opened here and not closed."
    assert read('a,b\n"x,2\n3,4\n5,6\n') == [(1, ["a", "b"]), (2, sentence), (3, ["3", "4"]), (4, ["5", "6"])]


def test_it_does_not_swallow_a_long_file_either():
    found = read('a,b\n"x,2\n' + "3,4\n" * 3 * LINES_MAX)
    assert len(found) == 2 + 3 * LINES_MAX
    assert found[-1] == (2 + 3 * LINES_MAX, ["3", "4"])


def test_a_stray_quotation_mark_inside_a_cell_is_a_character():
    assert read('5" pipe,2\n"ab"c,4\n') == [(1, ['5" pipe', "2"]), (2, ["abc", "4"])]


def test_a_line_beyond_the_limit_is_refused_and_the_next_one_read():
    found = read("a,b\n" + "z" * (3 * LINE_MAX) + "\n1,2\n")
    assert found == [(1, ["a", "b"]), (2, "The line is longer than 1,000,000 characters."), (3, ["1", "2"])]


def test_a_long_line_full_of_quotation_marks_is_refused_too():
    assert read('"' * (2 * LINE_MAX + 1) + "\n1,2\n")[-1] == (2, ["1", "2"])


@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=6))
def test_what_the_standard_writer_writes_is_read_back(rows):
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    assert [cells for _, cells in read(out.getvalue())] == rows


@given(st.text(st.sampled_from('a,"\n\r;\0'), max_size=60))
def test_every_line_of_any_text_is_accounted_for(text):
    found = list(records(io.StringIO(text, newline=""), delimiter=","))
    lines = [record.line for record in found]
    assert lines == sorted(set(lines))
    assert len(text.splitlines()) == 0 or lines[0] == 1
