"""One record of a file to one row of the staging table: the person as they will be, or why not."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from audiences.changes import FieldType, type_of_new, types_of_fields
from audiences.models import Import
from audiences.pure import columns
from audiences.pure.addresses import BadAddress, address_key, bare_address, normalise, oddities
from audiences.pure.csv_export import restore
from audiences.pure.field_values import BadValue, FieldValue, value_of
from audiences.pure.records import Record

COLUMNS = ("row", "line", "address_key", "email", "domain", "fields", "language", "ground", "col", "value", "reason")
Staged = tuple[int, int, UUID | None, str | None, str | None, str | None, str | None, date | None, str, str, str]

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})?")
# Lone surrogates stand for bytes that are no text in the file's encoding.
_BROKEN = re.compile("[\ud800-\udfff\ufffd]")
_CONTROLS = {code: None for code in range(32) if chr(code) not in "\t\n\r"} | {127: None}
_SHOWN = 500


class _Rejected(Exception):
    """The row is not taken: which column, what stood there, and why."""

    def __init__(self, column: str, value: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.value, self.reason = column, value, reason


@dataclass(frozen=True, slots=True)
class RowReader:
    """How the columns of one file become people."""

    labels: Sequence[str]
    email_at: int
    language_at: int | None
    # Where each personal field stands, and what it holds.
    fields_at: Mapping[str, tuple[int, FieldType]]
    pepper: bytes
    encoding: str
    # Off in a rehearsal, where everybody lives at domains reserved for examples.
    flag_samples: bool = True
    # Where the day of a sale or question stands, and the last day that can be one.
    ground_at: int | None = None
    latest: date = date.max

    @classmethod
    def for_import(
        cls, upload: Import, labels: Sequence[str], *, pepper: bytes, latest: date, flag_samples: bool = True
    ) -> "RowReader":
        position = {target: list(labels).index(label) for target, label in upload.mapping.items()}
        known = types_of_fields()
        fields = {
            target: (at, known.get(target) or type_of_new(target))
            for target, at in position.items()
            if target not in columns.NO_FIELDS
        }
        language_at = position.get(columns.LANGUAGE)
        ground_at, email_at = position.get(columns.GROUND_ON), position[columns.EMAIL]
        return cls(labels, email_at, language_at, fields, pepper, upload.encoding, flag_samples, ground_at, latest)

    def staged(self, row: int, record: Record) -> Staged:
        """The record as a row to COPY. Without an address_key it is rejected; with one and a reason it is flagged."""
        try:
            return self._person(row, record)
        except _Rejected as no:
            value = printable(no.value)[:_SHOWN]
            return (row, record.line, None, None, None, None, None, None, no.column[:80], value, no.reason[:300])

    def _person(self, row: int, record: Record) -> Staged:
        if record.problem:
            raise _Rejected("", record.raw, record.problem)
        cells = record.cells
        if len(cells) > len(self.labels) and any(cell.strip() for cell in cells[len(self.labels) :]):
            reason = f"The line has {len(cells)} cells for {len(self.labels)} columns; a quotation mark may be missing."
            raise _Rejected("", " | ".join(cells), reason)
        raw = self._cell(cells, self.email_at)
        try:
            email = normalise(bare_address(restore(raw)))
        except BadAddress as error:
            raise _Rejected(self.labels[self.email_at], raw, str(error)) from error
        notes = [(self.labels[self.email_at], raw, sentence) for sentence in self._oddities(email)]
        fields = self._fields(cells, notes)
        language = self._language(cells, notes)
        ground = self._ground(cells, notes)
        column, value, reason = _one(notes)
        key, domain = address_key(email, self.pepper), email.rpartition("@")[2]
        text = json.dumps(fields, ensure_ascii=False)
        shown = column[:80], value[:_SHOWN], reason[:300]
        return (row, record.line, key, email, domain, text, language, ground, *shown)

    def _oddities(self, email: str) -> list[str]:
        return [odd.sentence for odd in oddities(email) if self.flag_samples or odd.kind != "sample"]

    def _cell(self, cells: Sequence[str], at: int) -> str:
        cell = cells[at] if at < len(cells) else ""
        if cell.isascii():
            if "\0" in cell:
                raise _Rejected(self.labels[at], cell, "The line holds a NUL character: the file is damaged.")
        elif "\0" in cell or _BROKEN.search(cell):
            raise _Rejected(self.labels[at], cell, f"There are bytes here that are no text in {self.encoding}.")
        return cell.strip()

    def _fields(self, cells: Sequence[str], notes: list[tuple[str, str, str]]) -> dict[str, FieldValue]:
        """Filled cells only. A value of the wrong kind costs the value and leaves a note, not the person."""
        found: dict[str, FieldValue] = {}
        for key, (at, kind) in self.fields_at.items():
            text = restore(self._cell(cells, at))
            if not text:
                continue
            try:
                found[key] = value_of(kind.kind, _tidy(key, text), kind.options)
            except BadValue as error:
                notes.append((self.labels[at], printable(text), f"Taken without this field: {error}"))
        return found

    def _language(self, cells: Sequence[str], notes: list[tuple[str, str, str]]) -> str:
        text = self._cell(cells, self.language_at) if self.language_at is not None else ""
        if not text or _LANGUAGE.fullmatch(text):
            return text.replace("_", "-")
        column = self.labels[self.language_at or 0]
        notes.append((column, printable(text), "Taken without a language: this is no code such as en or pt-BR."))
        return ""

    def _ground(self, cells: Sequence[str], notes: list[tuple[str, str, str]]) -> date | None:
        """A day that cannot be read costs the person: counted from today they would be written to for too long."""
        if self.ground_at is None:
            return None
        label, text = self.labels[self.ground_at], restore(self._cell(cells, self.ground_at))
        if not text:
            notes.append((label, "", "No day of a sale or question: it counts from today."))
            return None
        try:
            found = date.fromisoformat(str(value_of("date", text)))
        except BadValue as error:
            raise _Rejected(label, text, f"{error} Without the day nobody knows how long we may write.") from error
        if found > self.latest:
            raise _Rejected(label, text, "This day has not come yet. Nobody can have bought or asked on it.")
        return found


def _tidy(key: str, text: str) -> str:
    """No control characters; names on one line, because they end up in subjects."""
    clean = text if text.isprintable() else text.translate(_CONTROLS)
    return " ".join(clean.split()) if key in (columns.FIRST_NAME, columns.LAST_NAME) else clean


def printable(text: str) -> str:
    """Text that PostgreSQL takes and a page can show: no NUL, no lone surrogates."""
    return text if text.isascii() and "\0" not in text else _BROKEN.sub("\ufffd", text.replace("\0", "\u2400"))


def _one(notes: Sequence[tuple[str, str, str]]) -> tuple[str, str, str]:
    """One line in the report for each line of the file, however much is odd about it."""
    if not notes:
        return "", "", ""
    column, value, _ = notes[0]
    return column, value, " ".join(reason for _, _, reason in notes)
