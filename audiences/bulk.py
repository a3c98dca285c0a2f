"""Something done with everybody a search found, as a job: in chunks, each one transaction, going on after a kill.

Who is meant is asked anew for each chunk and ends with the last person there was at the start. Each person is dealt
with by the same verbs as one alone: nobody who left or complained is brought back.

| action | taking it back within a day |
|---|---|
| put on a list | whoever was put there by it leaves the list again, without a trace of having left |
| suppress | what it suppressed, unless another reason came |
| unsubscribe | never: only people themselves come back |
| export | nothing to take back; the file goes after a week |
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Case, F, Max, Q, Value, When

from audiences import consent
from audiences.changes import note_changes
from audiences.choosing import Chosen, count
from audiences.export_people import rows_of
from audiences.models import BulkJob, ConsentEvent, Subscriber, Subscription, Suppression
from audiences.pure.csv_export import csv_lines
from audiences.suppress import suppress, take_reasons_away

logger = logging.getLogger(__name__)

Action, State = BulkJob.Action, BulkJob.State
CHUNK = 500
# Then the next wake-up goes on: other things wait for the same process.
CHUNKS_AT_ONCE = 40
UNDO_WITHIN = timedelta(hours=24)
FILES_KEPT = timedelta(days=7)
_LOCK = 0x1398
UNDER_WAY = (State.RUNNING, State.UNDOING)


def begin(*, now: datetime, action: str, chosen: Chosen, terms: Mapping[str, Any], user_id: int) -> BulkJob:
    """Make a job due. Enqueue `tasks.run_bulk` after commit; a sweep finds it otherwise."""
    newest: int | None = Subscriber.objects.aggregate(newest=Max("pk"))["newest"]
    return BulkJob.objects.create(
        action=Action(action),
        chosen=chosen.as_dict(),
        terms=dict(terms),
        # None: too many to be counted while somebody waits.
        total=count(chosen) or 0,
        last_person=newest or 0,
        created_by_id=user_id,
        created_at=now,
    )


def run(*, now: datetime, job_id: int) -> bool:
    """Do the next part of a due job; True when more is left. Whoever comes second leaves.

    An error of ours ends as `failed`, with all that was done before it. When the database goes away the job stays due,
    for the sweep.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, job_id])
        if not cursor.fetchone()[0]:
            return False
        try:
            return _run(now, job_id)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("bulk job %s stopped at an error of ours; a person may go on with it", job_id)
            BulkJob.objects.filter(pk=job_id, state__in=UNDER_WAY).update(state=State.FAILED)
            return False
        finally:
            if connection.is_usable():
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK, job_id])


def _run(now: datetime, job_id: int) -> bool:
    for _ in range(CHUNKS_AT_ONCE):
        with transaction.atomic():
            job = BulkJob.objects.select_for_update(no_key=True).filter(pk=job_id).first()
            if job is None or job.state not in UNDER_WAY:
                return False
            if not (_chunk(now, job) if job.state == State.RUNNING else _undo_chunk(now, job)):
                job.state = State.DONE if job.state == State.RUNNING else State.UNDONE
                job.finished_at = now
                job.save(update_fields=["state", "finished_at"])
                return False
    return True


def can_go_on(job: BulkJob, *, now: datetime) -> bool:
    """What an export had written before it failed is deleted after a week, and the rest alone is no export."""
    return job.state == State.FAILED and (job.action != Action.EXPORT or job.created_at > now - FILES_KEPT)


def go_on(*, now: datetime, job_id: int) -> bool:
    """Make a job that failed due again, where it stopped; False when it did not fail, or its file is gone."""
    job = BulkJob.objects.filter(pk=job_id).first()
    if job is None or not can_go_on(job, now=now):
        return False
    failed = BulkJob.objects.filter(pk=job_id, state=State.FAILED)
    again = Case(When(finished_at=None, then=Value(State.RUNNING)), default=Value(State.UNDOING))
    return failed.update(state=again) == 1


def due() -> list[int]:
    rows = BulkJob.objects.filter(state__in=UNDER_WAY).order_by("pk")
    return list(rows.values_list("pk", flat=True))


def _chunk(now: datetime, job: BulkJob) -> bool:
    """False when everybody was dealt with."""
    wanted = Chosen.of(job.chosen).people().filter(pk__gt=job.at_person, pk__lte=job.last_person)
    people = list(wanted.order_by("pk")[:CHUNK])
    if not people:
        return False
    if job.action == Action.EXPORT:
        _write(job, people)
        changed = len(people)
    else:
        touched = [person for person in people if _DEEDS[Action(job.action)](now, job, person)]
        note_changes(now=now, people=touched, what=f"{job.get_action_display()}, {job.mark}", user_id=job.created_by_id)
        changed = len(touched)
    BulkJob.objects.filter(pk=job.pk).update(
        at_person=people[-1].pk,
        n_done=F("n_done") + len(people),
        n_changed=F("n_changed") + changed,
        n_left_alone=F("n_left_alone") + len(people) - changed,
    )
    return True


def _add(now: datetime, job: BulkJob, person: Subscriber) -> bool:
    return consent.subscribe(
        now=now,
        email=person.email,
        list_id=job.terms["list"],
        source=job.mark,
        basis=job.terms["basis"],
        by_person=False,
    ).changed


def _unsubscribe(now: datetime, job: BulkJob, person: Subscriber) -> bool:
    wanted = job.terms.get("list")
    done = consent.unsubscribe(
        now=now,
        subscriber_id=person.pk,
        list_ids=[wanted] if wanted else [],
        stream_too=not wanted,
        source=f"{job.mark}: {job.terms['note']}"[:80],
    )
    return done.changed


def _suppress(now: datetime, job: BulkJob, person: Subscriber) -> bool:
    return suppress(
        now=now,
        address_key=person.address_key,
        scope=job.terms["scope"],
        reason=Suppression.Reason.MANUAL,
        source=f"{job.mark}: {job.terms['note']}",
        user_id=job.created_by_id,
    )


_DEEDS = {Action.ADD: _add, Action.UNSUBSCRIBE: _unsubscribe, Action.SUPPRESS: _suppress}


def can_be_undone(job: BulkJob, *, now: datetime) -> bool:
    recent = job.finished_at is not None and job.finished_at > now - UNDO_WITHIN
    return job.state == State.DONE and recent and job.action in (Action.ADD, Action.SUPPRESS) and job.n_changed > 0


def undo(*, now: datetime, job_id: int) -> bool:
    """Make the taking back due. False when it can't be taken back (any more)."""
    job = BulkJob.objects.filter(pk=job_id).first()
    if job is None or not can_be_undone(job, now=now):
        return False
    again = {"state": State.UNDOING, "at_person": 0, "n_done": 0, "n_changed": 0, "n_left_alone": 0}
    return BulkJob.objects.filter(pk=job_id, state=State.DONE).update(**again) == 1


def _undo_chunk(now: datetime, job: BulkJob) -> bool:
    if job.action == Action.ADD:
        return _undo_adding(now, job)
    marked = Q(source=f"{job.mark}: {job.terms['note']}"[:120])
    rows = list(Suppression.objects.filter(marked, scope=job.terms["scope"], reason="manual").order_by("pk")[:CHUNK])
    for row in rows:
        # Whatever else there is against them stays.
        take_reasons_away(address_key=row.address_key, scopes=[row.scope], reasons=["manual"])
    return _count_undone(job, len(rows))


def _undo_adding(now: datetime, job: BulkJob) -> bool:
    """Only where the subscription is still the job's: who left since then has left."""
    rows = Subscription.objects.filter(list=job.terms["list"], source=job.mark, state__in=["subscribed", "unconfirmed"])
    found = list(rows.order_by("pk").values_list("pk", "subscriber", "subscriber__address_key")[:CHUNK])
    list(Subscriber.objects.select_for_update(no_key=True).filter(pk__in=[who for _, who, _ in found]).order_by("pk"))
    ConsentEvent.objects.bulk_create(
        ConsentEvent(subject_key=key, kind=ConsentEvent.Kind.UNDONE, list_id=job.terms["list"], basis=job.mark, at=now)
        for _, _, key in found
    )
    Subscription.objects.filter(pk__in=[pk for pk, _, _ in found]).delete()
    return _count_undone(job, len(found))


def _count_undone(job: BulkJob, n: int) -> bool:
    BulkJob.objects.filter(pk=job.pk).update(n_done=F("n_done") + n, n_changed=F("n_changed") + n)
    return n > 0


@dataclass(frozen=True, slots=True)
class ExportFile:
    """Where the file of a job lies, and what it is called for whoever saves it."""

    path: Path
    name: str


def export_folder() -> Path:
    return Path(settings.VAR_DIR) / "exports"


def file_of(job: BulkJob) -> ExportFile:
    return ExportFile(export_folder() / f"people-{job.pk}.csv", f"people-{job.created_at:%Y-%m-%d}.csv")


def _write(job: BulkJob, people: list[Subscriber]) -> None:
    """Append a chunk. A run that died after writing and before committing is found by the length it began with."""
    export_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = list(job.terms["fields"])
    lines = "".join(_lines(job, keys, people)).encode()
    with file_of(job).path.open("ab") as file:
        file.truncate(int(job.terms.get("length", 0)))
        file.write(lines)
    job.terms["length"] = int(job.terms.get("length", 0)) + len(lines)
    BulkJob.objects.filter(pk=job.pk).update(terms=job.terms)


def _lines(job: BulkJob, keys: list[str], people: list[Subscriber]) -> Iterator[str]:
    if job.at_person == 0:
        yield from csv_lines([("email", *keys, "language", "lists", "added")])
    yield from csv_lines(rows_of(people, keys))


def forget_files(*, now: datetime) -> None:
    """Delete exported files that are a week old."""
    old = BulkJob.objects.filter(action=Action.EXPORT, created_at__lt=now - FILES_KEPT, terms__has_key="length")
    for job in old:
        file_of(job).path.unlink(missing_ok=True)
        job.terms.pop("length")
        BulkJob.objects.filter(pk=job.pk).update(terms=job.terms)
