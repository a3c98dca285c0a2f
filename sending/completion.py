"""A mailing is done when every delivery has a final outcome, proven by one recount of the rows."""

import logging
from datetime import datetime

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from sending import answers
from sending.models import FINAL_KINDS, Batch, Mailing, MailingCount, Requeue

log = logging.getLogger(__name__)

# The latest attempt of a delivery says what became of it; earlier ones that were final were sent again by a decision.
_RECOUNT = """
WITH latest AS (
    SELECT DISTINCT ON (o.delivery) o.delivery, o.kind, coalesce(b.wave, d.wave) AS wave,
           coalesce(b.provider, o.provider) AS lane
    FROM sending_outcome o
    JOIN sending_delivery d ON d.mailing_id = o.mailing_id AND d.id = o.delivery
    LEFT JOIN sending_batch b ON b.id = o.batch_id
    WHERE o.mailing_id = %(mailing)s
    ORDER BY o.delivery, o.attempt DESC
)
SELECT wave, lane, kind, count(*) FROM latest WHERE kind = ANY(%(final)s) GROUP BY 1, 2, 3
"""

# Places that no batch was given yet. Not by the lane's `total`, which moves with people whose provider changes.
_AHEAD = """
SELECT EXISTS (SELECT 1 FROM sending_mailinglane l JOIN sending_delivery d
               ON d.mailing_id = l.mailing_id AND d.wave = l.wave AND d.provider = l.provider AND d.seq >= l.next_seq
               WHERE l.mailing_id = %s)
"""

# In a lane's range that was handed out, with neither a final outcome nor a place in the queue: nobody would ever look.
_FORGOTTEN = """
INSERT INTO sending_requeue
    (mailing_id, delivery, wave, provider_now, due_at, attempt, counted, reason, position)
SELECT d.mailing_id, d.id, d.wave, d.provider, %(now)s, coalesce(o.attempt + 1, 1), coalesce(o.attempt, 0),
       'handed_back', d.seq
FROM sending_delivery d
JOIN sending_mailinglane l ON l.mailing_id = d.mailing_id AND l.wave = d.wave AND l.provider = d.provider
LEFT JOIN LATERAL (SELECT x.attempt, x.kind FROM sending_outcome x
                   WHERE x.mailing_id = d.mailing_id AND x.delivery = d.id ORDER BY x.attempt DESC LIMIT 1) o ON true
WHERE d.mailing_id = %(mailing)s AND d.seq < l.next_seq AND (o.kind IS NULL OR o.kind = 'deferred')
ON CONFLICT DO NOTHING
"""


def complete_if_finished(*, now: datetime) -> int:
    """Complete all running mailings that have nothing left to do; returns how many. Safe to run twice at once."""
    running = Mailing.objects.filter(state=Mailing.State.RUNNING, is_open=False)
    return sum(_complete(now, mailing_id) for mailing_id in running.values_list("pk", flat=True))


def _complete(now: datetime, mailing_id: int) -> bool:
    if _has_work(mailing_id):
        return False
    with transaction.atomic(), connection.cursor() as cursor:
        mailing = Mailing.objects.select_for_update(no_key=True).get(pk=mailing_id)
        if mailing.state != Mailing.State.RUNNING or mailing.is_open or _has_work(mailing_id):
            return False
        counts = _recount(cursor, mailing_id)
        mend(mailing_id, counts)
        if sum(counts.values()) != mailing.total:
            cursor.execute(_FORGOTTEN, {"now": now, "mailing": mailing_id})
            log.error("Mailing %s: %s of %s counted; %s put back", mailing_id, sum(counts.values()), mailing.total,
                      cursor.rowcount)  # fmt: skip
            return False
        answers.recount(cursor, mailing_id)
        done = {"state": Mailing.State.DONE, "state_since": now, "state_reason": "", "finished_at": now}
        return bool(Mailing.objects.filter(pk=mailing_id).update(**done))


def _has_work(mailing_id: int) -> bool:
    if Batch.objects.filter(mailing_id=mailing_id).exclude(state=Batch.State.DONE).exists():
        return True
    if Requeue.objects.filter(mailing_id=mailing_id).exists():
        return True
    with connection.cursor() as cursor:
        cursor.execute(_AHEAD, [mailing_id])
        return bool((cursor.fetchone() or (False,))[0])


def _recount(cursor: CursorWrapper, mailing_id: int) -> dict[tuple[int, str, str], int]:
    cursor.execute(_RECOUNT, {"mailing": mailing_id, "final": [str(kind) for kind in FINAL_KINDS]})
    return {(wave, lane, kind): n for wave, lane, kind, n in cursor.fetchall()}


def mend(mailing_id: int, counts: dict[tuple[int, str, str], int]) -> int:
    """Make the counters of final outcomes say what the rows say; returns how many were wrong."""
    rows = MailingCount.objects.filter(mailing_id=mailing_id, kind__in=FINAL_KINDS)
    said = {(row.wave, row.provider, row.kind): row.n for row in rows if row.n}
    wrong = sorted(key for key in said.keys() | counts.keys() if said.get(key, 0) != counts.get(key, 0))
    for wave, lane, kind in wrong:
        MailingCount.objects.update_or_create(
            mailing_id=mailing_id,
            wave=wave,
            provider=lane,
            kind=kind,
            defaults={"n": counts.get((wave, lane, kind), 0)},
        )
    if wrong:
        log.error("Mailing %s: %s counters were wrong and are mended", mailing_id, len(wrong))
    return len(wrong)
