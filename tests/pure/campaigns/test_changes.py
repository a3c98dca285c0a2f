"""What a version changed in the one before."""

from dataclasses import dataclass, field
from typing import Any

from campaigns.pure.changes import MOST_LINES, Line, changed_lines


@dataclass
class Words:
    letter: str
    subject: str = "S"
    preheader: str = "P"
    ab_test: dict[str, Any] = field(default_factory=dict)


def test_changed_lines_stand_between_their_neighbours() -> None:
    before = Words("\n".join("abcdefgh"))
    after = Words("\n".join("abcdXfgh"), subject="T")
    assert changed_lines(before, after) == [
        Line("out", "Subject: S"),
        Line("in", "Subject: T"),
        Line("gap", "… line 3"),
        *(
            Line("same", "c"),
            Line("same", "d"),
            Line("out", "e"),
            Line("in", "X"),
            Line("same", "f"),
            Line("same", "g"),
        ),
    ]


def test_equal_versions_changed_nothing() -> None:
    assert changed_lines(Words("a\nb"), Words("a\nb")) == []


def test_very_long_letters_are_not_compared_line_by_line() -> None:
    found = changed_lines(Words("a\n" * MOST_LINES), Words("b\n" * 3))
    assert [line.tone for line in found] == ["gap", "in", "in", "in"]
