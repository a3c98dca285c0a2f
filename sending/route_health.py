"""How the routes are: where they are slowed down or held, and what became of today's mail."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from django.db.models import Count, Q, Sum

from reputation.budgets import ALL
from reputation.models import Budget, DayTally
from sending.models import Route
from sending.routes import scope_of


@dataclass(frozen=True, slots=True)
class Health:
    """`slowed`, `held`: providers at which it is so. Of today's `sent` so many were accepted, put off, bounced."""

    slowed: int = 0
    held: int = 0
    sent: int = 0
    accepted: int = 0
    deferred: int = 0
    bounced: int = 0

    @property
    def taken(self) -> float | None:
        """Per cent of today's mail; None before any left."""
        return 100 * self.accepted / self.sent if self.sent else None


def of_routes(routes: Collection[Route], *, at: date) -> Mapping[int, Health]:
    """By route id, in two statements. `at`: the day of the workspace's zone."""
    scopes = {route.pk: scope_of(route) for route in routes}
    mine = Budget.objects.filter(
        kind__in={kind for kind, _ in scopes.values()}, scope__in={scope for _, scope in scopes.values()}
    ).exclude(provider=ALL)
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    states = mine.exclude(state=Budget.State.OPEN).order_by().values_list("kind", "scope")
    is_held = Q(state=Budget.State.HELD)
    for kind, scope, held, slowed in states.annotate(h=Count("pk", filter=is_held), s=Count("pk", filter=~is_held)):
        found[kind, scope] |= {"held": held, "slowed": slowed}
    names = ("sent", "accepted", "deferred", "bounced")
    tallies = DayTally.objects.filter(budget__in=mine, day=at).order_by().values_list("budget__kind", "budget__scope")
    for kind, scope, *counts in tallies.annotate(**{f"n_{name}": Sum(name) for name in names}):
        found[kind, scope] |= dict(zip(names, counts, strict=True))
    return {pk: Health(**found[scope]) for pk, scope in scopes.items()}
