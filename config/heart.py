"""The essential sweeps, for when beat is silent: any worker steps in, so campaigns start and finish without it.

Every sweep may run twice at once. `Tick` rows say when each last ran, by whoever; they are written by compare-and-set,
so of several workers that notice the silence one takes the turn.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from sending.models import Tick

log = logging.getLogger(__name__)

# A sweep that beat has not run for this many of its periods is run here.
MISSED_PERIODS = 4

# Task -> its seconds, and what does it: named, for a sending worker loads no campaigns before it has to stand in.
ESSENTIAL = {
    "sending.tasks.tick": (1.0, "sending.plan.tick"),
    "sending.tasks.sweep": (2.0, "sending.sweeping.sweep"),
    "campaigns.tasks.promote_due": (2.0, "campaigns.schedule.promote_due"),
    "reputation.tasks.refresh_domains": (5.0, "reputation.recipients.refresh"),
}


def note(task: str) -> None:
    """A task ran, because beat asked for it; noted when it is one of the essential ones."""
    if task in ESSENTIAL:
        now = timezone.now()  # clock: entry
        Tick.objects.update_or_create(name=task, defaults={"at": now})


def beat_if_silent() -> int:
    """Run what beat has not run for a while; returns how many. One sweep that fails does not stop the rest."""
    now = timezone.now()  # clock: entry
    last = dict(Tick.objects.filter(name__in=ESSENTIAL).values_list("name", "at"))
    silent = [
        work
        for name, (period, work) in ESSENTIAL.items()
        if _is_silent(last.get(name), period, now) and _my_turn(name, period, now)
    ]
    return sum(_run(work, now) for work in silent)


def _is_silent(last: datetime | None, period: float, now: datetime) -> bool:
    """Told from one look at all of them. A clock that was set back must not silence the sweeps."""
    missed = timedelta(seconds=MISSED_PERIODS * period)
    return last is None or last < now - missed or last > now + timedelta(seconds=60)


def _my_turn(name: str, period: float, now: datetime) -> bool:
    Tick.objects.get_or_create(name=name, defaults={"at": now})
    silent_since = now - timedelta(seconds=MISSED_PERIODS * period)
    overdue = Q(at__lt=silent_since) | Q(at__gt=now + timedelta(seconds=60))
    # Noted as one period less, so that the next turn comes after one period and not after four.
    turn = now - timedelta(seconds=(MISSED_PERIODS - 1) * period)
    return bool(Tick.objects.filter(overdue, name=name).update(at=turn))


def _run(work: str, now: datetime) -> bool:
    try:
        import_string(work)(now=now)
    except Exception:
        log.exception("the sweep %s failed; it is tried again", work)
        return False
    return True
