"""Send again to those who did not get it and still could: a person's decision, and once each time.

*Blocked*: a receiver refused because of us, and that was mended. A message that was refused for its content, form or
size would be refused again. *Expired*: it was put off, or nobody answered, for as long as we try; a refusal for good is
not among them. Whoever left, or was suppressed, since then is stopped by the gate like everybody.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
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


class Why(StrEnum):
    """What kept it from them; the kind of outcome is the value."""

    BLOCKED = "blocked"
    EXPIRED = "bounced_soft"


_CHANGES = {Why.BLOCKED: MailingChange.Kind.RESENT, Why.EXPIRED: MailingChange.Kind.RETRIED}

# The latest outcome is one of these, its batch has closed its books, and nobody has put it back before. Both are read
# in one snapshot: a batch that tries it again writes the new outcome no later than it drops the place in the queue.
_NOT_REACHED = """
SELECT o.mailing_id, o.delivery, o.attempt, o.kind, coalesce(b.wave, d.wave) AS wave,
       coalesce(b.provider, o.provider) AS lane, coalesce(r.reply_class, '') AS reply_class, o.at
FROM sending_outcome o
JOIN sending_delivery d ON d.mailing_id = o.mailing_id AND d.id = o.delivery
JOIN sending_mailing m ON m.id = o.mailing_id AND NOT m.is_test AND m.state <> 'stopped'
LEFT JOIN sending_batch b ON b.id = o.batch_id
LEFT JOIN sending_reply r ON r.id = o.reply_id
WHERE o.mailing_id = %(mailing)s
  AND (o.kind = 'blocked' AND r.reply_class = ANY(%(mendable)s)
       OR o.kind = 'bounced_soft' AND coalesce(r.code, 0) < 500)
  AND coalesce(b.state, 'done') = 'done'
  AND NOT EXISTS (SELECT 1 FROM sending_outcome later WHERE later.mailing_id = o.mailing_id
                  AND later.delivery = o.delivery AND later.attempt > o.attempt)
  AND NOT EXISTS (SELECT 1 FROM sending_requeue q WHERE q.mailing_id = o.mailing_id AND q.delivery = o.delivery)
"""
_GROUPED = f"""
SELECT lane, kind, reply_class, count(*), max(at) FROM ({_NOT_REACHED}) people
GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3
"""
# Not an attempt against the message: its schedule begins anew. The outcome is no final one of theirs any more, so its
# counter goes down; the answers' counters follow with the next attempt.
_PUT_BACK = f"""
WITH people AS MATERIALIZED ({_NOT_REACHED}), back AS (
    INSERT INTO sending_requeue
        (mailing_id, delivery, wave, provider_now, due_at, attempt, counted, first_tried_at, reason)
    SELECT mailing_id, delivery, wave, lane, %(now)s, attempt + 1, 0, NULL, 'resend' FROM people
    WHERE lane = %(lane)s AND kind = %(why)s ORDER BY delivery
    ON CONFLICT DO NOTHING RETURNING mailing_id, wave, provider_now
), counted AS (
    INSERT INTO sending_mailingcount (mailing_id, wave, provider, kind, n)
    SELECT mailing_id, wave, provider_now, %(why)s, -count(*) FROM back GROUP BY 1, 2, 3 ORDER BY 2
    ON CONFLICT (mailing_id, wave, provider, kind) DO UPDATE SET n = sending_mailingcount.n + excluded.n
)
SELECT count(*) FROM back
"""


@dataclass(frozen=True, slots=True)
class NotReached:
    """People of one lane, by what kept it from them and the class of the answer; `last_at`: of the latest answer."""

    lane: str
    why: Why
    reply_class: str
    people: int
    last_at: datetime


def not_reached(*, mailing_id: int) -> list[NotReached]:
    """Who could be sent to again, the most first. Reads those only who did not get it, along an index of their own."""
    with connection.cursor() as cursor:
        cursor.execute(_GROUPED, _params(mailing_id))
        return [NotReached(lane, Why(kind), *rest) for lane, kind, *rest in cursor.fetchall()]


def resend(*, now: datetime, mailing_id: int, lane: str, actor: User | None, why: Why = Why.BLOCKED) -> int:
    """Put everybody of this lane who was not reached for this reason back into the queue; returns how many.

    Pressed twice, it is once.

    A mailing that was done runs again until they have an answer. One that is paused or held goes on with them later.
    """
    with transaction.atomic():
        mailing = Mailing.objects.select_for_update(no_key=True).filter(pk=mailing_id, state__in=_MAY_RESEND).first()
        if mailing is None:
            return 0
        with connection.cursor() as cursor:
            cursor.execute(_PUT_BACK, _params(mailing_id) | {"now": now, "lane": lane, "why": why.value})
            people = int((cursor.fetchone() or (0,))[0])
        if not people:
            return 0
        if mailing.state == State.DONE:
            again = {"state": State.RUNNING, "state_since": now, "finished_at": None}
            Mailing.objects.filter(pk=mailing_id).update(**again)
        MailingChange.objects.create(
            mailing=mailing,
            provider=lane,
            kind=_CHANGES[why],
            at=now,
            actor=actor,
            evidence={"people": people, "state_before": mailing.state},
        )
        plan_soon()
    log.warning("Mailing %s: %s %s at %s are sent to again, by %s", mailing_id, people, why.name.lower(), lane, actor)
    return people


def _params(mailing_id: int) -> dict[str, Any]:
    return {"mailing": mailing_id, "mendable": MENDABLE}
