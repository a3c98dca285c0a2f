"""The first sheet of an Excel workbook (XLSX) as CSV, row for row: line 7 of the report is row 7 of the sheet."""

import csv
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

MAX_UNPACKED = 500 * 1024 * 1024
# The reader holds a sheet as one rectangle: two cells far apart would make it larger than the machine.
MAX_CELLS = 20_000_000
# Up to the next tag at most, so that no text makes it slow.
_PLACE = re.compile(rb"""<(?:\w+:)?(?:c|row)\s[^<]*?\br\s*=\s*["']([A-Za-z]{0,7})0*(\d{1,10})["']""")
_LONGEST_TAG = 1024 * 1024
_NOT_READ = "This Excel workbook can’t be read: it may be damaged or protected. Save the sheet as CSV and upload that."


class BadSheet(ValueError):
    """No rows can be had from it; the text says why in a plain sentence."""


def is_workbook(path: Path) -> bool:
    """An XLSX is a ZIP archive with a workbook in it."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        return False


def to_csv(path: Path, target: Path) -> None:
    """Write the first sheet that holds rows as UTF-8 with commas. Raises BadSheet."""
    with zipfile.ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED:
            raise BadSheet("This Excel workbook is too large once unpacked. Save the sheet as CSV and upload that.")
        _judge_size(archive)
    try:
        book = CalamineWorkbook.from_path(str(path))
        sheets = (book.get_sheet_by_index(number) for number in range(len(book.sheet_names)))
        sheet = next((sheet for sheet in sheets if sheet.height), None)
    except (CalamineError, OSError, ValueError) as error:
        raise BadSheet(_NOT_READ) from error
    if sheet is None:
        raise BadSheet("The workbook holds no rows.")
    with target.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(_rows(sheet))


def _judge_size(archive: zipfile.ZipFile) -> None:
    try:
        # All parts: a workbook may call its sheets as it likes.
        for part in archive.infolist():
            with archive.open(part) as file:
                rows, columns = _corner(file)
            if rows * columns > MAX_CELLS:
                raise BadSheet(
                    f"A sheet of this workbook reaches to row {rows} and column {columns}, which is too much. "
                    "Save the rows you need as CSV and upload that."
                )
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise BadSheet(_NOT_READ) from error


def _corner(part: IO[bytes]) -> tuple[int, int]:
    """The last row and column that a cell in it names, from 1; zeros where there are no cells."""
    rows = columns = 0
    kept = b""
    while piece := part.read(1024 * 1024):
        text = kept + piece
        for letters, digits in _PLACE.findall(text):
            rows, columns = max(rows, int(digits)), max(columns, _number(letters.upper()))
        kept = text[text.rfind(b"<") :] if b"<" in text else b""
        if len(kept) > _LONGEST_TAG:
            raise BadSheet(_NOT_READ)
    return rows, columns


def _number(letters: bytes) -> int:
    """A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def _rows(sheet: CalamineSheet) -> Iterator[list[str]]:
    """Without the empty columns before the data, with the empty rows before it."""
    for _ in range(sheet.start[0] if sheet.start else 0):
        yield []
    for row in sheet.to_python(skip_empty_area=True):
        yield [_text(cell) for cell in row]


def _text(cell: str | int | float | bool | date | datetime | time | timedelta) -> str:
    """What the sheet shows, in one line."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    return " ".join(str(cell).splitlines())
