"""Write CSV that a spreadsheet shows and never runs, and read it back as it was.

A cell that begins with = + - @, a tab or a carriage return may be taken as a formula (OWASP, CSV injection). Such a
cell gets an apostrophe in front; `restore` takes exactly that one away, so a round trip changes nothing.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

# Full-width signs too: some spreadsheets fold them to the plain ones.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NEUTRALISED = re.compile("''*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def neutralise(cell: str) -> str:
    """The cell as text that no spreadsheet runs. Plain numbers stay numbers."""
    if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def restore(cell: str) -> str:
    """Undo `neutralise`."""
    return cell[1:] if _NEUTRALISED.match(cell) else cell


def csv_lines(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Each row as one CSV record with CRLF (RFC 4180), its text cells neutralised. None becomes an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow([neutralise(cell) if isinstance(cell, str) else cell for cell in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
