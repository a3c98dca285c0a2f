"""Send again to those whom a receiver refused because of us: a person's decision after the mend, and once each.

Only what a mend can change comes back. A message that was refused for its content, form or size would be refused again.
Whoever left, or was suppressed, since then is stopped by the gate like everybody.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction

from reputation.pure.reactions import REACTIONS
from sending.models import Mailing, MailingChange
from sending.wake import plan_soon

log = logging.getLogger(__name__)

State = Mailing.State
# A stopped mailing has an end of its own: "send to those not yet mailed" comes first.
_MAY_RESEND = (State.RUNNING, State.PAUSED, State.HELD, State.DONE)
MENDABLE = sorted(name for name, reaction in REACTIONS.items() if reaction.recipient == "blocked")

# The latest outcome is "blocked", its batch has closed its books, and nobody has put it back before. Both are read in
# one snapshot: a batch that tries it again writes the new outcome no later than it drops the place in the queue.
_BLOCKED = """
SELECT o.mailing_id, o.delivery, o.attempt, coalesce(b.wave, d.wave) AS wave, coalesce(b.provider, o.provider) AS lane,
       coalesce(r.reply_class, '') AS reply_class, o.at
FROM sending_outcome o
JOIN sending_delivery d ON d.mailing_id = o.mailing_id AND d.id = o.delivery
JOIN sending_mailing m ON m.id = o.mailing_id AND NOT m.is_test AND m.state <> 'stopped'
LEFT JOIN sending_batch b ON b.id = o.batch_id
LEFT JOIN sending_reply r ON r.id = o.reply_id
WHERE o.mailing_id = %(mailing)s AND o.kind = 'blocked' AND r.reply_class = ANY(%(mendable)s)
  AND coalesce(b.state, 'done') = 'done'
  AND NOT EXISTS (SELECT 1 FROM sending_outcome later WHERE later.mailing_id = o.mailing_id
                  AND later.delivery = o.delivery AND later.attempt > o.attempt)
  AND NOT EXISTS (SELECT 1 FROM sending_requeue q WHERE q.mailing_id = o.mailing_id AND q.delivery = o.delivery)
"""
_GROUPED = f"""
SELECT lane, reply_class, count(*), max(at) FROM ({_BLOCKED}) blocked GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""
# Not an attempt against the message: it was about us. "Blocked" is no final answer of theirs any more, so its counter
# goes down; the answers' counters follow with the next attempt.
_PUT_BACK = f"""
WITH blocked AS MATERIALIZED ({_BLOCKED}), back AS (
    INSERT INTO sending_requeue
        (mailing_id, delivery, wave, provider_now, due_at, attempt, counted, first_tried_at, reason)
    SELECT mailing_id, delivery, wave, lane, %(now)s, attempt + 1, 0, NULL, 'resend' FROM blocked
    WHERE lane = %(lane)s ORDER BY delivery
    ON CONFLICT DO NOTHING RETURNING mailing_id, wave, provider_now
), counted AS (
    INSERT INTO sending_mailingcount (mailing_id, wave, provider, kind, n)
    SELECT mailing_id, wave, provider_now, 'blocked', -count(*) FROM back GROUP BY 1, 2, 3 ORDER BY 2
    ON CONFLICT (mailing_id, wave, provider, kind) DO UPDATE SET n = sending_mailingcount.n + excluded.n
)
SELECT count(*) FROM back
"""


@dataclass(frozen=True, slots=True)
class Blocked:
    """People of one lane who were refused because of us, by the class of the answer; `last_at`: the latest refusal."""

    lane: str
    reply_class: str
    people: int
    last_at: datetime


def blocked(*, mailing_id: int) -> list[Blocked]:
    """Who could be sent to again, the most first. Reads the blocked ones only, along an index of their own."""
    with connection.cursor() as cursor:
        cursor.execute(_GROUPED, _params(mailing_id))
        return [Blocked(*row) for row in cursor.fetchall()]


def resend(*, now: datetime, mailing_id: int, lane: str, actor: User | None) -> int:
    """Put everybody of this lane who is blocked back into the queue; returns how many. Pressed twice, it is once.

    A mailing that was done runs again until they have an answer. One that is paused or held goes on with them later.
    """
    with transaction.atomic():
        mailing = Mailing.objects.select_for_update(no_key=True).filter(pk=mailing_id, state__in=_MAY_RESEND).first()
        if mailing is None:
            return 0
        with connection.cursor() as cursor:
            cursor.execute(_PUT_BACK, _params(mailing_id) | {"now": now, "lane": lane})
            people = int((cursor.fetchone() or (0,))[0])
        if not people:
            return 0
        if mailing.state == State.DONE:
            again = {"state": State.RUNNING, "state_since": now, "finished_at": None}
            Mailing.objects.filter(pk=mailing_id).update(**again)
        MailingChange.objects.create(
            mailing=mailing,
            provider=lane,
            kind=MailingChange.Kind.RESENT,
            at=now,
            actor=actor,
            evidence={"people": people, "state_before": mailing.state},
        )
        plan_soon()
    log.warning("Mailing %s: %s blocked at %s are sent to again, by %s", mailing_id, people, lane, actor)
    return people


def _params(mailing_id: int) -> dict[str, Any]:
    return {"mailing": mailing_id, "mendable": MENDABLE}
