"""Facts about a delivery that are told later: one row each, and the one that counts is told apart by its key."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from django.db import connection

# So long after a message left, what comes back about it still counts: a bounce out of a stuck queue, the complaint of
# somebody who comes back from a long leave. Later ones are a thousandth, and what backscatter and replays are made of.
LATE_FOR = timedelta(days=90)
# Names of facts that may be told twice but count once.
SAME_EVENT = UUID("b1d4f2a6-7c0e-4a52-9d4b-2f6a4b0c9e11")
# Test mail means nothing, and what is no longer kept has no counters.
_COUNT_ONCE = """
WITH about AS (
    SELECT wave, provider FROM sending_delivery
    WHERE mailing_id = %(mailing)s AND id = %(delivery)s AND to_address IS NULL
), news AS (
    INSERT INTO sending_event (mailing_id, delivery, kind, at, reply_id, by_machine, dedupe)
    SELECT %(mailing)s, %(delivery)s, %(kind)s, %(at)s, %(reply)s, false, %(key)s FROM about
    ON CONFLICT DO NOTHING RETURNING id
), counted AS (
    INSERT INTO sending_mailingcount (mailing_id, wave, provider, kind, n)
    SELECT %(mailing)s, wave, provider, %(kind)s, 1 FROM about, news
    ON CONFLICT (mailing_id, wave, provider, kind) DO UPDATE SET n = sending_mailingcount.n + 1
)
SELECT count(*){in_passing} FROM news
"""
# All who leave at this moment write the same counter: nobody waits for the disk with that row in hand.
_IN_PASSING = ", set_config('synchronous_commit', 'off', true)"


@dataclass(frozen=True, slots=True)
class Fact:
    """What an Event's row says. `reply_id` is the place of a report's words in the dictionary of replies."""

    mailing: int
    delivery: int
    kind: str
    at: datetime
    reply_id: int | None = None


def same_event(kind: str, mailing_id: int, delivery_id: int) -> UUID:
    """Equal for the same fact told twice."""
    return uuid5(SAME_EVENT, f"{kind}:{mailing_id}:{delivery_id}")


def count_once(fact: Fact) -> bool:
    """Keep it and count it for its mailing. False when it is known: of two at once the second waits for the first.

    On its own it does not wait for the disk; inside a transaction it is as durable as that.
    """
    in_passing = "" if connection.in_atomic_block else _IN_PASSING
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT_ONCE.replace("{in_passing}", in_passing),
            {
                "mailing": fact.mailing,
                "delivery": fact.delivery,
                "kind": str(fact.kind),
                "at": fact.at,
                "reply": fact.reply_id,
                "key": same_event(fact.kind, fact.mailing, fact.delivery),
            },
        )
        return (cursor.fetchone() or (0,))[0] == 1
