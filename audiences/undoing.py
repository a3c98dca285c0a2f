"""Take an import back: who came by it goes, what it changed is as before. Whoever was written to since then stays.

Chunk by chunk, each in a transaction that forgets its rows: a run that was killed goes on where it stopped. What a
person did since stands: who left has left, and a field that was changed again keeps its newer value.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q
from psycopg.types.json import Jsonb

from audiences.imports import alone
from audiences.models import ConsentEvent, ConsentEvidence, Import, ImportedPerson, Subscriber, Subscription

logger = logging.getLogger(__name__)

UNDO_WITHIN = timedelta(days=30)
STOPPED = "Taking it back stopped at an error of ours. Undo it again to go on with the rest."
CHUNK = 1_000
# Then the next sweep goes on: other things wait for the same process.
CHUNKS_AT_ONCE = 50
_RESTORE = """
UPDATE audiences_subscriber person SET fields = back.fields, language = back.language, updated_at = %s
FROM unnest(%s::bigint[], %s::jsonb[], %s::text[]) back (id, fields, language)
WHERE person.id = back.id
"""
# Which of these addresses were written to: only the floor above knows.
Mailed = Callable[[Iterable[UUID]], set[UUID]]


def start(*, now: datetime, upload_id: int) -> bool:
    """Make it due; False when the import is not done or too old. `sending.tasks.undo_imports` does it."""
    done = Import.objects.filter(pk=upload_id, state=Import.State.DONE, finished_at__gt=now - UNDO_WITHIN)
    return done.update(state=Import.State.UNDOING, error="") == 1


def can_be_undone(upload: Import, *, now: datetime) -> bool:
    recent = upload.finished_at is not None and upload.finished_at > now - UNDO_WITHIN
    return upload.state == Import.State.DONE and recent and upload.people.exists()


def undo(*, now: datetime, upload_id: int, mailed: Mailed) -> bool:
    """Take a due import back, or go on with it. False when it is not due or somebody else does it.

    An error of ours leaves it done, with a sentence, so that a person may undo it again.
    """
    with alone(upload_id) as got:
        upload = Import.objects.select_related("list").filter(pk=upload_id, state=Import.State.UNDOING).first()
        if not got or upload is None:
            return False
        under_way = Import.objects.filter(pk=upload_id, state=Import.State.UNDOING)
        try:
            if _undo_chunks(now, upload, mailed):
                under_way.update(state=Import.State.UNDONE)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("taking import %s back stopped at an error of ours; a person may go on with it", upload_id)
            under_way.update(state=Import.State.DONE, error=STOPPED)
        return True


def _undo_chunks(now: datetime, upload: Import, mailed: Mailed) -> bool:
    """False when some are left for the next sweep."""
    return any(not _undo_chunk(now, upload, mailed) for _ in range(CHUNKS_AT_ONCE))


def due() -> list[int]:
    return list(Import.objects.filter(state=Import.State.UNDOING).order_by("pk").values_list("pk", flat=True))


def forget_old(*, now: datetime) -> None:
    """What cannot be taken back any more need not be known."""
    done = Q(finished_at__lt=now - UNDO_WITHIN, state=Import.State.DONE)
    failed = Q(created_at__lt=now - UNDO_WITHIN, state=Import.State.FAILED)
    old = Import.objects.filter(done | failed).values("pk")
    ImportedPerson.objects.filter(upload__in=old).delete()


def _undo_chunk(now: datetime, upload: Import, mailed: Mailed) -> bool:
    """False when there was nothing left."""
    with transaction.atomic():
        rows = {row.subscriber_id: row for row in upload.people.order_by("pk")[:CHUNK]}
        locked = Subscriber.objects.select_for_update(no_key=True).filter(pk__in=rows).order_by("pk")
        people = list(locked)
        written_to = mailed(person.address_key for person in people)
        # Whom a later import took in or changed is no longer this one's.
        later = set(
            ImportedPerson.objects.filter(upload__gt=upload.pk, subscriber_id__in=rows).values_list(
                "subscriber_id", flat=True
            )
        )
        untouched = [one for one in people if one.address_key not in written_to and one.pk not in later]
        _leave_list(now, upload, [person for person in untouched if rows[person.pk].joined])
        gone = _delete(upload, [person for person in untouched if rows[person.pk].was_new])
        _restore(now, [(person, rows[person.pk]) for person in untouched])
        _restore_grounds(upload, [rows[person.pk] for person in untouched if rows[person.pk].ground_after])
        upload.people.filter(subscriber_id__in=rows).delete()
        Import.objects.filter(pk=upload.pk).update(
            n_taken_back=F("n_taken_back") + gone, n_stayed=F("n_stayed") + len(people) - len(untouched)
        )
    return bool(rows)


def _leave_list(now: datetime, upload: Import, people: list[Subscriber]) -> None:
    """Only where the subscription is still the import's: who left since then has left."""
    theirs = Subscription.objects.filter(
        subscriber__in=people, list=upload.list, source="import", state__in=["subscribed", "unconfirmed"]
    )
    keys = list(theirs.values_list("subscriber__address_key", flat=True))
    theirs.delete()
    basis = f"import {upload.pk}"
    ConsentEvent.objects.bulk_create(
        ConsentEvent(subject_key=key, kind=ConsentEvent.Kind.UNDONE, list=upload.list, basis=basis, at=now)
        for key in keys
    )


def _delete(upload: Import, people: list[Subscriber]) -> int:
    """People who are on no list otherwise, and of whom nobody wrote something down, with the evidence of how they
    came."""
    alone_here = Subscriber.objects.filter(pk__in=[person.pk for person in people], subscriptions=None, notes=None)
    keys = list(alone_here.values_list("address_key", flat=True))
    ConsentEvidence.objects.filter(event__subject_key__in=keys).delete()
    alone_here.delete()
    return len(keys)


def _restore(now: datetime, people: Sequence[tuple[Subscriber, ImportedPerson]]) -> None:
    """Give people what they had before; what was changed again since keeps its newer value."""
    changed = [(person, row.before, row.after) for person, row in people if row.before and row.after]
    back = [(person.pk, *_as_before(person, before, after)) for person, before, after in changed]
    if not back:
        return
    ids, fields, languages = map(list, zip(*back, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(_RESTORE, [now, ids, list(map(Jsonb, fields)), languages])


def _restore_grounds(upload: Import, rows: Sequence[ImportedPerson]) -> None:
    for row in rows:
        theirs = Subscription.objects.filter(subscriber=row.subscriber_id, list=upload.list, ground_on=row.ground_after)
        theirs.update(ground_on=row.ground_before)


def _as_before(person: Subscriber, before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], str]:
    fields = dict(person.fields)
    for key, value in after["fields"].items():
        if fields.get(key) == value:
            _put_back(fields, before["fields"], key)
    return fields, before["language"] if person.language == after["language"] else person.language


def _put_back(fields: dict[str, Any], before: dict[str, Any], key: str) -> None:
    if key in before:
        fields[key] = before[key]
    else:
        fields.pop(key, None)
