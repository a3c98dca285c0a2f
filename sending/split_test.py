"""The A/B test of a mailing under way: a part of the people has its variants, the rest waits for the winner.

Everybody's place says which variant they get; whoever waits lies behind all of the test in their lane, beyond
`release_seq`. Choosing the winner is one transaction: it goes onto the mailing, once, and the lanes are released. So
nobody is in two places, and nobody leaves without a variant.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction

from sending.lane_totals import lock_lanes
from sending.models import Mailing, MailingChange, MailingLane, SplitTest
from sending.pure.split import BEGINS_AT_LATEST, HANDED_OUT, REST, By, Tally, Why, choose, name_of
from sending.wake import plan_soon

log = logging.getLogger(__name__)

# A lane that was paused or stopped holds up nobody else.
_HANDED_OUT = """
SELECT coalesce(sum(least(next_seq - 1, tested)), 0)::float8 / nullif(sum(tested), 0)
FROM sending_mailinglane WHERE mailing_id = %s AND state = 'open'
"""
# A lane whose first part is out (guard.py) gets them behind what waits for its answers.
_LET_GO = """
UPDATE sending_mailinglane
SET release_seq = CASE WHEN held_back > 0 THEN release_seq ELSE release_seq + for_winner END,
    held_back = CASE WHEN held_back > 0 THEN held_back + for_winner ELSE 0 END,
    for_winner = 0
WHERE mailing_id = %s AND for_winner > 0
"""
# Those of the test lie first in their lanes, so the index of places leads to them alone.
_TALLIES = f"""
WITH tested AS MATERIALIZED (
    SELECT d.id, d.variant FROM sending_mailinglane l
    JOIN sending_delivery d ON d.mailing_id = l.mailing_id AND d.wave = l.wave AND d.provider = l.provider
                           AND d.seq <= l.tested AND d.variant <> {REST}
    WHERE l.mailing_id = %(mailing)s AND l.tested > 0
), did AS (
    SELECT delivery, bool_or(kind = 'opened') AS opened, bool_or(kind = 'clicked') AS clicked,
           bool_or(kind = 'unsubscribed') AS left_it, bool_or(kind = 'complained') AS complained
    FROM sending_event WHERE mailing_id = %(mailing)s AND NOT by_machine
     AND kind IN ('opened', 'clicked', 'unsubscribed', 'complained') AND delivery > 0 GROUP BY delivery
), unnamed AS (
    SELECT (-1 - delivery)::smallint AS variant, count(*) FILTER (WHERE kind = 'opened') AS opened,
           count(*) FILTER (WHERE kind = 'clicked') AS clicked
    FROM sending_event WHERE mailing_id = %(mailing)s AND NOT by_machine AND kind IN ('opened', 'clicked')
     AND delivery <= 0 AND link IS NULL GROUP BY 1
), got AS (
    SELECT DISTINCT delivery FROM sending_outcome WHERE mailing_id = %(mailing)s AND kind = 'accepted'
)
SELECT t.variant, count(*), count(got.delivery),
       count(*) FILTER (WHERE did.opened) + coalesce(max(unnamed.opened), 0),
       count(*) FILTER (WHERE did.clicked) + coalesce(max(unnamed.clicked), 0),
       count(*) FILTER (WHERE did.left_it), count(*) FILTER (WHERE did.complained)
FROM tested t LEFT JOIN got ON got.delivery = t.id LEFT JOIN did ON did.delivery = t.id
     LEFT JOIN unnamed ON unnamed.variant = t.variant GROUP BY t.variant
"""


def watch(*, now: datetime) -> int:
    """Begin to wait where the test is out, choose where the wait is over; returns how many winners were chosen.

    Safe to run twice at once. Nothing is chosen while the mailing is paused, held or stopped.
    """
    open_tests = SplitTest.objects.filter(decided_at=None, rest__gt=0, mailing__state=Mailing.State.RUNNING)
    return sum(_look_at(now, test) for test in open_tests.select_related("mailing"))


def _look_at(now: datetime, test: SplitTest) -> bool:
    if test.tested_at is None:
        if _is_out(now, test):
            SplitTest.objects.filter(pk=test.pk, tested_at=None).update(tested_at=now)
        return False
    if test.by == By.HAND or now < test.tested_at + test.wait / settings.TIME_FACTOR:
        return False
    tallies = tallies_of(test)
    winner, why = choose(tallies, By(test.by))
    return _decide(now, test, winner, why, None, tallies)


def _is_out(now: datetime, test: SplitTest) -> bool:
    """Almost all of the test part was handed out, or its time was over."""
    with connection.cursor() as cursor:
        cursor.execute(_HANDED_OUT, [test.pk])
        share = (cursor.fetchone() or (None,))[0]
    begun = test.mailing.first_sent_at
    too_long = begun is not None and now >= begun + BEGINS_AT_LATEST / settings.TIME_FACTOR
    return too_long or (share is not None and share >= HANDED_OUT)


def choose_by_hand(*, now: datetime, mailing_id: int, variant: int, actor: User) -> bool:
    """A person's choice, at any time before the rest was let go; False when there is nothing (more) to choose."""
    test = SplitTest.objects.select_related("mailing").filter(pk=mailing_id, rest__gt=0, variants__gt=variant).first()
    return test is not None and _decide(now, test, variant, Why.HAND, actor, tallies_of(test))


def _decide(
    now: datetime, test: SplitTest, winner: int, why: Why, actor: User | None, tallies: Sequence[Tally]
) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        undecided = Mailing.objects.filter(pk=test.pk, winner=None).exclude(state=Mailing.State.DONE)
        if not undecided.update(winner=winner):
            return False
        lanes = MailingLane.objects.filter(mailing_id=test.pk, for_winner__gt=0).values_list("wave", "provider")
        lock_lanes(cursor, {(test.pk, wave, provider) for wave, provider in lanes})
        cursor.execute(_LET_GO, [test.pk])
        SplitTest.objects.filter(pk=test.pk).update(decided_at=now, decided_by=actor, why=why)
        MailingChange.objects.create(
            mailing_id=test.pk,
            kind=MailingChange.Kind.CHOSEN,
            at=now,
            actor=actor,
            reason=_in_words(winner, why, By(test.by), tallies),
            evidence={"winner": winner, "why": why, "tallies": [asdict(tally) for tally in tallies]},
        )
        plan_soon()
    log.info("Mailing %s: variant %s goes to the %s who waited (%s)", test.pk, name_of(winner), test.rest, why)
    return True


def _in_words(winner: int, why: Why, by: By, tallies: Sequence[Tally]) -> str:
    """`Variant B: 4.1 % clicked (A 3.0 %); a clear lead.`"""
    if why is Why.HAND or by is By.HAND:
        return f"Variant {name_of(winner)}, by hand."
    rates = [f"{name_of(n)} {100 * tally.rate(by):.1f} %" for n, tally in enumerate(tallies) if n != winner]
    return f"Variant {name_of(winner)}: {100 * tallies[winner].rate(by):.1f} % {by} ({', '.join(rates)}); {_SAID[why]}."


_SAID = {
    Why.CLEAR: "a clear lead",
    Why.AHEAD: "the difference may be chance",
    Why.TIE: "a tie, so the first of them",
    Why.NOTHING: "nobody did, so the first",
}


def tallies_of(test: SplitTest) -> list[Tally]:
    """What became of each variant's people so far, in the test alone. Visits by programs are not counted."""
    with connection.cursor() as cursor:
        cursor.execute(_TALLIES, {"mailing": test.pk})
        found = {variant: Tally(*numbers) for variant, *numbers in cursor.fetchall()}
    return [found.get(variant, Tally(0)) for variant in range(test.variants)]
