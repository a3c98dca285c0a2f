"""CSV records with the line of the file each begins on, read one by one from a stream, whatever the file does.

The stdlib's reader does the splitting. Around it: a quotation mark that is never closed must not swallow the rest of
the file. A record that runs over too many lines or bytes, or into the end of the file, costs one line; reading goes on
with the next.
"""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

LINE_MAX = 1_000_000
LINES_MAX = 500


class Lines(Protocol):
    """What a text file opened with `newline=""` offers."""

    def readline(self, limit: int, /) -> str: ...


@dataclass(frozen=True, slots=True)
class Record:
    """`line` counts from 1. `cells` is empty for blank lines. `problem` says in a sentence why there are no cells."""

    line: int
    cells: list[str]
    problem: str = ""
    raw: str = ""


class _Runaway(Exception):
    """The record can't end where it should."""


def records(lines: Lines, *, delimiter: str) -> Iterator[Record]:
    """Every record of the file in order, memory bounded by LINES_MAX lines of LINE_MAX characters."""
    # The limit is the process's; ours is on lines, so the reader's own must never strike first.
    csv.field_size_limit(2 * LINE_MAX * 10)
    feed = _Feed(lines)
    while True:
        reader = csv.reader(feed, delimiter=delimiter)
        try:
            yield from _until_runaway(reader, feed)
            return
        except _Runaway:
            yield feed.give_up_first_line()


def _until_runaway(reader: "Iterator[list[str]]", feed: "_Feed") -> Iterator[Record]:
    while True:
        feed.begin_record()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _Runaway from error
        if feed.too_long:
            raise _Runaway
        if feed.ended_inside:
            raise _Runaway
        yield Record(feed.first_line, cells)


class _Feed:
    """Hands lines to the reader, and remembers those of the record being read so that they can be read anew."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._again: deque[tuple[str, bool]] = deque()
        self._taken: list[tuple[str, bool]] = []
        self._next_line = 1
        self._size = 0
        self.first_line = 1
        self.too_long = False
        self.ended_inside = False

    def __iter__(self) -> "Iterator[str]":
        return self

    def begin_record(self) -> None:
        self._taken.clear()
        self._size = 0
        self.first_line = self._next_line
        self.too_long = self.ended_inside = False

    def __next__(self) -> str:
        if len(self._taken) >= LINES_MAX or self._size > LINE_MAX:
            raise _Runaway
        line, cut = self._again.popleft() if self._again else self._read()
        if not line:
            self.ended_inside = bool(self._taken)
            raise StopIteration
        self._taken.append((line, cut))
        self._size += len(line)
        self._next_line += 1
        self.too_long = self.too_long or cut
        return line

    def _read(self) -> tuple[str, bool]:
        """The next line and whether it was cut. What is cut off is read away, never kept."""
        line = self._lines.readline(LINE_MAX)
        if len(line) < LINE_MAX or line.endswith(("\n", "\r")):
            return line, False
        while (rest := self._lines.readline(LINE_MAX)) and len(rest) == LINE_MAX and not rest.endswith(("\n", "\r")):
            pass
        return line[:1000].replace('"', "") + "\n", True

    def give_up_first_line(self) -> Record:
        """The line that can't be read as a record; the others of it are given out again."""
        (line, cut), *rest = self._taken
        self._again.extendleft(reversed(rest))
        self._next_line = self.first_line + 1
        return Record(self.first_line, [], _reason(cut), line[:500])


def _reason(cut: bool) -> str:
    if cut:
        return f"The line is longer than {LINE_MAX:,} characters."
    return "A quotation mark is opened here and not closed."
