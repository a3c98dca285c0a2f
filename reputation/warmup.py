"""Warming up: plans of daily caps, and the nightly step of every budget that follows one.

The plan of a scope (an address, a sending domain, an account) is kept on its budget for all providers together; each
provider's budget walks through it by itself, and one that is made later starts at day 1. `warmup_on` is the calendar
day from which the present warm-up day counts: moved ahead, it holds the budget where it is.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max

from reputation.budgets import ALL, budgets_for, hourly_of, whose
from reputation.catalogue import catalogue
from reputation.models import Alert, Budget, BudgetChange, DayTally, WarmupPlan
from reputation.pure import warmup as pure
from reputation.pure.warmup import Day, Decision, cap_of, cap_on, length_of, rests_on
from reputation.workspace import today

CHUNK = 1_000
# What is written down of a day that was decided on.
FIGURES = ("cap", "sent", "accepted", "deferred", "bounced", "unknown_users", "complained")


class Rung(NamedTuple):
    """What may leave on a warm-up day, and in each hour of it."""

    day: int
    hour: int


def start(
    *, now: datetime, zone: ZoneInfo, kind: str, scope: str, plan: WarmupPlan, actor: User | None = None, day: int = 1
) -> list[Budget]:
    """Let a scope warm up by a plan at every provider, from the given day on; returns its budgets."""
    [together] = budgets_for(now=now, kind_scopes=[(kind, scope)], provider=ALL)
    budgets = list(Budget.objects.filter(kind=kind, scope=scope))
    with transaction.atomic():
        Budget.objects.filter(pk__in=[budget.pk for budget in budgets]).update(
            warmup=plan, warmup_day=day, warmup_on=today(now, zone)
        )
        what = f"Warm-up “{plan.name}” started on day {day}"
        BudgetChange.objects.create(budget=together, at=now, actor=actor, what=what)
    return list(Budget.objects.filter(kind=kind, scope=scope).select_related("warmup"))


def stop(*, now: datetime, kind: str, scope: str, actor: User | None, reason: str) -> None:
    """End a scope's warm-up: no caps any more, at no provider."""
    with transaction.atomic():
        Budget.objects.filter(kind=kind, scope=scope).update(warmup=None, warmup_day=0, warmup_on=None)
        for together in Budget.objects.filter(kind=kind, scope=scope, provider=ALL):
            BudgetChange.objects.create(budget=together, at=now, actor=actor, what="Warm-up ended", reason=reason)


def hold(*, now: datetime, zone: ZoneInfo, budget: Budget, days: int, actor: User | None, reason: str) -> bool:
    """Keep a budget on its day for some days more. False when it does not warm up."""
    what = f"Warm-up stays on day {budget.warmup_day} for {days} days"
    return _move(now, budget, budget.warmup_day, today(now, zone) + timedelta(days=days), what, reason, actor)


def step(*, now: datetime, zone: ZoneInfo, budget: Budget, by: int, actor: User | None, reason: str) -> bool:
    """Put a budget some days on or back by hand, at most to its last day: only a used day lifts the cap.

    False when it does not warm up, or changed meanwhile.
    """
    day = max(1, min(budget.warmup_day + by, length_of(_plan_days(budget), catalogue().get(budget.provider).key)))
    return _move(now, budget, day, today(now, zone), f"Warm-up put to day {day}", reason, actor)


def advance(*, now: datetime, zone: ZoneInfo) -> int:
    """Decide on yesterday for every budget that warms up; returns how many moved. Once a night; again is harmless.

    On: at least 80 % of the cap was used and nothing went wrong. Stays: otherwise. Back: too many bounces, complaints
    or deferrals, or a reputation or blocklist reply; after idle weeks, receivers have forgotten us.
    """
    day = today(now, zone)
    due = Budget.objects.filter(warmup__isnull=False, warmup_on__lt=day).exclude(provider=ALL)
    # A budget that joined a plan when it was made counts from the day it is first seen here.
    Budget.objects.filter(warmup__isnull=False, warmup_on=None).update(warmup_on=day)
    moved, last = 0, 0
    while chunk := list(due.filter(pk__gt=last).select_related("warmup").order_by("pk")[:CHUNK]):
        moved += _advance(now, zone, day, chunk)
        last = chunk[-1].pk
    return moved


def ladder_of(budget: Budget) -> list[Rung]:
    """What the plan lets leave on this warm-up day and on those that follow when each is used and goes well. For
    forecasts, which know on which date each comes, and with it how far below the plan it is."""
    provider = catalogue().get(budget.provider)
    series, day = pure.series_of(_plan_days(budget), provider.key), max(1, budget.warmup_day)
    return [Rung(cap, hourly_of(cap, provider.cold)) for cap in series[day - 1 :]]


def _advance(now: datetime, zone: ZoneInfo, day: date, budgets: Sequence[Budget]) -> int:
    yesterday = day - timedelta(days=1)
    tallies = {tally.budget_id: tally for tally in DayTally.objects.filter(budget__in=budgets, day=yesterday)}
    verdicts = _verdicts(zone, yesterday, budgets)
    last_days = _last_days(budgets)
    moved = 0
    for budget in budgets:
        tally = tallies.get(budget.pk)
        if tally is not None and tally.sent:
            moved += _obey(now, day, budget, *_judge(budget, tally, verdicts[budget.pk]))
        elif decision := _decay(budget, day, last_days.get(budget.pk)):
            moved += _obey(now, day, budget, decision, {})
    return moved


def _judge(budget: Budget, tally: DayTally, verdicts: frozenset[str]) -> tuple[Decision, dict[str, Any]]:
    """What follows from a day on which mail left, with its figures for the record."""
    cap = cap_of(_plan_days(budget), catalogue().get(budget.provider).key, budget.warmup_day)
    if cap is None:
        return Decision(0, "The plan has come to its end"), {}
    cap = cap_on(cap, about=whose(budget), day=tally.day)
    day = Day(
        cap=min(cap, budget.per_day or cap),
        sent=tally.sent,
        accepted=tally.accepted,
        deferred=tally.deferred,
        bounced=tally.bounced,
        unknown_users=tally.unknown_users,
        complained=tally.complained,
        verdicts=verdicts,
        is_open=budget.state == Budget.State.OPEN,
    )
    figures = {name: getattr(day, name) for name in FIGURES}
    decision = pure.decide(day)
    if decision.by > 0 and budget.warmup and rests_on(tally.day, skips_weekends=budget.warmup.skips_weekends):
        # What left then was transactional; it may hold a warm-up or lead it back, but not on.
        decision = Decision(0, "Weekends are skipped")
    return decision, {"day": tally.day.isoformat(), "warmup_day": budget.warmup_day, **figures}


def _decay(budget: Budget, day: date, last: date | None) -> Decision | None:
    """An unused day holds without a word; weeks of them lead back, once when each line is crossed."""
    if last is None or budget.warmup_on is None:
        return None
    return pure.decay((day - last).days, (budget.warmup_on - last).days)


def _obey(now: datetime, day: date, budget: Budget, decision: Decision, figures: dict[str, Any]) -> bool:
    """Move, hold or end; did it move? A day's figures and what follows from them are written down in any case."""
    was, to = budget.warmup_day, max(1, budget.warmup_day + decision.by)
    evidence = {"decided": decision.by, **figures} if figures else {}
    if cap_of(_plan_days(budget), catalogue().get(budget.provider).key, to) is None:
        return _finish(now, budget, evidence)
    what = f"Warm-up day {was} → {to}" if to != was else f"Warm-up stays on day {was}"
    with transaction.atomic():
        if to == was and not figures and not decision.pause:
            _touch(budget, day)
            return False
        if not _move(now, budget, to, day, what, decision.reason, None, evidence):
            return False
        if decision.pause:
            _pause(now, budget, decision.reason)
        if decision.is_breach:
            _alert(now, budget, f"{what}: {decision.reason}.")
    return to != was or decision.pause


def _touch(budget: Budget, day: date) -> None:
    Budget.objects.filter(pk=budget.pk, warmup_on=budget.warmup_on).update(warmup_on=day)


def _alert(now: datetime, budget: Budget, detail: str) -> None:
    """Admins hear of a day that went wrong; who held or moved it themselves need not be told."""
    Alert.objects.create(
        kind=Alert.Kind.WARMUP,
        budget=budget,
        check_name="warmup",
        required=False,
        at=now,
        detail=detail,
        mail_due_at=now,
        call_due_at=now if settings.ALERT_WEBHOOK_URL else None,
    )


def _pause(now: datetime, budget: Budget, reason: str) -> None:
    """A day of silence; one that a person or a receiver made longer stands."""
    until = now + timedelta(hours=24)
    Budget.objects.filter(pk=budget.pk).exclude(state=Budget.State.HELD, state_until=None).exclude(
        state=Budget.State.HELD, state_until__gte=until
    ).update(
        state=Budget.State.HELD,
        state_until=until,
        state_reason=f"{reason}: a day of silence",
        ladder_step=0,
        changed_at=now,
    )


def _finish(now: datetime, budget: Budget, evidence: dict[str, Any]) -> bool:
    ended = Budget.objects.filter(pk=budget.pk, warmup_on=budget.warmup_on).update(
        warmup=None, warmup_day=0, warmup_on=None
    )
    if ended:
        what = "Warmed up: no cap of the day any more"
        BudgetChange.objects.create(budget=budget, at=now, what=what, evidence=evidence)
    return bool(ended)


def _move(
    now: datetime,
    budget: Budget,
    day: int,
    on: date,
    what: str,
    reason: str,
    actor: User | None,
    evidence: dict[str, Any] | None = None,
) -> bool:
    with transaction.atomic():
        unchanged = Budget.objects.filter(
            pk=budget.pk, warmup__isnull=False, warmup_day=budget.warmup_day, warmup_on=budget.warmup_on
        )
        if unchanged.update(warmup_day=day, warmup_on=on) != 1:
            return False
        BudgetChange.objects.create(
            budget=budget, at=now, actor=actor, what=what, reason=reason, evidence=evidence or {}
        )
    budget.warmup_day, budget.warmup_on = day, on
    return True


def _plan_days(budget: Budget) -> pure.Days:
    """Empty for a budget that does not warm up: then nothing is capped."""
    days: pure.Days = budget.warmup.days if budget.warmup else {}
    return days


def _verdicts(zone: ZoneInfo, day: date, budgets: Sequence[Budget]) -> Mapping[int, frozenset[str]]:
    """Classes of the replies that stopped each budget on a day."""
    begin = datetime.combine(day, time.min, tzinfo=zone)
    end = datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone)
    changes = BudgetChange.objects.filter(budget__in=budgets, at__gte=begin, at__lt=end, evidence__has_key="class")
    found: dict[int, frozenset[str]] = defaultdict(frozenset)
    for budget, class_ in changes.values_list("budget", "evidence__class"):
        found[budget] |= {class_}
    return found


def _last_days(budgets: Sequence[Budget]) -> dict[int, date]:
    """The last day each budget sent anything."""
    sent = DayTally.objects.filter(budget__in=budgets, sent__gt=0)
    return dict(sent.order_by().values_list("budget").annotate(last=Max("day")))
