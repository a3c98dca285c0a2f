"""End a batch: in one transaction everything it did becomes part of the mailing's and the budgets' books.

1. Lock the batch; whoever took it over has raised its epoch, and then only the evidence is handed in.
2. Settle what is left; tell audiences of the mailboxes that do not exist.
3. Put back into the queue what goes back, drop the requeue rows it took. Done.
4. In one trip, since all batches of a mailing and of a budget write these rows, and wait for each other until they
   commit: fold its outcomes into the mailing's counters, from the rows, so that nothing is counted twice or forgotten;
   tell the ledger what the budgets spent; give back what was held of the recipient domains' limits. Its own worker also
   tells what a message took.
"""

import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import Error, connection, transaction
from django.db.backends.utils import CursorWrapper

from reputation import backoff, ledger
from reputation.workspace import zone
from sending import answers, bounces, one_trip, requeue, settle, sites, speeds, wake
from sending.claim import STILL_OURS
from sending.gate import Gate
from sending.gate_questions import Counters
from sending.logbook import Logbook
from sending.models import Batch, Mailing
from sending.requeue import Return
from sending.running_clock import RunningClock
from sending.settle import Settled

log = logging.getLogger(__name__)

# A batch that could not begin (no key, no way out) gives its people back for so long.
NOT_READY_AGAIN = timedelta(minutes=2)
# While the database is away the books wait in memory; then the takeover closes the batch, and evidence comes late.
PATIENCE_SECONDS = 50.0
_TRY_AGAIN_SECONDS = 1.0
# Never set: draining must not make this wait short, or it would spin.
_PAUSE = threading.Event()

# Counted by the rows of this batch, under its lane, kind by kind in a fixed order: two ends never wait in a ring.
_FOLD = """
INSERT INTO sending_mailingcount (mailing_id, wave, provider, kind, n)
SELECT o.mailing_id, %(wave)s, %(lane)s, o.kind, count(*)
FROM sending_outcome o
WHERE o.mailing_id = %(mailing)s AND o.batch_id = %(batch)s AND o.delivery IN ({deliveries})
GROUP BY o.mailing_id, o.kind ORDER BY o.kind
ON CONFLICT (mailing_id, wave, provider, kind) DO UPDATE SET n = sending_mailingcount.n + excluded.n
"""
_OF_FRESH = """SELECT d.id FROM sending_delivery d WHERE d.mailing_id = %(mailing)s AND d.wave = %(wave)s
               AND d.provider = %(lane)s AND d.seq BETWEEN %(lo)s AND %(hi)s"""
_OF_RETRY = "SELECT q.delivery FROM sending_requeue q WHERE q.batch = %(batch)s"


def deliveries_of(batch: Batch) -> tuple[str, dict[str, Any]]:
    """A query of the deliveries a batch holds, and its parameters. Good until its requeue rows are given back."""
    params: dict[str, Any] = {
        "mailing": batch.mailing_id,
        "wave": batch.wave,
        "lane": batch.provider,
        "lo": batch.lo,
        "hi": batch.hi,
        "batch": batch.pk,
    }
    return (_OF_FRESH if batch.kind == Batch.Kind.FRESH else _OF_RETRY), params


def finish(*, book: Logbook, clock: RunningClock, gate: Gate) -> bool:
    """End the batch of a logbook. False when it was taken over meanwhile: then only the evidence is handed in."""
    tries_until = clock() + timedelta(seconds=PATIENCE_SECONDS)
    while True:
        try:
            ended = _finish(book, clock())
            break
        except Error as error:
            connection.close()
            log.warning("Batch %s can't be ended yet: %s", book.claimed.batch.pk, type(error).__name__)
            if clock() >= tries_until:
                ended = False
                break
            _PAUSE.wait(_TRY_AGAIN_SECONDS)
    if not ended:
        batch, epoch = book.claimed.batch.pk, book.claimed.epoch
        gate.testify(batch=batch, epoch=epoch, settled=book.evidence(at=clock()), counters=book.counters)
    return ended


def _finish(book: Logbook, now: datetime) -> bool:
    batch = book.claimed.batch
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(STILL_OURS, [batch.pk, book.claimed.epoch])
        if cursor.fetchone() is None:
            return False
        close(
            cursor,
            batch=batch,
            now=now,
            settled=book.unsettled,
            returned=book.returned,
            entries=book.entries(),
            counters=book.counters,
            reason=book.end_reason or "sent",
            seconds=book.seconds,
        )
    book.unsettled = []
    _tell_budgets(book)
    wake.plan_soon()
    return True


# The batch that was told has ended: it is one of them.
_IN_USE = """
SELECT key, 1 + (SELECT count(*) FROM sending_batch b WHERE b.state = 'running' AND key = ANY(b.budget_ids))
FROM unnest(%s::bigint[]) AS asked (key)
"""


def _tell_budgets(book: Logbook) -> None:
    """What receivers said of us: for the budgets of this lane only, after the batch's own books are closed."""
    windows: dict[int, int] = {}
    if book.told:
        with connection.cursor() as cursor:
            cursor.execute(_IN_USE, [list(book.claimed.batch.budget_ids)])
            windows = dict(cursor.fetchall())
    for heard, at in book.told:
        backoff.hear(
            now=at,
            budget_ids=book.claimed.batch.budget_ids,
            verdict=heard.verdict,
            reply_text=str(heard.reply),
            provider=book.claimed.batch.provider,
            time_factor=settings.TIME_FACTOR,
            windows=windows,
        )


def close(
    cursor: CursorWrapper,
    *,
    batch: Batch,
    now: datetime,
    settled: Sequence[Settled],
    returned: Sequence[Return],
    entries: Sequence[ledger.Entry],
    counters: Counters | None,
    reason: str,
    seconds: float = 0.0,
) -> None:
    """Steps 2 to 4, for a batch whose row is locked by the caller's transaction. `seconds`: what its messages took."""
    settle.record(cursor, settled)
    deliveries, params = deliveries_of(batch)
    answered = counters.sent if counters else 0
    bounces.tell_audiences(cursor, batch=batch, deliveries=deliveries, params=params, now=now, answered=answered)
    books: list[tuple[str, Any]] = [(_FOLD.format(deliveries=deliveries), params)]
    if not _all_accepted(batch, counters):
        books.append(answers.folding(deliveries=deliveries, params=params))
    books += [*ledger.recording(entries=entries, zone=zone()), sites.giving_back(batch=batch)]
    books += speeds.learning(batch=batch, messages=answered, seconds=seconds)
    if batch.mailing.first_sent_at is None and any(entry.sent for entry in entries):
        # The mailing before its lanes, as whoever adds people to it locks them.
        Mailing.objects.filter(pk=batch.mailing_id, first_sent_at=None).update(first_sent_at=now)
    requeue.move_between_lanes(cursor, batch=batch, returns=returned)
    if batch.kind == Batch.Kind.RETRY:
        one_trip.tell(books)  # they read the requeue rows that are given back next
    requeue.put_back(cursor, batch=batch, returns=returned)
    counted = {} if counters is None else _columns(counters)
    Batch.objects.filter(pk=batch.pk).update(
        state=Batch.State.DONE, ended_at=now, end_reason=reason[:120], intent=None, intent_attempt=None, **counted
    )
    if batch.kind == Batch.Kind.FRESH:
        one_trip.tell(books)


def _all_accepted(batch: Batch, counters: Counters | None) -> bool:
    """At the first try, by its own worker: then there is no other answer to count."""
    return batch.kind == Batch.Kind.FRESH and counters is not None and counters.accepted == counters.cursor


def _columns(counters: Counters) -> dict[str, Any]:
    return {
        "cursor": counters.cursor,
        "n_sent": counters.sent,
        "n_accepted": counters.accepted,
        "n_deferred": counters.deferred,
        "n_bounced": counters.bounced,
        "n_skipped": counters.skipped,
        "last_dot_at": counters.last_dot_at,
    }
