"""Figures that mailbox providers show their senders, out of the CSV files that are downloaded there.

Microsoft SNDS has a fixed order, of two forms; Google Postmaster Tools and Yahoo Sender Hub have a head, whose words
are recognised. A file is taken whole or not at all, and what is wrong is said with its line.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from ipaddress import ip_address

from words.typed import is_whole

LARGEST = 5 * 1024 * 1024
MOST_LINES = 50_000
MOST_PROBLEMS = 5
SOURCES = {"snds": "Microsoft SNDS", "google": "Google Postmaster Tools", "yahoo": "Yahoo Sender Hub"}
COLOURS = ("green", "yellow", "red")


class Unreadable(Exception):
    """Not such a file; `problems` are sentences, with their lines."""

    def __init__(self, *problems: str) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Figure:
    """One day of one address or domain. `complaints`: per cent at most; `traps`: messages to addresses nobody has."""

    subject: str
    day: date
    complaints: float | None
    messages: int | None = None
    colour: str = ""
    traps: int | None = None


def read_csv(data: bytes, *, source: str, domain: str = "") -> list[Figure]:
    """All rows of a file of one of SOURCES. `domain` is what a file is about that does not say so itself.

    Raises Unreadable. Days that stand twice are an error.
    """
    rows = _rows(data)
    figures, problems = [], []
    reader = _snds(rows) if source == "snds" else _with_head(rows, domain)
    for line, found in reader:
        if isinstance(found, str):
            problems.append(f"Line {line}: {found}")
        else:
            figures.append(found)
    if problems:
        rest = len(problems) - MOST_PROBLEMS
        raise Unreadable(*problems[:MOST_PROBLEMS], *([f"And {rest} more lines."] if rest > 0 else []))
    if not figures:
        raise Unreadable("The file has no figures.")
    if len({(one.subject, one.day) for one in figures}) < len(figures):
        raise Unreadable("A day stands in it twice for the same address or domain.")
    return figures


def _rows(data: bytes) -> list[tuple[int, list[str]]]:
    if len(data) > LARGEST:
        raise Unreadable("The file is larger than 5 MB. Choose fewer days where you download it.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(
            "The file is no CSV in UTF-8. Take it as it was downloaded, not out of a spreadsheet."
        ) from None
    if "\0" in text:
        raise Unreadable("The file is no CSV.")
    try:
        lines = [
            (number, [cell.strip() for cell in row])
            for number, row in enumerate(csv.reader(io.StringIO(text)), start=1)
        ]
    except csv.Error:
        raise Unreadable("The file is no CSV.") from None
    filled = [(number, row) for number, row in lines if any(row)]
    if len(filled) > MOST_LINES:
        raise Unreadable(f"The file has {len(filled):,} lines; {MOST_LINES:,} are the most we take.")
    return filled


# -- Microsoft: address, period, RCPT, DATA, recipients, colour, complaints, period of traps, traps, … -----------------
# The older form tells begin and end of each period apart: there the colour stands one further, and the traps two.

_COLOUR_AT = {5: 3, 6: 4}


def _snds(rows: Sequence[tuple[int, list[str]]]) -> Iterator[tuple[int, Figure | str]]:
    for line, row in rows:
        if line == 1 and row[0].lower().startswith("ip"):
            continue
        try:
            yield line, _snds_row(row)
        except ValueError as error:
            yield line, str(error)


def _snds_row(row: list[str]) -> Figure:
    if len(row) < 9:
        raise ValueError(f"it has {len(row)} columns, and SNDS writes 9 or more.")
    at = next((n for n in _COLOUR_AT if row[n].lower() in COLOURS), None)
    if at is None:
        raise ValueError(f"“{row[6][:40]}” is no filter result: green, yellow or red.")
    traps = row[at + _COLOUR_AT[at]] if at + _COLOUR_AT[at] < len(row) else ""
    return Figure(
        subject=_ip(row[0]),
        day=_day(row[1].split(" - ")[0]),
        complaints=_per_cent(row[at + 1]) if row[at + 1] else None,
        messages=_whole(row[at - 1]),
        colour=row[at].lower(),
        traps=_whole(traps) if traps else 0,
    )


# -- Google and Yahoo: by their heads ----------------------------------------------------------------------------------

_WORDS: Mapping[str, re.Pattern[str]] = {
    "day": re.compile(r"^(date|day)\b", re.IGNORECASE),
    "complaints": re.compile(r"(spam|complaint).*(rate|ratio|%)", re.IGNORECASE),
    "messages": re.compile(r"^(delivered|inbox delivered|messages|volume)\b", re.IGNORECASE),
    "domain": re.compile(r"domain", re.IGNORECASE),
}


def _with_head(rows: Sequence[tuple[int, list[str]]], domain: str) -> Iterator[tuple[int, Figure | str]]:
    if not rows:
        raise Unreadable("The file is empty.")
    head = rows[0][1]
    at = {key: next((n for n, cell in enumerate(head) if word.search(cell)), None) for key, word in _WORDS.items()}
    if at["day"] is None or at["complaints"] is None:
        raise Unreadable(
            "Its first line names no date and no spam or complaint rate. "
            "Download the table of the spam rate (Google) or of complaints (Yahoo) as CSV."
        )
    if at["domain"] is None and not domain:
        raise Unreadable("The file does not say which domain it is about: choose it.")
    is_ratio = "ratio" in head[at["complaints"]].lower()
    is_per_cent = "%" in head[at["complaints"]]
    for line, row in rows[1:]:
        cells = {key: row[n] if n is not None and n < len(row) else "" for key, n in at.items()}
        try:
            yield line, _headed_row(cells, domain, 100.0 if is_ratio else 1.0, marked=not (is_ratio or is_per_cent))
        except ValueError as error:
            yield line, str(error)


def _headed_row(cells: Mapping[str, str], domain: str, factor: float, *, marked: bool) -> Figure:
    told = cells["complaints"]
    if told and marked and "%" not in told:
        raise ValueError(f"“{told[:40]}” may be per cent or not: it should end in %.")
    return Figure(
        subject=(cells["domain"] or domain).lower()[:255],
        day=_day(cells["day"]),
        complaints=_per_cent(told, factor) if told else None,
        messages=_whole(cells["messages"]) if cells["messages"] else None,
    )


# -- Cells -------------------------------------------------------------------------------------------------------------

_DAYS = ("%Y-%m-%d", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%Y%m%d", "%b %d, %Y")


def _day(text: str) -> date:
    for form in _DAYS:
        try:
            return datetime.strptime(text[:30], form).date()  # noqa: DTZ007 - a day of theirs has no zone
        except ValueError:
            continue
    raise ValueError(f"“{text[:40]}” is no date, such as 2026-11-25.")


def _ip(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"“{text[:40]}” is no IP address.") from None


def _per_cent(text: str, factor: float = 1.0) -> float:
    """`< 0.1%` → 0.1: at most so much."""
    try:
        found = float(text.replace("<", "").replace("%", "").strip()) * factor
    except ValueError:
        raise ValueError(f"“{text[:40]}” is no rate, such as 0.1%.") from None
    if not 0 <= found <= 100:
        raise ValueError(f"“{text[:40]}” is no rate between 0 and 100 %.")
    return found


def _whole(text: str) -> int:
    plain = text.replace(",", "").replace(" ", "")
    if not is_whole(plain, digits=9):
        raise ValueError(f"“{text[:40]}” is no number of messages.")
    return int(plain)
