"""Plan: read what waits and what may be spent, ask the pure planner, write its batches, wake their workers.

One planner at a time (advisory lock), in one short transaction. Deliveries get a batch only when it is about to start,
so a signal, a pause or an edited limit acts at once.
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction

from reputation import backoff
from reputation.workspace import workspace
from sending import placing, wake
from sending.capacity import Capacity, WayOut, capacity
from sending.lane_totals import lock_lanes
from sending.models import Batch, Mailing
from sending.pure import pacing
from sending.pure.lanes import BatchSpec, Demand, LiveBatch, Plan
from sending.takeover import GHOST_FOR, STOPPED
from sending.waiting import Amount, Place, waiting

# Dots of batches that ended this long ago may still lie in a window of a minute.
IN_THE_WINDOW = timedelta(seconds=61)

_LIVE = """
SELECT id FROM sending_batch WHERE state <> 'done'
UNION ALL SELECT id FROM sending_batch WHERE state = 'done' AND ended_at > %(window)s
UNION ALL SELECT id FROM sending_batch
          WHERE state = 'done' AND ended_at > %(ghost)s AND ended_at <= %(window)s AND end_reason = %(stopped)s
"""
# Retries first come, first served; a row that another transaction holds is left for the next round.
_TAKE_DUE = """
UPDATE sending_requeue q SET batch = %(batch)s, position = taken.place
FROM (SELECT id, row_number() OVER (ORDER BY due_at, position, id) AS place
      FROM (SELECT id, due_at, position FROM sending_requeue
            WHERE mailing_id = %(mailing)s AND wave = %(wave)s AND provider_now = %(provider)s
              AND batch IS NULL AND due_at <= %(now)s
              AND CASE WHEN %(pinned)s THEN pinned_route = %(route)s ELSE pinned_route IS NULL END
            ORDER BY due_at, position, id LIMIT %(size)s FOR UPDATE SKIP LOCKED) due) taken
WHERE q.id = taken.id
"""
_HAND_OUT = """
UPDATE sending_mailinglane SET next_seq = next_seq + %(size)s
WHERE mailing_id = %(mailing)s AND wave = %(wave)s AND provider = %(provider)s
  AND next_seq + %(size)s - 1 <= release_seq
RETURNING next_seq - %(size)s
"""
_GIVEN = """
UPDATE sending_mailinglane SET last_given_at = %(now)s
WHERE mailing_id = %(mailing)s AND wave = %(wave)s AND provider = %(provider)s
"""


def plan(*, now: datetime) -> int:
    """Write the batches that may start now; returns how many. Harmless when called twice at once."""
    with transaction.atomic():
        owner = workspace()
        if owner.sending_stopped_at is not None or not _only_planner():
            return 0
        running = Mailing.objects.filter(state=Mailing.State.RUNNING).select_related("pool", "sending_domain")
        mailings = {mailing.pk: mailing for mailing in running}
        places = waiting(now=now, mailings=mailings) if mailings else {}
        if not places:
            return 0
        live = live_batches(now=now)
        wanted = [(mailings[place.mailing], place.provider) for place in places]
        known = capacity(now=now, zone=ZoneInfo(owner.time_zone), wanted=wanted, live=live)
        demand = [_demand(known, mailings[place.mailing], place, amount) for place, amount in places.items()]
        made = pacing.plan(
            now=now,
            budgets=known.budgets.values(),
            demand=[row for row in demand if row.lanes],
            running=[_as_live(known, batch) for batch in live],
        )
        return _write(now, made)


def _only_planner() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('sending.plan'))")
        return bool((cursor.fetchone() or (False,))[0])


def live_batches(*, now: datetime) -> list[Batch]:
    """Planned and running batches, those that ended in the last minute, and those whose stopped worker may still hold
    its connection."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVE, {"window": now - IN_THE_WINDOW, "ghost": now - GHOST_FOR, "stopped": STOPPED})
        ids = [row[0] for row in cursor.fetchall()]
    # A busy minute has hundreds of batches of a few mailings and routes: those are read once, not once for each batch.
    return list(Batch.objects.filter(pk__in=ids).prefetch_related("mailing__sending_domain", "route__address"))


def _demand(known: Capacity, mailing: Mailing, place: Place, amount: Amount) -> Demand:
    # A test is for one person's eyes, now: it takes the way of transactional mail and waits for no campaign.
    stream = "transactional" if mailing.is_test else mailing.stream
    return Demand(
        mailing=place.mailing,
        wave=place.wave,
        provider=place.provider,
        lanes=known.lanes_of(mailing, place.provider),
        fresh=amount.fresh,
        retry=amount.retry,
        pinned=tuple(sorted(amount.pinned.items())),
        stream=stream,
        overflow=mailing.pool.overflow,
        deadline=mailing.deadline,
        last_given=amount.last_given,
    )


def _as_live(known: Capacity, batch: Batch) -> LiveBatch:
    size = batch.hi - batch.lo + 1
    way = WayOut(batch.route_id, batch.mailing.sending_domain.name, batch.provider)
    # What it was planned with, and what its lane spends from today: an added budget counts from now on.
    extra = known.budgets_of(way, known.own_limits.get(batch.mailing_id, 0))
    budgets = [key for key in dict.fromkeys((*batch.budget_ids, *extra)) if key in known.budgets]
    is_ghost = batch.end_reason == STOPPED
    done = batch.n_sent + batch.n_skipped
    return LiveBatch(
        id=batch.pk,
        mailing=batch.mailing_id,
        provider=batch.provider,
        route=batch.route_id,
        budgets=tuple(budgets),
        gap=batch.gap,
        size=size,
        outstanding=0 if batch.state == Batch.State.DONE else max(0, size - done),
        not_before=batch.due_at,
        sent=batch.n_sent,
        stream=batch.stream,
        yielding=batch.yield_requested,
        ended_at=None if is_ghost else batch.ended_at,
    )


def _write(now: datetime, made: Plan) -> int:
    for batch_id, gap in made.edits:
        Batch.objects.filter(pk=batch_id).exclude(state=Batch.State.DONE).update(gap=gap)
    for batch_id in made.yields:
        Batch.objects.filter(pk=batch_id).exclude(state=Batch.State.DONE).update(yield_requested=True)
    with connection.cursor() as cursor:
        lock_lanes(cursor, {(spec.mailing, spec.wave, spec.provider) for spec in made.batches})
    written = [batch for spec in made.batches if (batch := _write_batch(now, spec)) is not None]
    wake.wake(Batch.objects.filter(pk__in=[batch.pk for batch in written]).select_related("route"))
    return len(written)


def _write_batch(now: datetime, spec: BatchSpec) -> Batch | None:
    """The row and its people; None when they are not there any more."""
    batch = Batch(
        mailing_id=spec.mailing,
        wave=spec.wave,
        route_id=spec.route,
        provider=spec.provider,
        stream=spec.stream,
        kind=spec.kind,
        lo=1,
        hi=spec.size,
        gap=spec.gap,
        due_at=spec.not_before,
        deadline=spec.deadline,
        budget_ids=[key for key in spec.budgets if key > 0],
        woken_at=now,
    )
    asked: dict[str, Any] = {
        "mailing": spec.mailing,
        "wave": spec.wave,
        "provider": spec.provider,
        "size": spec.size,
        "now": now,
        "pinned": spec.pinned,
        "route": spec.route,
    }
    return _fresh(batch, asked) if spec.kind == "fresh" else _retry(batch, asked)


def _fresh(batch: Batch, asked: dict[str, Any]) -> Batch | None:
    with connection.cursor() as cursor:
        cursor.execute(_HAND_OUT, asked)
        row = cursor.fetchone()
        cursor.execute(_GIVEN, asked)
    if row is None:
        return None
    batch.lo, batch.hi = row[0], row[0] + batch.hi - 1
    batch.save(force_insert=True)
    return batch


def _retry(batch: Batch, asked: dict[str, Any]) -> Batch | None:
    batch.save(force_insert=True)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_DUE, {**asked, "batch": batch.pk})
        taken = cursor.rowcount
        cursor.execute(_GIVEN, asked)
    if not taken:
        batch.delete()
        return None
    if taken < batch.hi:
        batch.hi = taken
        batch.save(update_fields=["hi"])
    return batch


def tick(*, now: datetime) -> int:
    """Let budgets whose time has come recover a step, give a lane to domains known by now, and plan."""
    backoff.recover(now=now, time_factor=settings.TIME_FACTOR)
    placing.place(now=now)
    return plan(now=now)
