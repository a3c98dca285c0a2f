"""What the pages about limits and warm-up show: budgets with what applies now and what they have spent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Count, Q

from reputation.budgets import ALL, Limits, Usage, limits_of, usage
from reputation.catalogue import catalogue
from reputation.models import Budget, SendingAddress, SendingDomain

Kind, State = Budget.Kind, Budget.State


@dataclass(frozen=True, slots=True)
class Spending:
    """One budget on a page."""

    budget: Budget
    limits: Limits
    used: Usage

    @property
    def left_today(self) -> int | None:
        """Messages that may still leave today; None without a limit."""
        return None if self.limits.per_day is None else max(0, self.limits.per_day - self.used.today)


@dataclass(frozen=True, slots=True)
class Scope:
    """An address, domain or account, and how it does over its providers."""

    kind: str
    name: str
    n_budgets: int = 0
    n_slowed: int = 0
    n_held: int = 0

    @property
    def kind_name(self) -> str:
        return str(Kind(self.kind).label)

    @property
    def title(self) -> str:
        """Accounts are kept under the number of their route."""
        return self.name.replace("route:", "Account of route ") if self.kind == Kind.ACCOUNT else self.name


def scopes() -> list[Scope]:
    """All of them, those that have never sent included."""
    troubled = {state: Count("pk", filter=Q(state=state)) for state in (State.SLOWED, State.HELD)}
    counted = Budget.objects.exclude(kind=Kind.RECIPIENT_DOMAIN).order_by().values_list("kind", "scope")
    rows = counted.annotate(n=Count("pk"), slowed_n=troubled[State.SLOWED], held_n=troubled[State.HELD])
    found = {(kind, scope): Scope(kind, scope, n, slowed, held) for kind, scope, n, slowed, held in rows}
    ours = [(Kind.IP.value, ip) for ip in SendingAddress.objects.values_list("ip", flat=True)]
    ours += [(Kind.DKIM_DOMAIN.value, name) for name in SendingDomain.objects.values_list("name", flat=True)]
    for key in ours:
        found.setdefault(key, Scope(*key))
    return [found[key] for key in sorted(found)]


def spending(*, now: datetime, zone: ZoneInfo, budgets: Iterable[Budget]) -> list[Spending]:
    """Budgets with their limits and usage: one statement for all of them."""
    rows = list(budgets)
    used = usage(now=now, zone=zone, budget_ids=[row.pk for row in rows])
    return [Spending(row, limits_of(row, now=now, zone=zone), used[row.pk]) for row in rows]


def of_scope(*, now: datetime, zone: ZoneInfo, kind: str, scope: str) -> list[Spending]:
    """A scope at every provider it has met, all together first, then by name."""
    rows = Budget.objects.select_related("warmup").filter(kind=kind, scope=scope)
    return sorted(spending(now=now, zone=zone, budgets=rows), key=_by_name)


def warming(*, now: datetime, zone: ZoneInfo) -> dict[tuple[str, str], list[Spending]]:
    """Every budget that warms up, by scope."""
    rows = Budget.objects.select_related("warmup").filter(warmup__isnull=False).exclude(provider=ALL)
    found: dict[tuple[str, str], list[Spending]] = {}
    for key in Budget.objects.filter(warmup__isnull=False).order_by("kind", "scope").values_list("kind", "scope"):
        found.setdefault(key, [])
    for row in sorted(spending(now=now, zone=zone, budgets=rows), key=_by_name):
        found[row.budget.kind, row.budget.scope].append(row)
    return found


def troubled_recipient_domains(limit: int = 100) -> Sequence[Budget]:
    """Single recipient domains that asked us to wait, the latest first."""
    rows = Budget.objects.filter(kind=Kind.RECIPIENT_DOMAIN).exclude(state=State.OPEN)
    return list(rows.order_by("-changed_at")[:limit])


def _by_name(row: Spending) -> tuple[bool, str]:
    return row.budget.provider != ALL, catalogue().title(row.budget.provider).lower()
