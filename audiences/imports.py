"""Take a file of people into a list.

1. `start` makes it due: uploaded (or failed) → running. From here on a sweep finds it, whatever happens to the wake-up.
2. `run_import` takes a session lock; whoever does not get it leaves. A killed run loses its lock with its connection.
3. The file is read as a stream, each record judged, and COPYed into a temporary table.
4. Chunks of 10,000 rows are taken, one short transaction each. It writes people, subscriptions, consent events, the
   report and the counters together and raises `done_rows`, so a run that starts over goes on after the last chunk.
5. running → done, and the uploaded file is deleted.

Nobody is brought back: whoever left, complained, bounced or was suppressed is left exactly as they are and reported.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

from audiences import import_sql as sql
from audiences.changes import type_of_new
from audiences.import_files import BadFile, filled_records, names_of, open_text, readable_rows, upload_folder
from audiences.import_rows import RowReader
from audiences.models import (
    ANYWHERE,
    ConsentEvent,
    Import,
    ImportRejection,
    MailingList,
    PersonField,
    Subscription,
    list_scope,
    stream_scope,
)
from audiences.pure import columns
from audiences.pure.csv_export import csv_lines

logger = logging.getLogger(__name__)

CHUNK_ROWS = 10_000
# The first half of the advisory lock's name; the second is the import's number.
_LOCK = 0x1397

# A person decides what happens next.
WAITING = [Import.State.UPLOADED, Import.State.CHECKED]

KEPT_OUT = {
    "unsubscribed": "This person left. Nothing was changed; only they can come back.",
    "complained": "This person complained about us. Nothing was changed.",
    "bounced": "This mailbox does not exist (any more). Nothing was changed.",
    "manual": "This address was suppressed by hand. Nothing was changed.",
    "imported": "This address was imported as suppressed. Nothing was changed.",
    "erased": "This person asked to be forgotten. Nothing was changed.",
}


def start(*, upload_id: int) -> bool:
    """Make an import due; False when it runs or is done already. Enqueue `tasks.run_import` after commit."""
    idle = Import.objects.filter(pk=upload_id, state__in=[*WAITING, Import.State.FAILED])
    return idle.update(state=Import.State.RUNNING, error="") == 1


def run_import(*, now: datetime, upload_id: int) -> bool:
    """Run a due import, or go on with one that was cut off. False when somebody else runs it or it is not due.

    What is wrong with the file ends on the row as `failed` with a sentence. When the database goes away the row stays
    `running`, for the sweep.
    """
    with alone(upload_id) as got:
        upload = Import.objects.select_related("list").filter(pk=upload_id, state=Import.State.RUNNING).first()
        if not got or upload is None:
            return False
        try:
            _take(now, upload)
        except BadFile as error:
            _fail(upload, str(error))
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            _fail(upload, "The import stopped at an error of ours. What was taken stays; start it again to go on.")
            raise
        return True


@contextmanager
def alone(upload_id: int) -> Iterator[bool]:
    """A lock of this session: it is gone the moment the process is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, upload_id])
        got = bool(cursor.fetchone()[0])
        try:
            yield got
        finally:
            if got and connection.is_usable():
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK, upload_id])


def _fail(upload: Import, sentence: str) -> None:
    Import.objects.filter(pk=upload.pk, state=Import.State.RUNNING).update(state=Import.State.FAILED, error=sentence)


def _take(now: datetime, upload: Import) -> None:
    reader = row_reader(upload, now=now)
    _make_fields(upload)
    with connection.cursor() as cursor:
        cursor.execute(sql.STAGE)
        rows = stage(cursor, upload, reader)
        terms = terms_of(now, upload)
        for lo in range(upload.done_rows, rows, CHUNK_ROWS):
            _take_chunk(cursor, upload, terms, lo, min(lo + CHUNK_ROWS, rows))
        cursor.execute(sql.CLEAR)
        cursor.execute(sql.FINISH, [upload.pk])
    _forget_file(upload)


def row_reader(upload: Import, *, now: datetime) -> RowReader:
    """How to read the rows, once the file, its header and the mapping agree. Raises BadFile."""
    first = list(islice(readable_rows(Path(upload.path), upload.encoding, upload.delimiter), 21))
    if not first or (upload.has_header and len(first) == 1 and not _has_rows(upload)):
        raise BadFile("The file holds no rows.")
    names = names_of(first, has_header=upload.has_header)
    complaint = columns.complaint_about(upload.mapping, names)
    if complaint:
        raise BadFile(complaint)
    # It is tomorrow somewhere already.
    latest = now.date() + timedelta(days=1)
    return RowReader.for_import(upload, names, pepper=settings.PEPPER, latest=latest, flag_samples=not settings.LAB)


def _has_rows(upload: Import) -> bool:
    with open_text(Path(upload.path), upload.encoding) as file:
        return len(list(islice(filled_records(file, upload.delimiter), 2))) == 2


def _make_fields(upload: Import) -> None:
    """Letters can use what was imported: every mapped column has a personal field."""
    missing = [
        PersonField(key=target, label=label[:80], kind=type_of_new(target).kind)
        for target, label in upload.mapping.items()
        if target not in columns.NO_FIELDS
    ]
    PersonField.objects.bulk_create(missing, ignore_conflicts=True)


def stage(cursor: CursorWrapper, upload: Import, reader: RowReader) -> int:
    """COPY the whole file, one record at a time in memory; returns how many rows it has."""
    row = 0
    with transaction.atomic():
        # One statement as long as the file is; the limit is for queries.
        cursor.execute("SET LOCAL statement_timeout = 0")
        with open_text(Path(upload.path), upload.encoding) as file, cursor.copy(sql.COPY) as copy:
            found = filled_records(file, upload.delimiter)
            if upload.has_header:
                next(found, None)
            for row, record in enumerate(found, 1):
                copy.write_row(reader.staged(row, record))
        cursor.execute(sql.INDEX)
    return row


def terms_of(now: datetime, upload: Import) -> dict[str, Any]:
    """The parameters that all chunks share: how people come in, and what keeps them out."""
    scopes = [ANYWHERE, stream_scope("marketing")]
    terms: dict[str, Any] = {"now": now, "upload": upload.pk, "list": upload.list_id, "file": upload.file_name}
    if upload.list is not None:
        scopes.append(list_scope(upload.list.pk))
        terms |= _entry(upload.list, upload.consent_basis)
    return {**terms, "scopes": scopes, "sentences": json.dumps(KEPT_OUT)}


def _entry(mailing_list: MailingList, basis: str) -> dict[str, Any]:
    """With a statement of their consent people are subscribed; without one a double opt-in list asks them."""
    if basis or mailing_list.opt_in == MailingList.OptIn.SINGLE:
        # They agreed to words of somebody else, which the basis names.
        state, kind, wording = Subscription.State.SUBSCRIBED, ConsentEvent.Kind.IMPORTED, None
    else:
        state, kind = Subscription.State.UNCONFIRMED, ConsentEvent.Kind.REQUESTED
        wording = mailing_list.wording_version
    return {"state": state.value, "kind": kind.value, "basis": basis[:200], "wording": wording}


def _take_chunk(cursor: CursorWrapper, upload: Import, terms: dict[str, Any], lo: int, hi: int) -> None:
    params = {**terms, "lo": lo, "hi": hi}
    with transaction.atomic():
        cursor.execute("TRUNCATE import_chunk")
        for statement in (sql.FILL_CHUNK, sql.LOCK_KNOWN, sql.KEEP_OUT_SUPPRESSED):
            cursor.execute(statement, params)
        if upload.list_id is not None:
            cursor.execute(sql.KEEP_OUT_LEFT, params)
        cursor.execute(sql.CREATE, params)
        if statement := sql.update(upload.existing):
            cursor.execute(statement, params)
        counts = {"subscribed": _subscribe(cursor, params) if upload.list_id is not None else 0}
        if columns.GROUND_ON in upload.mapping and upload.list_id is not None:
            cursor.execute(sql.RENEW, params)
        cursor.execute(sql.REMEMBER, params)
        cursor.execute(sql.REPORT, params)
        counts |= _counts(cursor, lines=hi - lo)
        cursor.execute(sql.COUNT, {**params, **counts})
        if cursor.rowcount != 1:
            raise OperationalError("the import was changed or finished by somebody else")


def _subscribe(cursor: CursorWrapper, params: dict[str, Any]) -> int:
    cursor.execute(sql.SUBSCRIBE, params)
    return int(cursor.fetchone()[0])


def _counts(cursor: CursorWrapper, *, lines: int) -> dict[str, int]:
    """lines = created + updated + unchanged + duplicate + rejected. Kept out and flagged are counted beside these."""
    reported = Counter(kind for (kind,) in cursor.fetchall())
    cursor.execute("SELECT outcome, count(*) FROM import_chunk GROUP BY outcome")
    outcomes = dict(cursor.fetchall())
    return {
        "lines": lines,
        "created": outcomes.get("created", 0),
        "updated": outcomes.get("updated", 0),
        "unchanged": outcomes.get(None, 0),
        **{kind: reported[kind] for kind in ImportRejection.Kind.values},
    }


def _forget_file(upload: Import) -> None:
    """Uploads hold personal data and have served; a file named on the command line is its owner's."""
    path = Path(upload.path)
    if path.parent == upload_folder():
        path.unlink(missing_ok=True)


def due_imports() -> list[int]:
    """Imports and trials that run or should; running one that somebody else runs is harmless."""
    due = Import.objects.filter(state__in=[Import.State.RUNNING, Import.State.CHECKING])
    return list(due.order_by("pk").values_list("pk", flat=True))


def rejected_rows_csv(*, upload_id: int) -> Iterator[str]:
    """The report on an import as CSV lines, for download: every line not taken or flagged, its value and the reason."""
    yield from csv_lines([("line", "what", "column", "value", "reason")])
    rows = ImportRejection.objects.filter(upload=upload_id).order_by("line", "pk")
    yield from csv_lines(rows.values_list("line", "kind", "column", "value", "reason").iterator(chunk_size=2000))
