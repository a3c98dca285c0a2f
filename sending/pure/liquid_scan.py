"""Find the tags of a letter's source in linear time, before any other parser sees them.

The regular expressions of python-liquid backtrack for seconds over unclosed tags and over long runs of spaces.
So everything that could hurt (unclosed, huge, empty, unknown tags, too many of them) is refused here, with its place.
"""

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from words import gettext as _

MAX_SOURCE = 200_000  # bytes of UTF-8
MAX_TAGS = 2_000
MAX_TAG = 1_000  # characters between the braces
BLOCKS = frozenset({"if", "unless", "case", "for", "comment"})
TAG_NAMES = BLOCKS | {f"end{name}" for name in BLOCKS} | {"elsif", "else", "when", "break", "continue", "assign"}

_NAME = re.compile(r"-?\s{0,20}(\w+|#)?")
_LONG_GAP = re.compile(r"\s{30}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding of the editor: `line` and `column` count from 1; `place` is the field of the letter it is in."""

    line: int
    column: int
    message: str
    suggestion: str = ""
    severity: str = "error"  # "error": cannot be sent; "advice": should be looked at
    place: str = "body"

    @property
    def blocks(self) -> bool:
        return self.severity == "error"

    def at(self, place: str) -> "Problem":
        return replace(self, place=place)

    def __str__(self) -> str:
        where = f"Line {self.line}: " if self.place == "body" else f"{self.place.capitalize()}: "
        return " ".join(filter(None, (where + self.message, self.suggestion)))


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as written: `source[start:end]`, `{{ … }}` (output) or `{% name … %}`."""

    start: int
    end: int
    name: str  # empty for an output

    @property
    def is_output(self) -> bool:
        return not self.name


def problem_at(source: str, index: int, message: str, suggestion: str = "", severity: str = "error") -> Problem:
    """The problem at a character offset of the source."""
    line = source.count("\n", 0, index) + 1
    column = index - (source.rfind("\n", 0, index) + 1) + 1
    return Problem(line, column, message, suggestion, severity)


def did_you_mean(word: str, known: Collection[str]) -> str:
    """`Did you mean …?` for the nearest known word, or nothing."""
    nearest = difflib.get_close_matches(word[:60], list(known), n=1, cutoff=0.6)
    return _("Did you mean `%(nearest)s`?") % {"nearest": nearest[0]} if nearest else ""


def scan(source: str, *, room: int = 1) -> tuple[list[Tag], list[Problem]]:
    """All tags in order, and what is structurally wrong with them. Linear in the length of the source.

    `room` multiplies the limits of size and number: what is compiled from a letter is longer than the letter.
    """
    if len(source.encode("utf-8", "replace")) > MAX_SOURCE * room:
        return [], [
            Problem(
                1, 1, _("The text is longer than %(room)s KB.") % {"room": MAX_SOURCE * room // 1000}, _("Shorten it.")
            )
        ]
    tags: list[Tag] = []
    problems: list[Problem] = []
    for tag, problem in _tags(source):
        if tag:
            tags.append(tag)
        if problem:
            problems.append(problem)
        if len(tags) > MAX_TAGS * room:
            return tags, [problem_at(source, tags[-1].start, f"There are more than {MAX_TAGS * room} tags.")]
        if len(problems) >= 50:
            break
    return tags, problems


def _tags(source: str) -> Iterator[tuple[Tag | None, Problem | None]]:
    start, comments = _next_opening(source, 0), 0
    while start >= 0:
        closing = "}}" if source[start + 1] == "{" else "%}"
        end = source.find(closing, start + 2)
        if end < 0:
            yield None, problem_at(source, start, f"This tag is never closed: `{closing}` is missing.")
            return
        tag, problem = _read(source, start, end)
        comments += (tag.name == "comment") - (tag.name == "endcomment" and comments > 0)
        # What stands inside a comment may be unfinished, but not dangerous.
        yield tag, None if comments and problem and "not available" in problem.message else problem
        start = _next_opening(source, end + 2)


def _next_opening(source: str, index: int) -> int:
    while (index := source.find("{", index)) >= 0:
        if source[index + 1 : index + 2] in ("{", "%"):
            return index
        index += 1
    return -1


def _read(source: str, start: int, end: int) -> tuple[Tag, Problem | None]:
    body = source[start + 2 : end]
    tag = Tag(start, end + 2, "" if source[start + 1] == "{" else _name(body))
    message, suggestion = _complaint(tag, body, is_output=source[start + 1] == "{")
    return tag, problem_at(source, start, message, suggestion) if message else None


def _name(body: str) -> str:
    match = _NAME.match(body)
    return (match.group(1) if match else "") or "?"


def _complaint(tag: Tag, body: str, *, is_output: bool) -> tuple[str, str]:
    if len(body) > MAX_TAG:
        return _("This tag is longer than %(MAX_TAG)s characters.") % {"MAX_TAG": MAX_TAG}, _(
            "Is a closing brace missing?"
        )
    if _LONG_GAP.search(body):
        return _("This tag contains a very long gap."), _("Remove the spaces.")
    if not body.strip(" \t\r\n-"):
        return _("This tag is empty."), ""
    if "{{" in body or "{%" in body:
        return _("A tag begins inside another tag."), _("Is a closing brace missing?")
    if not is_output and tag.name not in TAG_NAMES:
        return _("`%(name)s` is not available in letters.") % {"name": tag.name}, did_you_mean(tag.name, TAG_NAMES)
    return "", ""
