"""What one version of a letter changed in another, line by line."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from campaigns.pure.variants import from_json

AROUND = 2  # unchanged lines shown beside changed ones
# Comparing takes the product of the lengths; beyond so many lines all is said to be new.
MOST_LINES = 3_000


class Version(Protocol):
    """The words of a version."""

    @property
    def subject(self) -> str: ...
    @property
    def preheader(self) -> str: ...
    @property
    def letter(self) -> str: ...
    @property
    def ab_test(self) -> Mapping[str, Any]: ...


class Line(NamedTuple):
    """`tone`: "in" for a new line, "out" for one that went, "same", or "gap" where unchanged lines are left out."""

    tone: str
    text: str


def changed_lines(before: Version, after: Version) -> list[Line]:
    """Empty when they say the same. Subject and preheader come first."""
    return [
        *_of_field("Subject", before.subject, after.subject),
        *_of_field("Preheader", before.preheader, after.preheader),
        *_of_test(before, after),
        *_of_letter(before.letter.splitlines(), after.letter.splitlines()),
    ]


def _of_field(name: str, before: str, after: str) -> Iterator[Line]:
    if before != after:
        yield Line("out", f"{name}: {before}")
        yield Line("in", f"{name}: {after}")


def _of_test(before: Version, after: Version) -> Iterator[Line]:
    old, new = ([*test.lines()] if (test := from_json(one.ab_test)) else [] for one in (before, after))
    yield from (Line("out", line) for line in old if line not in new)
    yield from (Line("in", line) for line in new if line not in old)


def _of_letter(before: list[str], after: list[str]) -> Iterator[Line]:
    if before == after:
        return
    if len(before) + len(after) > MOST_LINES:
        yield Line("gap", "So many lines cannot be compared. This is the new version:")
        yield from (Line("in", text) for text in after)
        return
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(AROUND)):
        if number or group[0][3]:
            yield Line("gap", f"… line {group[0][3] + 1}")
        for word, b_from, b_to, a_from, a_to in group:
            if word == "equal":
                yield from (Line("same", text) for text in after[a_from:a_to])
                continue
            yield from (Line("out", text) for text in before[b_from:b_to])
            yield from (Line("in", text) for text in after[a_from:a_to])
