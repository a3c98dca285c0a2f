"""The guard of a campaign under way.

At every large provider a small random part goes first; the rest is let go when its answers are in. From the first
answer to the last a sequential test (`pure/guard.py`) watches what receivers and people say: what shows that the list
is bad holds that provider's lane, or the whole campaign, until a person looks, and goes on with a reason.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction

from reputation.catalogue import catalogue
from sending import mailings
from sending.lane_totals import lock_lanes
from sending.models import Mailing, MailingChange, MailingLane
from sending.pure.guard import AT_LATEST, FALSE_STOP, FEWEST, SETTLE, Counts, Finding, find
from sending.wake import plan_soon

log = logging.getLogger(__name__)

Kind, State = MailingChange.Kind, MailingLane.State

_COUNTS = """
WITH counts AS (
    SELECT c.mailing_id, c.provider,
           coalesce(sum(c.n) FILTER (WHERE c.kind IN ('accepted', 'bounced_hard', 'bounced_soft', 'bounced_policy',
                                                      'blocked')), 0) AS answered,
           coalesce(sum(c.n) FILTER (WHERE c.kind = 'accepted'), 0) AS accepted,
           coalesce(sum(c.n) FILTER (WHERE c.kind IN ('bounced_hard', 'bounced')), 0) AS bounced,
           coalesce(sum(c.n) FILTER (WHERE c.kind = 'complained'), 0) AS complained,
           coalesce(sum(c.n) FILTER (WHERE c.kind = 'blocked'), 0) AS blocked
    FROM sending_mailingcount c JOIN sending_mailing m ON m.id = c.mailing_id WHERE {which} GROUP BY 1, 2
)
SELECT mailing_id, provider, answered, accepted, bounced, complained FROM counts
WHERE mailing_id IN (SELECT mailing_id FROM counts GROUP BY 1
                     HAVING sum(bounced + complained + blocked) >= %(fewest)s)
"""
_WATCHED = "m.state = 'running' AND m.stream = 'marketing' AND NOT m.is_test AND NOT m.is_open"
_CLASSES = """
SELECT mailing_id, provider, coalesce(sum(n) FILTER (WHERE reply_class IN ('unknown', 'bad_addr')), 0),
       coalesce(sum(n) FILTER (WHERE reply_class IN ('content', 'format', 'too_big')), 0)
FROM sending_answercount
WHERE mailing_id = ANY(%(mailings)s) AND kind IN ('bounced_hard', 'bounced_soft', 'blocked')
  AND reply_class IN ('unknown', 'bad_addr', 'content', 'format', 'too_big')
GROUP BY 1, 2
"""
# Who went back untried has given no answer; who was put off has.
_FIRST_PARTS = """
SELECT l.mailing_id, l.provider, l.canary, b.began,
       CASE WHEN l.next_seq > l.release_seq AND b.live = 0
             AND NOT EXISTS (SELECT 1 FROM sending_requeue q WHERE q.mailing_id = l.mailing_id AND q.wave = l.wave
                             AND q.provider_now = l.provider AND q.reason <> 'deferred') THEN b.ended END
FROM sending_mailinglane l JOIN sending_mailing m ON m.id = l.mailing_id AND m.state = 'running'
CROSS JOIN LATERAL (SELECT min(started_at) AS began, max(ended_at) AS ended,
                           count(*) FILTER (WHERE state <> 'done') AS live
                    FROM sending_batch b
                    WHERE b.mailing_id = l.mailing_id AND b.provider = l.provider AND b.wave = l.wave) b
WHERE l.held_back > 0 AND l.state = 'open' AND b.began IS NOT NULL
"""
_LET_GO = """
UPDATE sending_mailinglane SET release_seq = release_seq + held_back, held_back = 0
WHERE mailing_id = %s AND provider = %s AND held_back > 0 AND for_hour = 0 RETURNING 1
"""


def watch(*, now: datetime) -> int:
    """Hold what is bad, let go what has shown that it is not; returns how many changed. Safe to run twice at once."""
    stopped = sum(_judge(now, mailing, lanes) for mailing, lanes in _suspicious().items())
    return stopped + _let_first_parts_go(now)


def counts_of(mailing_id: int) -> dict[str, Counts]:
    """What was answered so far, by lane; without lanes that have no answer yet."""
    return _counts("m.id = %(mailing)s", fewest=0, mailing=mailing_id).get(mailing_id, {})


def _suspicious() -> dict[int, dict[str, Counts]]:
    """Campaigns under way that got any bad answers worth a look."""
    return _counts(_WATCHED, fewest=FEWEST)


def _counts(which: str, *, fewest: int, **params: int) -> dict[int, dict[str, Counts]]:
    found: dict[int, dict[str, Counts]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS.format(which=which), {**params, "fewest": fewest})
        rows = cursor.fetchall()
        cursor.execute(_CLASSES, {"mailings": sorted({row[0] for row in rows})})
        classes = {(mailing, lane): (unknown, content) for mailing, lane, unknown, content in cursor.fetchall()}
    for mailing, lane, answered, accepted, bounced, complained in rows:
        unknown, content = classes.get((mailing, lane), (0, 0))
        found[mailing][lane] = Counts(answered, accepted, unknown, bounced, complained, content)
    return dict(found)


# Stopping


def _judge(now: datetime, mailing_id: int, answers: Mapping[str, Counts]) -> int:
    """Each open lane by itself, then those that are left together: one bad provider does not stop the others."""
    lanes = MailingLane.objects.filter(mailing_id=mailing_id, total__gt=0).values_list("provider", "state")
    before = _looked_at(mailing_id)
    fresh = {
        lane: answers.get(lane, Counts()).since(before.get(lane, Counts()))
        for lane, state in lanes
        if state == State.OPEN
    }
    found = {lane: finding for lane, counts in fresh.items() if (finding := find(counts)) is not None}
    together = find(sum((counts for lane, counts in fresh.items() if lane not in found), Counts()))
    if found and len(found) == len(fresh):
        together = next(iter(found.values()))
    if together is not None:
        return _hold(now, mailing_id, together)
    return sum(_hold_lane(now, mailing_id, lane, finding) for lane, finding in found.items())


def _looked_at(mailing_id: int) -> dict[str, Counts]:
    """What was known of each lane when a person went on: it does not speak against it any more."""
    found: dict[str, Counts] = {}
    resumed = MailingChange.objects.filter(mailing_id=mailing_id, kind=Kind.RESUMED).order_by("pk")
    for evidence in resumed.values_list("evidence", flat=True):
        found |= {lane: Counts(**counts) for lane, counts in evidence.get("before", {}).items()}
    return found


def _hold(now: datetime, mailing_id: int, finding: Finding) -> bool:
    with transaction.atomic():
        if not mailings.hold(now=now, mailing_id=mailing_id, reason=finding.sentence("all providers")):
            return False
        _write_stop(now, mailing_id, "", finding)
    return True


def _hold_lane(now: datetime, mailing_id: int, lane: str, finding: Finding) -> bool:
    with transaction.atomic():
        still_open = MailingLane.objects.filter(mailing_id=mailing_id, provider=lane, state=State.OPEN)
        if not still_open.update(state=State.HELD):
            return False
        _write_stop(now, mailing_id, lane, finding)
    return True


def _write_stop(now: datetime, mailing_id: int, lane: str, finding: Finding) -> None:
    sentence = finding.sentence(catalogue().title(lane) if lane else "all providers")
    evidence = {
        "signal": finding.signal.name,
        "bad": finding.bad,
        "of": finding.of,
        "limit": finding.signal.limit,
        "false_stop": FALSE_STOP,
    }
    MailingChange.objects.create(
        mailing_id=mailing_id, provider=lane, kind=Kind.STOPPED, at=now, reason=sentence[:300], evidence=evidence
    )
    log.warning("Mailing %s: %s", mailing_id, sentence)


def stops_of(mailing_id: int) -> dict[str, MailingChange]:
    """The stops nobody has answered yet, by lane; the whole campaign's under the empty name."""
    found: dict[str, MailingChange] = {}
    about = MailingChange.objects.filter(mailing_id=mailing_id, kind__in=[Kind.STOPPED, Kind.RESUMED])
    for change in about.order_by("pk"):
        if change.kind == Kind.STOPPED:
            found[change.provider] = change
        elif change.provider:
            found.pop(change.provider, None)
        else:
            found.clear()
    return found


def resume(*, now: datetime, mailing_id: int, lane: str, actor: User, reason: str) -> bool:
    """Go on at a provider, or (`lane` empty) everywhere, though the guard has stopped it. False when it had not.

    What was answered until now counts no more; the test begins anew. Raises ValueError without a reason.
    """
    if not reason.strip():
        raise ValueError("Say why it may go on.")
    with transaction.atomic(), connection.cursor() as cursor:
        Mailing.objects.select_for_update(no_key=True).get(pk=mailing_id)
        if lane not in stops_of(mailing_id):
            return False
        answers = counts_of(mailing_id)
        there = _lanes(mailing_id)
        lanes = [lane] if lane else sorted({*answers, *(provider for _, provider in there)})
        lock_lanes(cursor, {(mailing_id, wave, provider) for wave, provider in there if provider in lanes})
        MailingLane.objects.filter(mailing_id=mailing_id, provider__in=lanes, state=State.HELD).update(state=State.OPEN)
        before = {one: asdict(answers[one]) for one in lanes if one in answers}
        MailingChange.objects.create(
            mailing_id=mailing_id,
            provider=lane,
            kind=Kind.RESUMED,
            at=now,
            actor=actor,
            reason=reason[:300],
            evidence={"before": before},
        )
        if not lane:
            mailings.go_on(now=now, mailing_id=mailing_id)
        plan_soon()
    return True


def _lanes(mailing_id: int) -> Collection[tuple[int, str]]:
    return set(MailingLane.objects.filter(mailing_id=mailing_id).values_list("wave", "provider"))


# The first part


def _let_first_parts_go(now: datetime) -> int:
    """The rest of a lane, once the answers of its first part are in and did not stop it; or when the time is over."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_PARTS)
        waiting = cursor.fetchall()
    n = 0
    for mailing_id, lane, size, began, tried in waiting:
        counts = counts_of(mailing_id).get(lane, Counts())
        if now >= began + AT_LATEST / settings.TIME_FACTOR:
            n += _let_go(now, mailing_id, lane, None, "The time for its answers was over.", counts)
        elif tried and now >= tried + SETTLE / settings.TIME_FACTOR and 2 * counts.answered >= size:
            n += _let_go(now, mailing_id, lane, None, "Its answers are in, and are good.", counts)
    return n


def let_rest_go(*, now: datetime, mailing_id: int, lane: str, actor: User, reason: str) -> bool:
    """Let the rest of a lane go at once, by a person's decision. False when nothing waits there.

    The test goes on watching. Raises ValueError without a reason.
    """
    if not reason.strip():
        raise ValueError("Say why the rest need not wait.")
    return _let_go(now, mailing_id, lane, actor, reason, counts_of(mailing_id).get(lane, Counts()))


def _let_go(now: datetime, mailing_id: int, lane: str, actor: User | None, reason: str, counts: Counts) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LET_GO, [mailing_id, lane])
        if cursor.fetchone() is None:
            return False
        MailingChange.objects.create(
            mailing_id=mailing_id,
            provider=lane,
            kind=Kind.RELEASED,
            at=now,
            actor=actor,
            reason=reason[:300],
            evidence=asdict(counts),
        )
        plan_soon()
    return True
