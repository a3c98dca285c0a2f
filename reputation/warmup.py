"""Warming up: plans of daily caps, and the nightly step of every budget that follows one.

The plan of a scope (an address, a sending domain, an account) is kept on its budget for all providers together; each
provider's budget walks through it by itself, and one that is made later starts at day 1. `warmup_on` is the calendar
day from which the present warm-up day counts: moved ahead, it holds the budget where it is.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max

from reputation.budgets import ALL, budgets_for
from reputation.catalogue import catalogue
from reputation.models import Budget, BudgetChange, DayTally, WarmupPlan
from reputation.pure import warmup as pure
from reputation.pure.warmup import EVERYONE, HIGHEST_CAP, Day, Decision, Preset, cap_of, length_of
from reputation.workspace import today

FILE = Path(__file__).with_name("warmup.toml")
CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Table:
    """A plan for a page: provider keys over day by day caps; None where a provider has no cap any more."""

    providers: Sequence[str]
    rows: Sequence[tuple[int, Sequence[int | None]]]


@cache
def presets() -> dict[str, Preset]:
    """The presets of warmup.toml by key. Raises CatalogueError; the system check has said so at start."""
    return pure.load(FILE.read_text(encoding="utf-8"))


def make_plan(*, name: str, preset: str) -> WarmupPlan:
    """A new plan, copied from a preset and free to be edited. Raises ValueError for a preset there is not."""
    if preset not in presets():
        raise ValueError(f"There is no warm-up preset “{preset}”. There are: {', '.join(presets())}.")
    return WarmupPlan.objects.create(name=name, preset=preset, days=pure.days_of(presets()[preset], catalogue()))


def set_cap(*, plan: WarmupPlan, provider: str, day: int, cap: int) -> None:
    """Change one day (from 1) of a provider's series; `*` is everybody without one. Raises ValueError."""
    if not 1 <= cap <= HIGHEST_CAP:
        raise ValueError("A day's cap must be a whole number of 1 or more.")
    with transaction.atomic():
        row = WarmupPlan.objects.select_for_update(no_key=True).get(pk=plan.pk)
        series = list(row.days.get(provider) or row.days.get(EVERYONE) or [])
        if not 1 <= day <= len(series):
            raise ValueError(f"The plan has {len(series)} days; there is no day {day}.")
        series[day - 1] = cap
        row.days[provider] = series
        row.save(update_fields=["days"])
    plan.days = row.days


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
    """Put a budget some days on or back by hand. False when it does not warm up, or changed meanwhile."""
    day = max(1, budget.warmup_day + by)
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


def cap_on(budget: Budget, *, today: date, on: date) -> int | None:
    """The cap of a day to come, if every day until then goes well. For forecasts; None is no cap."""
    if budget.warmup is None or budget.provider == ALL:
        return None
    ahead = max(0, (on - max(today, budget.warmup_on or today)).days)
    return cap_of(budget.warmup.days, catalogue().get(budget.provider).key, budget.warmup_day + ahead)


def table(plan: WarmupPlan, *, providers: Sequence[str]) -> Table:
    """A plan's caps for some providers (`*` for the rest), as many rows as the longest has days."""
    longest = max((length_of(plan.days, provider) for provider in providers), default=0)
    rows = [(day, [cap_of(plan.days, provider, day) for provider in providers]) for day in range(1, longest + 1)]
    return Table(providers=providers, rows=rows)


def _advance(now: datetime, zone: ZoneInfo, day: date, budgets: Sequence[Budget]) -> int:
    yesterday = day - timedelta(days=1)
    tallies = {tally.budget_id: tally for tally in DayTally.objects.filter(budget__in=budgets, day=yesterday)}
    verdicts = _verdicts(zone, yesterday, budgets)
    last_days = _last_days(budgets)
    moved = 0
    for budget in budgets:
        tally = tallies.get(budget.pk)
        decision = (
            _judge(budget, tally, verdicts[budget.pk])
            if tally is not None and tally.sent
            else _decay(budget, day, last_days.get(budget.pk))
        )
        moved += decision is not None and _obey(now, day, budget, decision)
    return moved


def _judge(budget: Budget, tally: DayTally, verdicts: frozenset[str]) -> Decision:
    cap = cap_of(_plan_days(budget), catalogue().get(budget.provider).key, budget.warmup_day)
    if cap is None:
        return Decision(0, "The plan has come to its end")
    return pure.decide(
        Day(
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
    )


def _decay(budget: Budget, day: date, last: date | None) -> Decision | None:
    """An unused day holds without a word; weeks of them lead back, once when each line is crossed."""
    if last is None or budget.warmup_on is None:
        return None
    return pure.decay((day - last).days, (budget.warmup_on - last).days)


def _obey(now: datetime, day: date, budget: Budget, decision: Decision) -> bool:
    to = max(1, budget.warmup_day + decision.by)
    if cap_of(_plan_days(budget), catalogue().get(budget.provider).key, to) is None:
        return _finish(now, budget)
    if to == budget.warmup_day and not decision.pause:
        Budget.objects.filter(pk=budget.pk, warmup_on=budget.warmup_on).update(warmup_on=day)
        return False
    what = f"Warm-up day {budget.warmup_day} → {to}"
    moved = _move(now, budget, to, day, what, decision.reason, None)
    if moved and decision.pause:
        _pause(now, budget, decision.reason)
    return moved


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


def _finish(now: datetime, budget: Budget) -> bool:
    ended = Budget.objects.filter(pk=budget.pk, warmup_on=budget.warmup_on).update(
        warmup=None, warmup_day=0, warmup_on=None
    )
    if ended:
        BudgetChange.objects.create(budget=budget, at=now, what="Warmed up: no cap of the day any more")
    return bool(ended)


def _move(now: datetime, budget: Budget, day: int, on: date, what: str, reason: str, actor: User | None) -> bool:
    with transaction.atomic():
        unchanged = Budget.objects.filter(
            pk=budget.pk, warmup__isnull=False, warmup_day=budget.warmup_day, warmup_on=budget.warmup_on
        )
        if unchanged.update(warmup_day=day, warmup_on=on) != 1:
            return False
        BudgetChange.objects.create(budget=budget, at=now, actor=actor, what=what, reason=reason)
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
