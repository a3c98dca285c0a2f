"""Uploaded files of people: kept, opened, and looked at before anything is written."""

import stat
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from django.conf import settings

from audiences import spreadsheets
from audiences.models import Import, PersonField
from audiences.pure import columns, sniff
from audiences.pure.records import Record, records
from words import gettext as _
from words import number

MAX_BYTES = 200 * 1024 * 1024
MAX_COLUMNS = 200
PREVIEW_ROWS = 20
_HEAD = 64 * 1024
_SAMPLE = 256 * 1024


class BadFile(ValueError):
    """The file can't be imported at all; the text says why in a plain sentence."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file seems to be. `mapping` is `{target: label}`, as Import.mapping takes it; `rows` are raw cells."""

    encoding: str
    delimiter: str
    has_header: bool
    labels: list[str]
    rows: list[list[str]]
    mapping: dict[str, str]


def upload_folder() -> Path:
    """Where uploads wait for their import. Web and workers must see the same folder."""
    return Path(settings.VAR_DIR) / "imports"


def receive(*, chunks: Iterable[bytes], file_name: str, list_id: int | None, user_id: int | None = None) -> Import:
    """Keep an upload and describe it; nothing is imported yet. Raises BadFile, and then keeps nothing.

    The file gets a name of our own: what the browser calls it is shown and never used as a path.
    """
    folder = upload_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.csv"
    try:
        _write(path, chunks)
        _unpack(path)
        return describe(path=path, file_name=file_name, list_id=list_id, user_id=user_id)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    size = 0
    with path.open("xb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > MAX_BYTES:
                raise BadFile(_too_big())
            file.write(chunk)


def _unpack(path: Path) -> None:
    """A workbook becomes the CSV of its first sheet, in its place. Raises BadFile."""
    if not spreadsheets.is_workbook(path):
        return
    sheet = path.with_suffix(".sheet")
    try:
        spreadsheets.to_csv(path, sheet)
        sheet.replace(path)
    except spreadsheets.BadSheet as error:
        raise BadFile(str(error)) from error
    finally:
        sheet.unlink(missing_ok=True)


def _too_big() -> str:
    return _("The file is larger than %(MAX_BYTES)s MB. Split it and import the parts.") % {
        "MAX_BYTES": MAX_BYTES // 1024 // 1024
    }


def describe(*, path: Path, file_name: str, list_id: int | None, user_id: int | None = None) -> Import:
    """An Import for a file where it lies, with encoding, delimiter, header and mapping as guessed. Raises BadFile."""
    seen = look(path=path)
    return Import.objects.create(
        list_id=list_id,
        file_name=Path(file_name).name.replace("\0", "")[-255:] or "upload.csv",
        path=str(path),
        encoding=seen.encoding,
        delimiter=seen.delimiter,
        has_header=seen.has_header,
        mapping=seen.mapping,
        created_by_id=user_id,
    )


def addresses_in(chunks: Iterable[bytes]) -> Iterator[str]:
    """What stands in the column of addresses of an uploaded file, which is not kept. Raises BadFile."""
    folder = upload_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.csv"
    try:
        _write(path, chunks)
        _unpack(path)
        yield from _column_of_addresses(path)
    finally:
        path.unlink(missing_ok=True)


def _column_of_addresses(path: Path) -> Iterator[str]:
    seen = look(path=path)
    if columns.EMAIL not in seen.mapping:
        raise BadFile("No column of this file holds e-mail addresses.")
    at = seen.labels.index(seen.mapping[columns.EMAIL])
    rows = readable_rows(path, seen.encoding, seen.delimiter)
    for row in islice(rows, 1 if seen.has_header else 0, None):
        if at < len(row) and row[at].strip():
            yield row[at].strip()


def look(*, path: Path, encoding: str = "", delimiter: str = "") -> Preview:
    """The first 20 rows and what the file seems to be, or as `encoding` and `delimiter` say. Raises BadFile."""
    encoding = encoding or _encoding(path)
    with open_text(path, encoding) as file:
        delimiter = delimiter or sniff.delimiter_of(file.read(_HEAD))
    first = list(islice(readable_rows(path, encoding, delimiter), PREVIEW_ROWS + 1))
    has_header = sniff.has_header(first)
    if not first:
        raise BadFile(_("The file holds no rows."))
    if has_header and len(first) == 1:
        raise BadFile(_("The file holds names of columns and nothing else."))
    names = names_of(first, has_header=has_header)
    rows = first[1:] if has_header else first[:PREVIEW_ROWS]
    mapping = columns.guess(names, rows, list(PersonField.objects.values_list("key", flat=True)))
    return Preview(encoding, delimiter, has_header, names, rows, mapping)


def names_of(first: Sequence[list[str]], *, has_header: bool) -> list[str]:
    """The columns' labels, from the first rows. Cells beyond a header are a mistake of their lines. Raises BadFile."""
    width = len(first[0]) if has_header else max(len(row) for row in first)
    if width > MAX_COLUMNS:
        raise BadFile(
            _("The file has %(width)s columns; %(MAX_COLUMNS)s is the limit.")
            % {"width": number(width), "MAX_COLUMNS": MAX_COLUMNS}
        )
    return columns.labels(first[0] if has_header else [""] * width, has_header=has_header)


def readable_rows(path: Path, encoding: str, delimiter: str) -> Iterator[list[str]]:
    """The cells of the records that can be read and are not blank."""
    with open_text(path, encoding) as file:
        for record in filled_records(file, delimiter):
            if not record.problem:
                yield record.cells


def filled_records(file: TextIO, delimiter: str) -> Iterator[Record]:
    """All records but blank lines and the `sep=;` that spreadsheets put on the first line."""
    for record in records(file, delimiter=delimiter):
        says_separator = record.line == 1 and record.cells[:1] and record.cells[0].lower().startswith("sep=")
        if record.problem or (any(cell.strip() for cell in record.cells) and not says_separator):
            yield record


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[TextIO]:
    """The file as text, line ends untouched. A byte that does not belong shows as a lone surrogate (or U+FFFD)."""
    _check(path)
    errors = "replace" if "16" in encoding or "32" in encoding else "surrogateescape"
    try:
        file = path.open(encoding=encoding, errors=errors, newline="")
    except LookupError as error:
        raise BadFile(_("There is no encoding called “%(encoding)s”.") % {"encoding": encoding}) from error
    with file:
        try:
            yield file
        except UnicodeError as error:
            raise BadFile(_("The file can't be read as %(encoding)s.") % {"encoding": encoding}) from error


def _check(path: Path) -> None:
    """A regular file of a size we take. A device or a pipe would never end."""
    try:
        found = path.stat()
    except OSError as error:
        raise BadFile(
            _("The file %(name)s is not there any more, or can't be read from here.") % {"name": path.name}
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise BadFile(_("%(name)s is not a file.") % {"name": path.name})
    if found.st_size > MAX_BYTES:
        raise BadFile(_too_big())


def _encoding(path: Path) -> str:
    _check(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            sentence = sniff.refusal(head)
            if sentence:
                raise BadFile(sentence)
            sample = head if len(head) < _HEAD else head[: head.rfind(b"\n") + 1] or head
            return sniff.encoding_of(sample + _strange_lines(file.read))
    except OSError as error:
        raise BadFile(_("The file %(name)s can't be read from here.") % {"name": path.name}) from error


def _strange_lines(read: Callable[[int], bytes]) -> bytes:
    """Lines with bytes beyond ASCII from the rest of the file: an accent on line 70,000 decides the encoding too."""
    found = b""
    while len(found) < _SAMPLE and (chunk := read(1024 * 1024)):
        if not chunk.isascii():
            # The first and the last line may be cut.
            found += b"\n".join(line for line in chunk.split(b"\n")[1:-1] if not line.isascii())[:_SAMPLE] + b"\n"
    return found
