"""Read HTML or MJML without changing a byte of it: what stands where, so that single places can be mended.

A mail's source is full of what parsers "repair" (conditional comments, odd nesting), so it is never written anew. The
scanner is linear in the length of the source; Liquid tags are masked by letters first, which keeps every position.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from html import unescape

from sending.pure.liquid_scan import Problem, Tag, problem_at, scan

VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
# Their content is no markup.
RAW = frozenset({"script", "style", "title", "textarea", "mj-style", "mj-title", "mj-preview"})
_NEAR = 100  # marks that are looked through for the end of an element
_NAME = re.compile(r"[a-zA-Z][^\s/>]*")
_ATTRIBUTE = re.compile(r"[^\s/>=][^\s/>=]*")
_SPACE = re.compile(r"\s*")
_BARE = re.compile(r"[^\s>]*")


@dataclass(frozen=True, slots=True)
class Attribute:
    """`source[start:end]` is its value as written, without quotes."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Mark:
    """One tag of markup, `source[start:end]`. `name` is in lower case; `closing` for `</name>`."""

    name: str
    start: int
    end: int
    closing: bool = False
    empty: bool = False  # <name/>
    attributes: tuple[Attribute, ...] = ()

    def of(self, name: str) -> Attribute | None:
        return next((one for one in self.attributes if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Markup:
    """A source, its marks in order (none inside comments), its Liquid tags, and where it breaks off."""

    source: str
    marks: Sequence[Mark]
    tags: Sequence[Tag]
    problems: Sequence[Problem]
    comments: Sequence[tuple[int, int]]

    def value(self, mark: Mark, name: str) -> str | None:
        """An attribute's value as a reader understands it; None when it is not there."""
        found = mark.of(name)
        return unescape(self.source[found.start : found.end]) if found else None

    def events(self) -> Iterator[Mark | Tag]:
        """Marks and Liquid block tags in order, without the tags that stand inside a mark."""
        both: list[Mark | Tag] = [*self.marks, *self.tags]
        end = 0
        for event in sorted(both, key=lambda one: one.start):
            if isinstance(event, Mark):
                end = event.end
                yield event
            elif event.start >= end and not event.is_output:
                yield event

    def inner(self, index: int) -> str:
        """The source between the mark of this number and the next that closes one of its name."""
        mark = self.marks[index]
        following = self.marks[index + 1 : index + 1 + _NEAR]
        end = next((one for one in following if one.closing and one.name == mark.name), mark)
        return self.source[mark.end : max(mark.end, end.start)]

    def line(self, index: int) -> int:
        return self.source.count("\n", 0, index) + 1

    def problem(self, index: int, message: str, suggestion: str = "", severity: str = "error") -> Problem:
        return problem_at(self.source, index, message, suggestion, severity)


def read_markup(source: str) -> Markup:
    """`source` must have passed `liquid_scan.scan`; unclosed marks and comments end the reading with a problem."""
    tags, _problems = scan(source, room=4)
    marks: list[Mark] = []
    comments: list[tuple[int, int]] = []
    problems: list[Problem] = []
    for found in _marks(_masked(source, tags)):
        if isinstance(found, Mark):
            marks.append(found)
        elif isinstance(found, tuple):
            comments.append(found)
        else:
            problems.append(problem_at(source, found.at, found.message))
    return Markup(source, marks, tags, problems, comments)


def edited(source: str, edits: Collection[tuple[int, int, str]]) -> str:
    """The source with some of its places written anew: (start, end, what stands there instead)."""
    pieces, at = [], 0
    for start, end, text in sorted(edits, key=lambda edit: edit[:2]):
        pieces += [source[at:start], text]
        at = end
    return "".join([*pieces, source[at:]])


@dataclass(frozen=True, slots=True)
class _Broken:
    at: int
    message: str


def _masked(source: str, tags: Sequence[Tag]) -> str:
    pieces, at = [], 0
    for tag in tags:
        # Line ends inside a tag may be masked too: lines are counted in the source itself.
        pieces += [source[at : tag.start], "q" * (tag.end - tag.start)]
        at = tag.end
    return "".join([*pieces, source[at:]])


def _marks(text: str) -> Iterator[Mark | tuple[int, int] | _Broken]:
    at = 0
    while (start := text.find("<", at)) >= 0:
        follows = text[start + 1 : start + 2]
        if text.startswith("<!--", start):
            end, closing = text.find("-->", start + 2), 3
        elif follows in ("!", "?"):
            end, closing = text.find(">", start), 1
        elif name := _NAME.match(text, start + 1 + (follows == "/")):
            mark = _mark(text, start, name)
            if mark is None:
                yield _Broken(start, "This element is never closed: a `>` or a quote is missing.")
                return
            yield mark
            at = mark.end
            if mark.name in RAW and not mark.closing and not mark.empty:
                ending = re.compile(rf"</{re.escape(mark.name)}", re.IGNORECASE).search(text, at)
                if ending is None:
                    yield _Broken(start, f"`<{mark.name}>` is never closed.")
                    return
                at = ending.start()
            continue
        else:
            at = start + 1
            continue
        if end < 0:
            yield _Broken(start, "This comment is never closed; it would hide all that follows.")
            return
        yield (start, end + closing)
        at = end + closing


def _mark(text: str, start: int, name: re.Match[str]) -> Mark | None:
    closing = text[start + 1] == "/"
    attributes: list[Attribute] = []
    at = name.end()
    while at < len(text):
        at = _end(_SPACE, text, at)
        if text.startswith(">", at):
            return Mark(name.group().lower(), start, at + 1, closing, text[at - 1] == "/", tuple(attributes))
        label = _ATTRIBUTE.match(text, at)
        if label is None:
            at += 1  # a stray / or =
            continue
        at = _end(_SPACE, text, label.end())
        if not text.startswith("=", at):
            attributes.append(Attribute(label.group().lower(), label.end(), label.end()))
            continue
        at = _end(_SPACE, text, at + 1)
        quote = text[at : at + 1]
        if quote in ('"', "'"):
            end = text.find(quote, at + 1)
            if end < 0:
                return None
            attributes.append(Attribute(label.group().lower(), at + 1, end))
            at = end + 1
        else:
            end = _end(_BARE, text, at)
            attributes.append(Attribute(label.group().lower(), at, end))
            at = end
    return None


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at
