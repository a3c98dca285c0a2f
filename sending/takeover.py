"""Take over what a worker can't finish: it died, or it stands still.

Dead: its advisory lock is gone and it has not been seen for 5 seconds; its connections died with it. Its batches are
taken over at once. Stopped: the lock is held, but a batch's lease has lapsed; its connections may still be open, so the
batch ends with the reason `STOPPED`, and the planner counts it as a connection for 10 minutes after `ended_at`.

1. Raise the epoch on the batch's row, in a transaction of its own: from then on no gate of the old owner passes.
2. Read the intent. With no outcome it is `unknown`; transactional mail goes back, to be sent with the same Message-ID.
3. What has an outcome keeps it; a deferral whose requeue row was never written gets one; all the rest is handed back.
4. The batch counts as sent in full: nobody knows how much of its last minute left.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from reputation.ledger import Entry
from sending import finish, sites, wake, workers
from sending.claim import STILL_OURS, size_of
from sending.models import STANDS_STILL, Batch, OutcomeKind, Requeue, Stream
from sending.pure.reactions import BEFORE_THE_MESSAGE
from sending.pure.retry import counts
from sending.requeue import Return
from sending.retrying import SITE_AGAIN, next_due
from sending.settle import Settled

log = logging.getLogger(__name__)

DEAD, STOPPED = "taken over: its worker died", STANDS_STILL
GHOST_FOR = timedelta(minutes=10)

_LOCK_GONE = f"""
    NOT {workers.HOLDS_LOCK.format(key="b.owner")}
    AND NOT EXISTS (SELECT 1 FROM sending_worker w WHERE w.id = b.owner
                    AND w.seen_at > clock_timestamp() - make_interval(secs => %(grace)s))
"""
# A row locked by a gate is alive; the next sweep looks at it again. What was raised and then abandoned by a sweep that
# died has no owner, and is found by its lease.
_RAISE = f"""
UPDATE sending_batch b SET epoch = b.epoch + 1, owner = NULL, lease_until = clock_timestamp() + interval '30 seconds'
FROM (
    SELECT b.id, CASE WHEN b.owner IS NULL OR {_LOCK_GONE} THEN %(dead)s ELSE %(stopped)s END AS why
    FROM sending_batch b
    WHERE b.state = 'running'
      AND (b.lease_until < clock_timestamp() OR b.owner IS NOT NULL AND {_LOCK_GONE})
    ORDER BY b.id LIMIT 1 FOR NO KEY UPDATE OF b SKIP LOCKED
) taken
WHERE b.id = taken.id
RETURNING b.id, b.epoch, taken.why
"""

# Every delivery of the batch, with what this attempt came to.
_HELD = """
SELECT d.id, d.seq, coalesce(q.attempt, 1), coalesce(q.counted, 0), q.first_tried_at, q.pinned_route, o.kind, o.at,
       r.reply_class, r.phase
FROM sending_delivery d
LEFT JOIN sending_requeue q ON q.batch = %(batch)s AND q.mailing_id = d.mailing_id AND q.delivery = d.id
LEFT JOIN sending_outcome o
       ON o.mailing_id = d.mailing_id AND o.delivery = d.id AND o.attempt = coalesce(q.attempt, 1)
LEFT JOIN sending_reply r ON r.id = o.reply_id
WHERE d.mailing_id = %(mailing)s AND d.id IN ({deliveries})
ORDER BY d.seq
"""


@dataclass(frozen=True, slots=True)
class _Held:
    delivery: int
    seq: int
    attempt: int
    counted: int
    first_tried_at: datetime | None
    pinned_route: int | None
    kind: str | None
    at: datetime | None
    reply_class: str | None
    phase: str | None

    @property
    def counted_now(self) -> int:
        """Tries against the message, this one included if it was one."""
        before_the_message = self.phase in BEFORE_THE_MESSAGE
        return self.counted + (not before_the_message and counts(self.reply_class or "temp"))


def take_over(*, now: datetime) -> int:
    """End all batches whose workers are dead or stopped; returns how many. Any number of sweeps may run at once."""
    n = 0
    while (taken := _raise_one()) is not None:
        close(*taken, now=now)
        n += 1
    if n:
        wake.plan_soon()
    return n


def _raise_one() -> tuple[int, int, str] | None:
    with connection.cursor() as cursor:
        cursor.execute(_RAISE, {"grace": workers.GRACE_SECONDS, "dead": DEAD, "stopped": STOPPED})
        row: tuple[int, int, str] | None = cursor.fetchone()
    return row


def close(batch_id: int, epoch: int, why: str, *, now: datetime, may_have_sent: bool = True) -> None:
    """End a batch whose epoch was raised, and give its people back; nothing when somebody else has closed it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(STILL_OURS, [batch_id, epoch])
        if cursor.fetchone() is None:
            return  # another sweep thought this one dead
        batch = Batch.objects.get(pk=batch_id)
        settled: list[Settled] = []
        returned: list[Return] = []
        for held in _held(cursor, batch):
            _decide(batch, held, settled, returned, now)
        finish.close(
            cursor,
            batch=batch,
            now=now,
            settled=settled,
            returned=returned,
            entries=_in_full(batch, now) if may_have_sent else [],
            counters=None,
            reason=why,
        )
    log.warning("Batch %s %s: %s unknown, %s back in the queue", batch_id, why, len(settled), len(returned))


def _in_full(batch: Batch, now: datetime) -> list[Entry]:
    return [
        Entry(budget_ids=batch.budget_ids, minute=now, sent=size_of(batch), last_dot_at=now),
        *(Entry(budget_ids=[site], minute=now, sent=n) for site, n in sites.held_by(batch).items()),
    ]


def _held(cursor: CursorWrapper, batch: Batch) -> list[_Held]:
    query, params = finish.deliveries_of(batch)
    cursor.execute(_HELD.format(deliveries=query), params)
    return [_Held(*row) for row in cursor.fetchall()]


def _decide(batch: Batch, held: _Held, settled: list[Settled], returned: list[Return], now: datetime) -> None:
    if held.kind == OutcomeKind.DEFERRED:
        _put_off(batch, held, settled, returned, now)
    elif held.kind is None and batch.intent == held.delivery and batch.intent_attempt == held.attempt:
        _may_have_left(batch, held, settled, returned, now)
    elif held.kind is None:
        returned.append(
            _back(batch, held, due_at=now, attempt=held.attempt, counted=held.counted,
                  reason=Requeue.Reason.HANDED_BACK)
        )  # fmt: skip


def _may_have_left(batch: Batch, held: _Held, settled: list[Settled], returned: list[Return], now: datetime) -> None:
    again = batch.stream == Stream.TRANSACTIONAL
    settled.append(_outcome(batch, held, OutcomeKind.DEFERRED if again else OutcomeKind.UNKNOWN, "answer_lost", now))
    if again:
        due_at = now + SITE_AGAIN / settings.TIME_FACTOR
        returned.append(_back(batch, held, due_at=due_at, attempt=held.attempt + 1, counted=held.counted + 1))


def _put_off(batch: Batch, held: _Held, settled: list[Settled], returned: list[Return], now: datetime) -> None:
    """Its outcome is durable, the worker's memory of when it should come back is not: reckoned anew. A message that
    was tried long enough is given one last try, since its outcome says that it comes back."""
    at = held.at or now
    due_at = next_due(
        now=at,
        counted=held.counted_now,
        first_tried_at=held.first_tried_at or at,
        class_=held.reply_class or "temp",
        hint_seconds=None,
    )
    returned.append(_back(batch, held, due_at=due_at or now, attempt=held.attempt + 1, counted=held.counted_now))


def _outcome(batch: Batch, held: _Held, kind: str, reason: str, now: datetime) -> Settled:
    return Settled(
        mailing=batch.mailing_id,
        delivery=held.delivery,
        attempt=held.attempt,
        kind=kind,
        reason=reason,
        provider=batch.provider,
        route=batch.route_id,
        batch=batch.pk,
        at=now,
    )


def _back(
    batch: Batch, held: _Held, *, due_at: datetime, attempt: int, counted: int, reason: str = Requeue.Reason.DEFERRED
) -> Return:
    tried = held.first_tried_at or (held.at if reason == Requeue.Reason.DEFERRED else None)
    return Return(
        delivery=held.delivery,
        lane=batch.provider,
        due_at=due_at,
        attempt=attempt,
        counted=counted,
        first_tried_at=tried,
        pinned_route=held.pinned_route,
        reason=reason,
        position=held.seq,
    )
