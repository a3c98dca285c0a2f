"""What the pages about warm-up show: where each provider stands, what its days brought, and when it is through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from reputation import limits_page
from reputation.catalogue import catalogue
from reputation.limits_page import Spending
from reputation.models import Budget, BudgetChange, DayTally
from reputation.pure.warmup import cap_of, day_after, length_of
from reputation.workspace import today

# So many days of figures are shown of one provider.
DAYS = 60


@dataclass(frozen=True, slots=True)
class Row:
    """One provider of a scope that warms up. `decided` is what the last used day led to."""

    spending: Spending
    decided: BudgetChange | None
    full_on: date

    @property
    def decision(self) -> tuple[str, str, str] | None:
        return decision_of(self.decided) if self.decided else None

    @property
    def day_count(self) -> int:
        plan = self.spending.budget.warmup
        return length_of(plan.days, catalogue().get(self.spending.budget.provider).key) if plan else 0


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day on which mail left. `cap` and the decision are not known of today, and of days before they were kept."""

    day: date
    warmup_day: int | None
    cap: int | None
    tally: DayTally
    decided: BudgetChange | None

    @property
    def decision(self) -> tuple[str, str, str] | None:
        return decision_of(self.decided) if self.decided else None


def decision_of(change: BudgetChange) -> tuple[str, str, str]:
    """(tone, icon, word) of what a day led to."""
    by = change.evidence["decided"]
    if by > 0:
        return "ok", "arrow-up-right", _("Went on")
    return ("wait", "player-pause", _("Stayed")) if by == 0 else ("bad", "arrow-down-left", _("Stepped back"))


def warming(*, now: datetime, zone: ZoneInfo) -> dict[tuple[str, str], list[Row]]:
    """Every budget that warms up, by scope."""
    found = limits_page.warming(now=now, zone=zone)
    ids = [row.budget.pk for rows in found.values() for row in rows]
    changes = BudgetChange.objects.filter(budget__in=ids, evidence__has_key="decided")
    last = {change.budget_id: change for change in changes.order_by("budget", "-id").distinct("budget")}
    return {
        key: [Row(row, last.get(row.budget.pk), full_on(row.budget, today(now, zone))) for row in rows]
        for key, rows in found.items()
    }


def full_on(budget: Budget, day: date) -> date:
    """The first day without a cap, when every day of sending until then is used and goes well."""
    if budget.warmup is None:
        return day
    left = length_of(budget.warmup.days, catalogue().get(budget.provider).key) - max(1, budget.warmup_day) + 1
    first = max(day, budget.warmup_on or day)
    return day_after(first, left, skips_weekends=budget.warmup.skips_weekends)


def days_of(*, now: datetime, zone: ZoneInfo, budget: Budget) -> list[DayRow]:
    """The last days on which mail left, the latest first."""
    tallies = list(DayTally.objects.filter(budget=budget, sent__gt=0).order_by("-day")[:DAYS])
    changes = BudgetChange.objects.filter(budget=budget, evidence__has_key="decided").order_by("-id")[:DAYS]
    decided = {change.evidence["day"]: change for change in reversed(changes) if "day" in change.evidence}
    return [_day_row(tally, decided, budget, today(now, zone)) for tally in tallies]


def _day_row(tally: DayTally, decided: Mapping[str, BudgetChange], budget: Budget, day: date) -> DayRow:
    change = decided.get(tally.day.isoformat())
    if change is not None:
        return DayRow(tally.day, change.evidence["warmup_day"], change.evidence["cap"], tally, change)
    if tally.day == day and budget.warmup is not None:
        cap = cap_of(budget.warmup.days, catalogue().get(budget.provider).key, budget.warmup_day)
        return DayRow(tally.day, budget.warmup_day, cap, tally, None)
    return DayRow(tally.day, None, None, tally, None)


def lines_of(rows: Sequence[DayRow]) -> dict[str, list[int]]:
    """Caps and what was sent, from the first day on, for the curve."""
    known = [row for row in reversed(rows) if row.cap is not None]
    return {"cap": [row.cap or 0 for row in known], "sent": [row.tally.sent for row in known]}
